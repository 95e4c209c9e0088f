"""Which distances can be trusted to judge realism? The table behind the metric "trust", for any preset and network.

    python -m evaluation.metrics.trust_table --set 'score.extractors=[{kind: vgg19, path: FILE}]' --json table.json

For each layout the renderer gives a photograph, another draw, which is as plausible, and the mean of eleven further
draws, which is a blur. The table shows how often a distance places the draw nearer to the photograph than the mean (0.5
is chance) and how many times as far the mean is. It covers pixels, the terms of the content loss and their sum, and of
every configured extractor its feature maps (LPIPS without learned weights) and its pooled features, with the Fréchet
distance of all draws and of all means to the photographs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data import open_dataset
from data.errors import InputError, one_line_errors
from data.files import write_json
from data.pairs import PairDataset
from evaluation.metrics.distance_formulas import frechet_distance
from evaluation.metrics.perceptual_distance import PerceptualConsumer, build_lpips, map_distance, unit_maps
from evaluation.networks.extractors import build_extractors, check_weights
from evaluation.networks.features import FEATURES, Extractor
from evaluation.networks.judge import load_judge
from models.known_truth import OTHERS, Terms, compare, content_distances
from presets.schema import Preset, load_preset
from training.suite import Suite

BATCH = 20


class Triples:
    """uint8 [N, 3, H, W] each: photographs, one other draw of their layouts, the mean of OTHERS further draws."""

    def __init__(self, dataset: PairDataset, layouts: int):
        """layouts: at most this many, the first ones. Raises InputError where layouts cannot be drawn again."""
        if not hasattr(dataset, "redraw"):
            raise InputError("trust: only scenes rendered in code can be drawn again (data.dataset=street)")
        rows = [self._row(dataset, i) for i in range(min(layouts, len(dataset)))]
        self.photos, self.draws, self.means = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))

    @staticmethod
    def _row(dataset: PairDataset, index: int) -> tuple[np.ndarray, ...]:
        others = np.stack([dataset.redraw(index, 1 + d).photo for d in range(OTHERS)])
        return dataset[index].photo, dataset.redraw(index, 0).photo, others.mean(0).round().astype(np.uint8)


Rows = dict[str, dict[str, float]]


def of_perceptual(network: nn.Module, triples: Triples) -> Rows:
    """The content loss on a perceptual network: the picture, each tap, and all with weights that equalise them."""
    distances = content_distances(network)
    device = next(network.parameters()).device

    def terms(a: Tensor, b: Tensor) -> dict[str, Tensor]:
        return distances(a.to(device).float() / 127.5 - 1, b.to(device).float() / 127.5 - 1)

    return _compare(terms, triples)


def of_extractor(extractor: Extractor, triples: Triples) -> Rows:
    """Its feature maps in LPIPS's form where it has them, its pooled features, and the Fréchet distance on them."""
    found = {}
    if extractor.maps is not None:
        found["map distance"] = _compare(lambda a, b: {"maps": map_distance(
            unit_maps(extractor.map_list(a)), unit_maps(extractor.map_list(b)))}, triples)["maps"]
    photos, draws, means = (torch.cat([extractor(part)[FEATURES].double() for part in images.split(BATCH)])
                            for images in (triples.photos, triples.draws, triples.means))
    near, far = (draws - photos).norm(dim=1), (means - photos).norm(dim=1)
    found["features"] = _row(near, far)
    if len(photos) > 2:
        sets = [frechet_distance(other.numpy(), photos.numpy()) for other in (draws, means)]
        found["FD"] = {"draw nearer": float(sets[0] < sets[1]), "mean / draw": sets[1] / max(sets[0], 1e-12)}
    return found


def _row(near: Tensor, far: Tensor) -> dict[str, float]:
    return compare(lambda a, b: {"all": b}, near, near, far)["all"]


def _compare(terms: Terms, triples: Triples) -> Rows:
    def batched(a: Tensor, b: Tensor) -> dict[str, Tensor]:
        parts = [terms(x, y) for x, y in zip(a.split(BATCH), b.split(BATCH), strict=True)]
        return {name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]}
    return compare(batched, triples.photos, triples.draws, triples.means)


def trust_table(triples: Triples, perceptual: nn.Module | None = None, extractors: Sequence[Extractor] = (),
                lpips: Sequence[PerceptualConsumer] = ()) -> dict[str, Rows]:
    """The whole table: {distance: {term: {"draw nearer", "mean / draw"}}}."""
    table = {"pixels": _compare(_pixels, triples)}
    if perceptual is not None:
        table[f"content loss on {perceptual.title}"] = of_perceptual(perceptual, triples)
    table |= {extractor.label: of_extractor(extractor, triples) for extractor in extractors}
    for c in lpips:
        table[c.quantity.name] = _compare(lambda a, b, c=c: {"maps": c.compare(c.pictures(a), c.pictures(b))}, triples)
    return table


def _pixels(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    difference = a.float() - b.float()
    return {"L1": difference.abs().flatten(1).mean(1), "L2": difference.flatten(1).norm(dim=1)}


def table_of(preset: Preset, layouts: int) -> dict[str, Any]:
    """The table of a preset's scenes and networks, with its provenance; without networks that a run would train."""
    suite = Suite(preset, Path())
    triples = Triples(open_dataset(preset.data, "val", preset.data.seed, cache_bytes=0), layouts)
    perceptual = None if suite.trains("perceptual") else suite.perceptual.to(suite.device)
    for config in preset.score.extractors:
        check_weights(config)
    judge = None
    if (card := suite.card("judge")) is not None:
        judge = load_judge(suite.judge, suite.val.labels, suite.size, card, suite.device)
    configs = [config for config in preset.score.extractors if config.kind != "judge" or judge is not None]
    extractors = build_extractors(configs, judge, suite.device)
    lpips = [build_lpips(Path(preset.score.lpips), suite.device)] if preset.score.lpips else []
    provenance = {"layouts": len(triples.photos), "draws in a mean": OTHERS, "size": list(suite.size),
                  "scenes": getattr(suite.val, "version", preset.data.dataset), "data seed": preset.data.seed,
                  "perceptual": None if perceptual is None else perceptual.provenance(),
                  "extractors": [extractor.provenance for extractor in extractors]}
    return {"provenance": provenance, "distances": trust_table(triples, perceptual, extractors, lpips)}


def text(table: dict[str, Rows]) -> str:
    lines = [f"{'distance':34} {'term':13} {'draw nearer':>12} {'mean / draw':>12}"]
    for distance, rows in table.items():
        lines += [f"{distance:34} {term:13} {row['draw nearer']:12.2f} {row['mean / draw']:12.2f}"
                  for term, row in rows.items()]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m evaluation.metrics.trust_table", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--preset", default="street", metavar="NAME|FILE.yaml", help="default: street")
    usage.add_argument("--layouts", type=int, default=40, metavar="N", help="validation layouts; default: 40")
    usage.add_argument("--json", type=Path, metavar="FILE", help="write the table there too")
    usage.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings",
                       help="any keys of the preset, for example data.size='[256, 512]'")
    return usage


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("evaluation.metrics.trust_table"):
        if args.layouts < 1:
            raise InputError(f"--layouts {args.layouts}: expected at least 1")
        found = table_of(load_preset(args.preset, args.settings), args.layouts)
        if args.json:
            write_json(args.json, found)
        print(text(found["distances"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
