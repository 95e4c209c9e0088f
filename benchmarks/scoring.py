"""How long scoring takes: 500 street layouts x 8 methods (one of them with 4 images per layout), all metrics.

    python -m benchmarks.scoring [--layouts 500] [--size 64 128] [--methods 8] [--maps squeezenet vgg19] [--shares]

Images are photographs of the same layouts in other light with noise added, networks have random weights: the times do
not depend on either. Wall-clock and processor seconds, and peak memory, of the first call and of the second, which
finds all scores in place; with --shares, in one thread, also what the first call's processor seconds were spent on.
"""

import argparse
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file

from benchmarks.runner import Result, run
from data.files import write_json, write_png
from data.street import Street
from evaluation.cache import measurements
from evaluation.metrics.perceptual_distance import PerceptualConsumer
from evaluation.metrics.work import Context
from evaluation.networks.features import Extractor
from evaluation.networks.judge import TrainedJudge, load_judge
from evaluation.run_directory import Method, RunDirectory
from evaluation.scoring import score_run
from models.segmentation import ResidualUNet
from presets.schema import ExtractorConfig, ScoreConfig

MAPS = {"squeezenet": torchvision.models.squeezenet1_1, "vgg19": torchvision.models.vgg19}
VARIANTS = 4
METHODS = {"crn": 1, "crn_diversity": VARIANTS, "pix2pix": 1, "gan_segmentation": 1, "encoder_decoder": 1,
           "recombinator": 1, "full_resolution": 1, "image_space": 1}


class Shares:
    """Processor seconds by part of the work, from functions that are timed in place; for one thread of torch."""

    def __init__(self):
        self.seconds: Counter[str] = Counter()
        self._inside = threading.local()  # a part that calls another keeps the time to itself
        networks = [(TrainedJudge, "predict_with_features"), (TrainedJudge, "features"), (Extractor, "__call__"),
                    (Extractor, "map_list"), (PerceptualConsumer, "__call__")]
        for owner, name in networks:
            self._time(owner, name, "networks and their maps")
        self._time(measurements, "read_images", "reading images")
        self._time(measurements, "content_hash", "reading images")
        self._time(Street, "_render", "drawing scenes again")

    def _time(self, owner: Any, name: str, part: str) -> None:
        plain = getattr(owner, name)

        def timed(*args: Any, **options: Any) -> Any:
            if getattr(self._inside, "busy", False):
                return plain(*args, **options)
            self._inside.busy, start = True, time.thread_time()
            try:
                return plain(*args, **options)
            finally:
                self.seconds[part] += time.thread_time() - start
                self._inside.busy = False

        setattr(owner, name, timed)


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
    if args.shares:
        torch.set_num_threads(1)
    torch.manual_seed(0)
    size, methods = tuple(args.size), dict(list(METHODS.items())[: args.methods])
    with tempfile.TemporaryDirectory() as folder:
        run_directory = make_run(Path(folder) / "run", args.layouts, size, methods)
        labels = run_directory.labels()
        judge = load_judge(ResidualUNet(len(labels), 24).eval(), labels, size, {})
        context = Context(judge, options=ScoreConfig(extractors=extractors(args.maps, Path(folder))))
        shares = Shares() if args.shares else None
        for call in ("first", "second"):
            wall, processor = time.perf_counter(), time.process_time()
            score_run(run_directory, context)
            processor = time.process_time() - processor
            yield {"call": call, "layouts": args.layouts, "methods": len(methods), "wall s": time.perf_counter() - wall,
                   "processor s": processor,
                   "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
            if shares and call == "first":
                parts = [*shares.seconds.most_common(), ("everything else", processor - shares.seconds.total())]
    if shares:
        total = sum(seconds for _, seconds in parts)
        yield from ({"part of the first call": part, "processor s": seconds, "share": seconds / total}
                    for part, seconds in parts)


def options(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("--layouts", type=int, default=500)
    usage.add_argument("--size", type=int, nargs=2, default=(64, 128), metavar=("HEIGHT", "WIDTH"))
    usage.add_argument("--methods", type=int, default=len(METHODS), help="the first so many of eight")
    usage.add_argument("--maps", nargs="+", default=[], choices=sorted(MAPS), help="also score on these networks")
    usage.add_argument("--shares", action="store_true", help="what the time is spent on, in one thread")


def main(argv: Sequence[str] | None = None) -> int:
    return run("scoring", __doc__, options, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
