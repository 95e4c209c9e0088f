"""How many street scenes one core renders per second, at 64x128 and 256x512.

    python -m benchmarks.street_scenes
    python -m benchmarks.street_scenes --seconds 10 --size 128x256
"""

import argparse
import time

from data.errors import InputError, one_line_errors
from data.street import Street


def scenes_per_second(size: tuple[int, int], seconds: float) -> tuple[float, int]:
    """(scenes per second of processor time of this one process, scenes measured)."""
    dataset = Street("train", size, 1_000_000)
    dataset[0]  # builds the cached noise tiles
    count, start, processor = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        count += 1
        dataset[count]
    return count / (time.process_time() - processor), count


def parse_size(text: str) -> tuple[int, int]:
    try:
        height, width = map(int, text.lower().split("x"))
    except ValueError:
        raise InputError(f"--size {text}: expected HEIGHTxWIDTH, for example 64x128") from None
    return height, width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="how long to measure each size (default 5)")
    parser.add_argument("--size", action="append", metavar="HxW", help="default: 64x128 and 256x512")
    arguments = parser.parse_args()
    for size in [parse_size(s) for s in arguments.size or ("64x128", "256x512")]:
        rate, count = scenes_per_second(size, arguments.seconds)
        print(f"{size[0]}x{size[1]}: {rate:.1f} scenes per second and core ({count} scenes, "
              f"{1000 / rate:.1f} ms each)")


if __name__ == "__main__":
    with one_line_errors("street_scenes"):
        main()
