"""How long scoring takes: 500 street layouts x 8 methods (one of them with 4 images per layout), all metrics.

    python -m benchmarks.scoring [--layouts 500] [--squeezenet FILE.safetensors]

Images are photographs of the same layouts in other light with noise added, the judge has random weights: the times do
not depend on either. Prints wall-clock and processor seconds of the first call and of the second, which finds all
scores in place.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from data.files import write_json, write_png
from data.street import Street
from evaluation.measuring.context import Context
from evaluation.networks.judge import TrainedJudge
from evaluation.rundir import Method, RunDirectory
from evaluation.scores import score_run
from models.segmentation import ResidualUNet
from presets.schema import ExtractorConfig, ScoreConfig

SIZE = (64, 128)
VARIANTS = 4
METHODS = {"crn": 1, "crn_diversity": VARIANTS, "pix2pix": 1, "gan_segmentation": 1, "encoder_decoder": 1,
           "recombinator": 1, "full_resolution": 1, "image_space": 1}


def make_run(folder: Path, layouts: int) -> RunDirectory:
    """A run directory as the stages before scoring leave it."""
    run, street, rng = RunDirectory(folder), Street("val", SIZE, layouts, 0), np.random.default_rng(0)
    modes = {}
    for i in range(layouts):
        pair = street[i]
        modes[pair.name] = pair.modes
        write_png(run.photo_file(pair.name), pair.photo.transpose(1, 2, 0))
        write_png(run.dataset / "layouts" / f"{pair.name}.png", pair.layout)
        write_png(run.dataset / "instances" / f"{pair.name}.png", pair.instances)
        draws = [street.redraw(i, u).photo.transpose(1, 2, 0).astype(float) for u in range(VARIANTS)]
        for strength, (method, k) in enumerate(METHODS.items(), 1):
            images = [(d + rng.normal(0, 4 * strength, d.shape)).clip(0, 255).astype(np.uint8) for d in draws[:k]]
            write_png(run.image_file(method, pair.name), images[0])
            for u, image in enumerate(images, 1):
                if k > 1:
                    write_png(run.variant_file(method, pair.name, u), image)
    write_json(run.dataset / "labels.json", street.labels.to_json())
    write_json(run.dataset / "modes.json", modes)
    for method, k in METHODS.items():
        run.write_method(Method(method, method, images_per_layout=k, parameters=1))
    config = {"methods": list(METHODS), "seed": 0, "data": {"dataset": "street", "seed": 0, "size": list(SIZE)}}
    write_json(run.path / "run.json", {"config": config, "versions": {}})
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", type=int, default=500)
    parser.add_argument("--squeezenet", help="also score on SqueezeNet 1.1, with its feature maps")
    options = parser.parse_args()
    extractors = [ExtractorConfig()]
    if options.squeezenet:
        extractors.append(ExtractorConfig(kind="squeezenet", path=options.squeezenet))
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", options.layouts)
        labels = run.labels()
        network = ResidualUNet(len(labels), 24).eval().to(memory_format=torch.channels_last)
        judge = TrainedJudge(network, labels, SIZE, {})
        context = Context(judge, options=ScoreConfig(extractors=extractors))
        for call in ("first", "second"):
            wall, processor = time.perf_counter(), time.process_time()
            score_run(run, context)
            print(f"{call} call: {time.perf_counter() - wall:.1f} s wall, {time.process_time() - processor:.1f} s of "
                  f"processor, {torch.get_num_threads()} threads, {options.layouts} layouts x {len(METHODS)} methods")


if __name__ == "__main__":
    main()
