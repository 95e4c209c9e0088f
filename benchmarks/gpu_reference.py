"""A larger comparison on photographs than a CPU allows, in one call of a few minutes on one GPU, without network.

    python -m benchmarks.gpu_reference --data CAMVID --perceptual FILE --squeezenet FILE --work FOLDER [--minutes 8]

1. Times of a training step (benchmarks.train_step) at 256, 512 and 1024 rows, with nothing else on the GPU.
2. Trainings of preset camvid-192p: every method, then further seeds of some while there is time. Each sees the
   same number of images, fixed before the first from the measured time of a step of each method. Images, scores and
   report of a seed are made while the next one trains.
3. FOLDER/reference, which `python -m reports.compare RUN FOLDER/reference` takes, and FOLDER/reference.tar.gz.

Called again, it repeats nothing that is finished: trainings go on from their checkpoints, with the images that the
first call fixed.
"""

import argparse
import json
import signal
import subprocess
import sys
import tarfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import train_step
from benchmarks.runner import Result, run
from data.errors import InputError
from data.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("crn", "image_space", "gan_segmentation", "pix2pix", "encoder_decoder", "full_resolution", "crn_diversity",
           "recombinator")
MORE_SEEDS = ("crn", "pix2pix", "full_resolution", "image_space")  # methods that are trained with seeds 1, 2 and 3 too
EPOCH, MOST_IMAGES = 367, 36700  # CamVid's training photographs; the budget is whole multiples of three epochs
GAIN = 1.25  # trainings in processes that share a GPU get so much more done than one alone
JOBS = 4
EVALUATION_SECONDS = 70  # that images and scores of the last seed may take
PROBE = "camvid-192p"  # its step times decide the budget
HARNESS = ("--rows", "harness as it is")
STEPS = {  # calls of benchmarks.train_step, and how many seconds each needs
    "256p": (["--preset", "cityscapes-256p", "--seconds", "5"], 25),
    PROBE: (["--preset", "camvid-192p", "--methods", ",".join(METHODS), *HARNESS, "--seconds", "0.7"], 20),
    "1024p": (["--preset", "cityscapes-1024p", "--seconds", "4"], 25),
    "1024p-recomputed": (["--preset", "cityscapes-1024p", *HARNESS, "--seconds", "1", "--set",
                          "training.activation_checkpointing=true"], 6),
    "512p": (["--preset", "cityscapes-512p", "--seconds", "4"], 20),
    "256p-compiled": (["--preset", "cityscapes-256p", "--rows", "naive", "harness", "--compile", "default",
                       "reduce-overhead", "--seconds", "5"], 60),
}


class GPUSession:
    """One call: its options, its time, and its rows."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.work = args, args.work.resolve()
        self.end = time.monotonic() + 60 * args.minutes
        self.rows: list[Result] = []

    def left(self) -> float:
        """Seconds for trainings."""
        return self.end - time.monotonic() - EVALUATION_SECONDS

    def start(self, name: str, module: str, *arguments: str) -> subprocess.Popen:
        log = self.work / "logs" / f"{name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "wb") as file:
            return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=file,
                                    stderr=subprocess.STDOUT)

    def finish(self, name: str, process: subprocess.Popen, limit: float) -> bool:
        """Whether it ended well within the limit, in seconds; otherwise it is stopped."""
        began, outcome = time.monotonic(), "done"
        try:
            if code := process.wait(max(0.1, limit)):
                log = (self.work / "logs" / f"{name}.txt").read_text(encoding="utf-8", errors="replace")
                outcome = f"exit code {code} ({' '.join(log.strip().splitlines()[-1:])[:200]})"
        except subprocess.TimeoutExpired:
            outcome = "stopped, its time was up"
            process.send_signal(signal.SIGINT)
            try:
                process.wait(12)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.rows.append({"part": name, "seconds": time.monotonic() - began, "outcome": outcome})
        return outcome == "done"

    def step_times(self) -> None:
        """In this process, which imports torch once. A failure, for instance of memory, does not end the call."""
        for name, (arguments, seconds) in STEPS.items():
            file = self.work / "steps" / f"{name}.json"
            if not file.exists() and self.left() > seconds:
                began, outcome = time.monotonic(), "done"
                try:
                    outcome = "done" if train_step.main([*arguments, "--out", str(file)]) == 0 else "not the same step"
                except (Exception, SystemExit):
                    outcome = traceback.format_exc().strip().splitlines()[-1]
                self.rows.append({"part": name, "seconds": time.monotonic() - began, "outcome": outcome})

    def images_seen(self) -> int:
        """For every training, as many as fit; fixed by the first call."""
        file = self.work / "plan.json"
        if not file.exists():
            costs = self.seconds_per_image()
            fits = GAIN * self.left() / sum(costs[method] for method in (*METHODS, *MORE_SEEDS))
            whole = 3 * EPOCH
            write_json(file, {"images_seen": int(min(MOST_IMAGES, max(whole, fits // whole * whole))),
                              "seconds per image": costs})
        return read_json(file)["images_seen"]

    def seconds_per_image(self) -> dict[str, float]:
        file = self.work / "steps" / f"{PROBE}.json"
        if not file.exists():
            raise InputError(f"{file}: the times of a step are missing, so no budget fits; give more --minutes")
        rows = [row for row in read_json(file)["rows"] if "images/s" in row]
        return {row["method"]: 1 / row["images/s"] for row in rows}

    def run_folder(self, seed: int) -> Path:
        return self.work / f"seed-{seed}"

    def command(self, seed: int, methods: Sequence[str], images: int, stages: str) -> list[str]:
        squeezenet = json.dumps(str(self.args.squeezenet.resolve()))
        return ["--stages", stages, "--preset", "camvid-192p", "--data", str(self.args.data.resolve()),
                "--seed", str(seed), "--methods", ",".join(methods), "--out", str(self.run_folder(seed)), "--set",
                f"perceptual.path={self.args.perceptual.resolve()}", "perceptual.network=vgg16",
                "perceptual.label=VGG-16 (HED)", f"training.images_seen={images}",
                f"score.extractors=[{{kind: squeezenet, path: {squeezenet}}}, {{kind: judge}}]"]

    def trained(self, seed: int) -> list[str]:
        return [name for name in METHODS if (self.run_folder(seed) / "methods" / name / "method.json").exists()]

    def trainings(self, images: int) -> None:
        """Seed 0 of all methods, then a further seed of some as long as there is time for a whole one."""
        costs, evaluating = self.seconds_per_image(), {}
        share = sum(costs[m] for m in MORE_SEEDS) / sum(costs[m] for m in METHODS)
        seconds = images * sum(costs[m] for m in METHODS) / GAIN
        for seed in range(4):
            methods = METHODS if seed == 0 else MORE_SEEDS
            if seed and self.left() < share * seconds:
                break
            process = self.start(f"train-{seed}", "evaluation.run", *self.command(seed, methods, images, "train"),
                                 "--executor", "processes", "--jobs", str(JOBS))
            whole = self.finish(f"train-{seed}", process, self.left())
            if trained := self.trained(seed):
                evaluating[seed] = self.start(f"evaluate-{seed}", "evaluation.run", *self.command(
                    seed, trained, images, "synthesize,score,report"))
            if not whole:
                break
        for seed, process in evaluating.items():
            self.finish(f"evaluate-{seed}", process, self.left() + EVALUATION_SECONDS - 10)

    def collect(self) -> None:
        """Put the scores of all seeds together, and into an archive."""
        seeds = [self.run_folder(seed) for seed in range(4) if (self.run_folder(seed) / "scores").is_dir()]
        reference = self.work / "reference"
        process = self.start("reference", "reports.reference", *map(str, seeds), "--out", str(reference))
        if self.finish("reference", process, max(10, self.left() + EVALUATION_SECONDS)):
            with tarfile.open(self.work / "reference.tar.gz", "w:gz") as tar:
                tar.add(reference, "reference")


def measure(args: argparse.Namespace) -> Iterator[Result]:
    for name in ("data", "perceptual", "squeezenet"):
        if not getattr(args, name).exists():
            raise InputError(f"--{name} {getattr(args, name)}: no such file or folder")
    session = GPUSession(args)
    session.step_times()
    images = session.images_seen()
    session.trainings(images)
    session.collect()
    yield from session.rows
    yield {"images of every training": images, "fault": None if session.trained(0) else "nothing was trained"}


def options(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("--data", type=Path, required=True, metavar="PATH", help="folder of CamVid")
    usage.add_argument("--perceptual", type=Path, required=True, metavar="FILE", help="VGG-16's safetensors")
    usage.add_argument("--squeezenet", type=Path, required=True, metavar="FILE", help="SqueezeNet 1.1's safetensors")
    usage.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="runs, step times, the reference")
    usage.add_argument("--minutes", type=float, default=8.0, help="of the whole call; default: 8")


def main(argv: Sequence[str] | None = None) -> int:
    return run("gpu_reference", __doc__, options, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
