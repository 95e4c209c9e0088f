"""Everything that a GPU is wanted for, in one call of a few minutes, without network.

    python -m benchmarks.gpu_reference --data CAMVID --perceptual FILE --squeezenet FILE --out FOLDER [--minutes 8]

1. Times of a training step at 256, 512 and 1024 rows, from a naive port to the harness, with nothing else on the GPU.
2. At once, in processes that share the GPU: the memorising test (benchmarks.memorise), loss curves in bf16 and float32
   (benchmarks.precision_curves), and the trainings of preset camvid-reference: every method, then further seeds of some
   as long as there is time. Every training sees the same number of images, fixed before the first from the measured
   time of a step of each method.
3. Images and scores of what is trained, step times with torch.compile meanwhile, and everything small put into FOLDER.

FOLDER gets summary.txt and a few archives; what shows photographs is apart, in photographs.tar.gz. The work itself lies
in --work: called again, what is finished is not repeated, trainings go on from their checkpoints, with the images that
the first call fixed.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

from benchmarks.gpu_reference.plan import FULL, TINY, Bench, Scale
from data.errors import InputError, one_line_errors
from data.files import list_folder, read_json, write_json, write_text

ROOT = Path(__file__).resolve().parents[2]


# Processes that share a GPU get through more together than one alone in the same time. Where they do not, it is the
# further seeds that the time does not reach.
GAIN = 1.25


class Clock:
    """Seconds of one call."""

    def __init__(self, minutes: float):
        self.started, self.seconds = time.monotonic(), 60 * minutes

    def now(self) -> float:
        return time.monotonic() - self.started

    def left(self) -> float:
        return self.seconds - self.now()


class Reference:
    """One call: its options, its clock, and what it has to say at the end."""

    def __init__(self, args: argparse.Namespace, scale: Scale):
        self.args, self.scale = args, scale
        self.clock, self.work, self.out = Clock(args.minutes), args.work or args.out / "work", args.out
        self.lines: list[str] = []
        self.evaluating: dict[int, subprocess.Popen] = {}
        self.environment = dict(os.environ, PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}".rstrip(":"),
                                PYTHONUNBUFFERED="1", TORCHINDUCTOR_CACHE_DIR=str(self.work / "inductor"))

    # --- processes ----------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        self.lines.append(f"{self.clock.now():4.0f} s  {text}")
        print(self.lines[-1], flush=True)

    def start(self, name: str, module: str, *arguments: str) -> subprocess.Popen:
        log = self.work / "logs" / f"{name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as file:
            return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, env=self.environment,
                                    stdout=file, stderr=subprocess.STDOUT)

    def finish(self, name: str, process: subprocess.Popen, limit: float) -> bool:
        """Whether it ended well within the limit; otherwise it is stopped, and why is said."""
        began = self.clock.now()
        try:
            code = process.wait(max(0.1, limit))
        except subprocess.TimeoutExpired:
            stop(process)
            self.say(f"{name}: stopped after {self.clock.now() - began:.0f} s, its time was up")
            return False
        if code:
            log = (self.work / "logs" / f"{name}.txt").read_text(encoding="utf-8", errors="replace")
            last = log.strip().splitlines()[-1:]
            self.say(f"{name}: failed with exit code {code} ({' '.join(last)[:300]})")
            return False
        self.say(f"{name}: done in {self.clock.now() - began:.0f} s")
        return True

    def call(self, name: str, module: str, *arguments: str, limit: float) -> bool:
        return self.finish(name, self.start(name, module, *arguments), limit)

    def device(self) -> list[str]:
        return ["--device", self.args.device]

    # --- step times ---------------------------------------------------------------------------------------------

    def bench(self, benches: tuple[Bench, ...], name: str, limit: float) -> None:
        """In one process, which skips what is measured already."""
        missing = [bench.name for bench in benches if not self.bench_file(bench).exists()]
        if missing:
            listed = [arg for bench in benches for arg in ("--bench", json.dumps([bench.name, bench.seconds,
                                                                                  *bench.arguments]))]
            self.call(name, "benchmarks.gpu_reference.benches", *listed, *self.device(), "--out",
                      str(self.work / "benchmarks"), "--seconds", str(limit - 3), limit=limit)

    def bench_file(self, bench: Bench) -> Path:
        return self.work / "benchmarks" / f"{bench.name}.json"

    def check_norm(self) -> None:
        """The layer norm in Triton is used where it computes what PyTorch's does, faster; otherwise that is said."""
        import torch

        if self.args.device == "cpu" or not torch.cuda.is_available():
            return
        file = self.work / "benchmarks" / "fused_norm_cuda.json"
        if not (file.exists() and read_json(file)["usable"]):
            good = self.call("layer norm in Triton", "benchmarks.fused_norm", "--out", str(file), limit=40)
            if file.exists():
                write_json(file, read_json(file) | {"usable": good})
            if not good:
                self.environment["FUSED_NORM"] = "0"
                self.say("everything from here on uses PyTorch's layer norm")

    # --- the budget ---------------------------------------------------------------------------------------------

    def images_seen(self, training_seconds: float) -> int:
        """For every training, as many whole epochs as fit; fixed by the first call."""
        file = self.work / "plan.json"
        if not file.exists():
            costs, source = self.seconds_per_image()
            wanted = [*self.scale.methods, *self.scale.seeds]
            total = sum(costs[method] for method in wanted)
            fits = GAIN * training_seconds / total
            least, most = self.scale.images
            images = int(min(most, max(least, fits)))
            write_json(file, {"images_seen": images - images % least if images > least else images,
                              "seconds per image": costs, "measured in": source,
                              "seconds for all trainings": training_seconds})
        plan = read_json(file)
        self.say(f"every training sees {plan['images_seen']} images ({plan['measured in']})")
        return plan["images_seen"]

    def seconds_per_image(self) -> tuple[dict[str, float], str]:
        probe = next((self.bench_file(bench) for bench in self.scale.benches if "--methods" in bench.arguments), None)
        if probe is None or not probe.exists():
            return dict.fromkeys(self.scale.methods, 2.5e-3), "assumed: the probe has no result"
        measured = read_json(probe)["methods"]
        return {method: 1 / measured[method]["rows"][0]["images_per_s"] for method in self.scale.methods}, probe.name

    # --- experiments and trainings ------------------------------------------------------------------------------

    def settings(self, *more: str) -> list[str]:
        perceptual = [f"perceptual.path={self.args.perceptual}"] if self.args.perceptual else []
        return ["--set", *perceptual, *self.scale.tune, *more] if [*perceptual, *self.scale.tune, *more] else []

    def data(self) -> list[str]:
        return ["--data", str(self.args.data)] if self.args.data else []

    def experiments(self) -> None:
        """One after another, beside the trainings."""
        memorise = ["--preset", self.scale.preset, *self.data(), *self.device(), "--photographs",
                    str(self.scale.photographs), "--images", str(self.scale.memorise_images)]
        todo = [("memorise", "benchmarks.memorise", [*memorise, "--methods", "crn,image_space", *self.settings()])]
        if self.args.vgg19:
            other = ["--set", "perceptual.network=vgg19", "perceptual.label=VGG-19 to conv3_4",
                     f"perceptual.path={self.args.vgg19}"]
            todo.append(("memorise-vgg19", "benchmarks.memorise",
                         [*memorise, "--methods", "crn", "--name", "VGG-19", *other]))
        todo.append(("precision", "benchmarks.precision_curves",
                     ["--preset", self.scale.preset, *self.data(), *self.device(), "--images",
                      str(self.scale.precision_images), *self.settings()]))
        for name, module, arguments in todo:
            limit = self.training_left()
            if limit > 5 and not list_folder(self.work / name, "*.json"):
                self.call(name, module, *arguments, "--out", str(self.work / name), limit=limit)

    def training_left(self) -> float:
        return self.clock.left() - self.scale.evaluation_seconds

    def run_folder(self, seed: int) -> Path:
        return self.work / f"seed-{seed}"

    def run_arguments(self, seed: int, images: int, methods: list[str]) -> list[str]:
        extractors = [f"score.extractors=[{{kind: squeezenet, path: {json.dumps(str(self.args.squeezenet))}}}, "
                      "{kind: judge}]"] if self.args.squeezenet else []
        return ["--preset", self.scale.preset, *self.data(), *self.device(), "--seed", str(seed), "--methods",
                ",".join(methods), "--out", str(self.run_folder(seed)),
                *self.settings(f"training.images_seen={images}", *extractors)]

    def train(self, images: int) -> None:
        """All methods with seed 0, then some with further seeds while there is time for a whole seed. The images and
        scores of a seed are made while the next one trains."""
        took = None
        for seed in range(self.scale.most_seeds):
            methods = list(self.scale.methods if seed == 0 else self.scale.seeds)
            left = self.training_left()
            if seed and (took is None or left < took * self.share()):
                return
            began = self.clock.now()
            jobs = ["--executor", "processes", "--jobs", str(self.scale.jobs)] \
                if self.scale.jobs else ["--executor", "local"]
            done = self.call(f"train-seed-{seed}", "evaluation.run", "--stages", "train", *jobs,
                             *self.run_arguments(seed, images, methods), limit=left)
            if trained := self.trained(seed):
                arguments = ["--stages", "synthesize,score,report", *self.run_arguments(seed, images, trained)]
                self.evaluating[seed] = self.start(f"evaluate-seed-{seed}", "evaluation.run", *arguments)
            if not done or seed == self.scale.most_seeds - 1:
                return
            took = took or self.clock.now() - began

    def share(self) -> float:
        """Of the time of all methods, what those of a further seed need."""
        costs, _ = self.seconds_per_image()
        return sum(costs[m] for m in self.scale.seeds) / sum(costs[m] for m in self.scale.methods) + 0.1

    def trained(self, seed: int) -> list[str]:
        folder = self.run_folder(seed) / "methods"
        return [method for method in self.scale.methods if (folder / method / "method.json").exists()]

    def seeds(self) -> list[int]:
        return [seed for seed in range(self.scale.most_seeds) if self.trained(seed)]

    # --- images, scores, and what comes back --------------------------------------------------------------------

    def evaluate(self) -> None:
        """Wait for the scores of all seeds; step times with torch.compile meanwhile, which keep the fastest step."""
        if self.scale.compiled:
            self.bench(self.scale.compiled, "benches-compiled", min(60, self.clock.left() - 15))
        for seed, process in self.evaluating.items():
            self.finish(f"evaluate-seed-{seed}", process, self.clock.left() - 12)

    def collect(self) -> None:
        """Archives of what is small. Whatever failed before, what there is comes back."""
        self.out.mkdir(parents=True, exist_ok=True)
        work = self.work
        runs = [file for seed in self.seeds() for pattern in
                ("run.json", "dataset/labels.json", "scores/**/*.json", "methods/*/*.json", "methods/*/log.csv",
                 "report/tables/*", "report/figures/*.svg") for file in list_folder(self.run_folder(seed), pattern)]
        archive(self.out / "runs.tar.gz", work, runs)
        archive(self.out / "measurements.tar.gz", work, _matching(
            work, "benchmarks/*.json", "*/memorise.json", "precision/*.json", "plan.json", "logs/*.txt"))
        seeds = [self.run_folder(seed) for seed in self.seeds() if (self.run_folder(seed) / "scores").is_dir()]
        if seeds and self.call("reference", "reports.reference", *map(str, seeds), "--out", str(work / "reference"),
                               "--measurements", str(work), limit=max(10, self.clock.left())):
            archive(self.out / "reference.tar.gz", work, list_folder(work / "reference", "**/*"))
        if seeds:
            self.call("sheet", "reports.contact_sheet", "--run", str(seeds[0]), "--out", str(work / "sheet.png"),
                      "--layouts", "3", limit=max(10, self.clock.left()))
        archive(self.out / "photographs.tar.gz", work, _matching(work, "*/memorise.png", "sheet.png"))

    def summary(self) -> str:
        lines = ["", "WHEN", *self.lines, ""]
        for file in list_folder(self.work / "benchmarks", "*.json"):
            lines += bench_lines(file)
        for file in list_folder(self.work, "*/memorise.json"):
            lines += [f"memorised, {m['name']}: L1 {m['L1 in [-1, 1]']:.4f}, sharpness {m['sharpness']:.4f} of "
                      f"{m['sharpness of the photographs']:.4f}" for m in read_json(file)["methods"]]
        if (file := self.work / "precision" / "precision_curves.json").exists():
            found = read_json(file)
            lines.append(f"bf16 over float32, loss of the last quarter: {found['bf16 over float32, last quarter']:.4f}")
        for seed in self.seeds():
            lines += ["", f"seed {seed}", *score_lines(self.run_folder(seed))]
        return "\n".join(lines) + "\n"


def _matching(folder: Path, *patterns: str) -> list[Path]:
    return [file for pattern in patterns for file in list_folder(folder, pattern)]


def stop(process: subprocess.Popen) -> None:
    """Like Ctrl-C, so that states are saved; harder where that takes too long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(12)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def archive(file: Path, root: Path, members: list[Path]) -> None:
    """Names within the archive are those below `root`. Nothing is written where there is nothing to put in."""
    members = sorted(member for member in members if member.is_file())
    if members:
        with tarfile.open(file, "w:gz") as tar:
            for member in members:
                tar.add(member, member.relative_to(root))


def bench_lines(file: Path) -> list[str]:
    content = read_json(file)
    if "shapes" in content:
        return [f"{file.stem}: {row['dtype']} {row['shape']} torch {row['torch ms']:.2f} ms, Triton "
                f"{row['triton ms']:.2f} ms" for row in content["shapes"]]
    lines = [f"{file.stem}: {content['matrix_tflop_per_s']:.0f} TFLOP/s {content['matrix_dtype']}, batch "
             f"{content['batch']}"]
    for method, part in content["methods"].items():
        for row in part["rows"]:
            peak = f", {row['peak_mb'] / 1024:.1f} GB" if "peak_mb" in row else ""
            rate = f", {row['fraction_of_matrix_rate']:.2f} of the rate" if "fraction_of_matrix_rate" in row else ""
            gain = f", {row['times_naive']:.2f} x naive" if "times_naive" in row else ""
            lines.append(f"  {method:16} {row['name']:42} {row['ms']:8.1f} ms{rate}{gain}{peak}")
    return lines


def score_lines(run: Path) -> list[str]:
    """Headline of every score file of a run."""
    lines = []
    for metric in ("segmentation", "distances"):
        for file in list_folder(run / "scores" / metric, "*.json"):
            values = ", ".join(f"{v['name']} {v['value']:.3f}" for v in read_json(file)["values"][:2])
            lines.append(f"  {metric:13} {file.stem:18} {values}")
    return lines


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.gpu_reference", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--data", type=Path, metavar="PATH", help="folder of CamVid")
    usage.add_argument("--perceptual", type=Path, metavar="FILE", help="VGG-16's safetensors, for the content loss")
    usage.add_argument("--vgg19", type=Path, metavar="FILE", help="VGG-19's, for the memorising test as well")
    usage.add_argument("--squeezenet", type=Path, metavar="FILE", help="SqueezeNet 1.1's, for the distances")
    usage.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    usage.add_argument("--work", type=Path, metavar="FOLDER", help="default: OUT/work")
    usage.add_argument("--minutes", type=float, default=8.0, help="of the whole call; default: 8")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    usage.add_argument("--tiny", action="store_true", help="rehearse every phase in a minute or two, on street scenes")
    return usage


def check(args: argparse.Namespace) -> None:
    """Raises InputError before any time is spent."""
    for name in ("data", "perceptual", "squeezenet", "vgg19"):
        path = getattr(args, name)
        if path is None and name != "vgg19" and not args.tiny:
            raise InputError(f"--{name} is missing")
        if path is not None and not path.exists():
            raise InputError(f"--{name} {path}: no such file or folder")
        if path is not None:
            setattr(args, name, path.resolve())
    args.out, args.work = args.out.resolve(), args.work.resolve() if args.work else None


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("benchmarks.gpu_reference"):
        check(args)
        reference = Reference(args, TINY if args.tiny else FULL)
        scale = reference.scale
        shutil.rmtree(reference.work / "logs", ignore_errors=True)
        reference.check_norm()
        reference.bench(scale.benches, "benches", scale.bench_seconds)
        images = reference.images_seen(reference.training_left())
        experiments = threading.Thread(target=reference.experiments)
        experiments.start()
        reference.train(images)
        experiments.join()
        reference.evaluate()
        reference.collect()
        summary = reference.summary()
        write_text(reference.out / "summary.txt", summary)
        print(summary)
        return 0 if reference.seeds() else 1


if __name__ == "__main__":
    sys.exit(main())
