"""Loss curves of one method in bf16 and in float32, from the same weights on the same batches.

    python -m benchmarks.precision_curves --preset camvid-reference --data CAMVID --out FOLDER \
        --set perceptual.path=FILE.safetensors

FOLDER gets precision_curves.json: the total loss of every window of `log_every` steps in both, and how far apart they
are at the end, beside how much the loss fell.
"""

import argparse
import csv
import sys
from pathlib import Path

from data.errors import one_line_errors
from data.files import write_json
from presets.schema import load_preset
from training.suite import Suite

PRECISIONS = ("float32", "bf16")


def curve(suite: Suite, method: str) -> tuple[list[int], list[float]]:
    """Steps and mean total loss of the windows before them, of a training that is made where it is not there."""
    suite.train_method(method)
    with open(suite.method_folder(method) / "log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [int(row["step"]) for row in rows], [float(row["total"]) for row in rows]


def compare(curves: dict[str, list[float]]) -> dict[str, float]:
    """Over the last quarter of the windows: bf16's mean loss over float32's, and the fall since the first window."""
    wanted, got = (curves[name] for name in PRECISIONS)
    last = max(1, len(wanted) // 4)
    ends = {name: sum(values[-last:]) / last for name, values in curves.items()}
    gaps = [abs(b / a - 1) for a, b in zip(wanted, got, strict=True)]
    return {"bf16 over float32, last quarter": ends["bf16"] / ends["float32"], "largest gap of a window": max(gaps),
            "fall in float32": 1 - ends["float32"] / wanted[0]}


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.precision_curves", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--preset", default="camvid-reference")
    usage.add_argument("--data", metavar="PATH", help="folder of the dataset")
    usage.add_argument("--method", default="crn")
    usage.add_argument("--images", type=int, default=1600, help="seen in each training; default: 1600")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    usage.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings")
    usage.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    return usage


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("benchmarks.precision_curves"):
        settings = [f"training.images_seen={args.images}", f"device={args.device}",
                    *([f"data.path={args.data}"] if args.data else []), *args.settings]
        curves, steps = {}, []
        for precision in PRECISIONS:
            preset = load_preset(args.preset, [*settings, f"training.precision={precision}"])
            steps, curves[precision] = curve(Suite(preset, args.out / precision), args.method)
        found = compare(curves)
        write_json(args.out / "precision_curves.json", {
            "preset": args.preset, "settings": settings, "method": args.method, "steps": steps, "loss": curves,
            **found})
    for name, value in found.items():
        print(f"{name}: {value:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
