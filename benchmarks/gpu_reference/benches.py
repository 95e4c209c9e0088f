"""Several calls of benchmarks.train_step in one process, each measured once: starts once, ends in time."""

import argparse
import gc
import json
import sys
import time
import traceback
from pathlib import Path

import torch

from benchmarks import train_step


def main(argv: list[str] | None = None) -> int:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.gpu_reference.benches", description=__doc__)
    usage.add_argument("--bench", action="append", required=True, metavar="JSON", help="[name, seconds, arguments ...]")
    usage.add_argument("--device", default="auto")
    usage.add_argument("--seconds", type=float, required=True, help="of all; a bench begins where its own are left")
    usage.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args = usage.parse_args(argv)
    end, failed = time.monotonic() + args.seconds, 0
    for text in args.bench:
        name, seconds, *arguments = json.loads(text)
        file = args.out / f"{name}.json"
        if file.exists():
            continue
        left = end - time.monotonic()
        if left < seconds:
            print(f"{name}: left out, {left:.0f} s are left and it needs about {seconds:.0f}")
            continue
        began = time.monotonic()
        try:
            failed += train_step.main([*arguments, "--device", args.device, "--out", str(file)])
        except (Exception, SystemExit):  # a bench that fails, short of memory for instance, costs no other
            traceback.print_exc()
            failed += 1
        print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
