"""How long scoring takes: 500 street layouts x 8 methods (one of them with 4 images per layout), all metrics.

    python -m benchmarks.scoring [--layouts 500] [--size 64 128] [--methods 8] [--maps squeezenet vgg19]

Images are photographs of the same layouts in other light with noise added, networks have random weights: the times do
not depend on either. Wall-clock and processor seconds, and peak memory, of the first call and of the second, which
finds all scores in place.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file

from baselines.named import METHODS
from benchmarks.runner import Result, run
from data.files import write_json, write_png
from data.street import Street
from evaluation.metrics.work import Context
from evaluation.networks.judge import load_judge
from evaluation.run_directory import Method, RunDirectory
from evaluation.scoring import score_run
from models.segmentation import ResidualUNet
from presets.schema import ExtractorConfig, ScoreConfig

MAPS = {"squeezenet": torchvision.models.squeezenet1_1, "vgg19": torchvision.models.vgg19}
VARIANTS = 4


def make_run(folder: Path, layouts: int, size: tuple[int, int], methods: dict[str, int]) -> RunDirectory:
    """A run directory as the stages before scoring leave it."""
    run, street, rng = RunDirectory(folder), Street("val", size, layouts, 0), np.random.default_rng(0)
    modes = {}
    for i in range(layouts):
        pair = street[i]
        modes[pair.name] = pair.modes
        write_png(run.photo_file(pair.name), pair.photo.transpose(1, 2, 0))
        write_png(run.dataset / "layouts" / f"{pair.name}.png", pair.layout)
        write_png(run.dataset / "instances" / f"{pair.name}.png", pair.instances)
        draws = [street.redraw(i, u).photo.transpose(1, 2, 0).astype(float) for u in range(VARIANTS)]
        for strength, (method, k) in enumerate(methods.items(), 1):
            images = [(d + rng.normal(0, 4 * strength, d.shape)).clip(0, 255).astype(np.uint8) for d in draws[:k]]
            write_png(run.image_file(method, pair.name), images[0])
            for u, image in enumerate(images, 1):
                if k > 1:
                    write_png(run.variant_file(method, pair.name, u), image)
    write_json(run.dataset / "labels.json", street.labels.to_json())
    write_json(run.dataset / "modes.json", modes)
    for method, k in methods.items():
        run.write_method(Method(method, method, images_per_layout=k, parameters=1))
    config = {"methods": list(methods), "seed": 0, "data": {"dataset": "street", "seed": 0, "size": list(size)}}
    write_json(run.path / "run.json", {"config": config, "versions": {}})
    return run


def extractors(kinds: list[str], folder: Path) -> list[ExtractorConfig]:
    """The judge and these networks with random weights, in files as users give them."""
    found = [ExtractorConfig()]
    for kind in kinds:
        weights = {f"features.{key}": value for key, value in MAPS[kind](weights=None).features.state_dict().items()}
        save_file(weights, folder / f"{kind}.safetensors")
        found.append(ExtractorConfig(kind=kind, path=str(folder / f"{kind}.safetensors")))
    return found


def measure(args: argparse.Namespace) -> Iterator[Result]:
    torch.manual_seed(0)
    size = tuple(args.size)
    methods = {name: VARIANTS if name == "crn_diversity" else 1 for name in list(METHODS)[: args.methods]}
    with tempfile.TemporaryDirectory() as folder:
        run_directory = make_run(Path(folder) / "run", args.layouts, size, methods)
        labels = run_directory.labels()
        judge = load_judge(ResidualUNet(len(labels), 24).eval(), labels, size, {})
        context = Context(judge, options=ScoreConfig(extractors=extractors(args.maps, Path(folder))))
        for call in ("first", "second"):
            wall, processor = time.perf_counter(), time.process_time()
            score_run(run_directory, context)
            yield {"call": call, "layouts": args.layouts, "methods": len(methods), "wall s": time.perf_counter() - wall,
                   "processor s": time.process_time() - processor,
                   "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def options(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("--layouts", type=int, default=500)
    usage.add_argument("--size", type=int, nargs=2, default=(64, 128), metavar=("HEIGHT", "WIDTH"))
    usage.add_argument("--methods", type=int, default=len(METHODS), help="the first so many of eight")
    usage.add_argument("--maps", nargs="+", default=[], choices=sorted(MAPS), help="also score on these networks")


def main(argv: Sequence[str] | None = None) -> int:
    return run("scoring", __doc__, options, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
