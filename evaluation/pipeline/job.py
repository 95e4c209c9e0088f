"""The main job: its stages in order, what is checked before any of them, and the run directory that they share."""

import json
import shlex
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from baselines.methods import METHODS, OBJECTIVES, check_preset_options, method_spec
from data import rendered
from data.errors import InputError, nearest
from data.files import fingerprint, list_folder, read_json, sha256
from data.made import is_made, write_record
from data.processes import available_cores, limit_cores, stop_like_ctrl_c
from evaluation import protocols
from evaluation.cache.images import add_images, check_images, sizes_in
from evaluation.metrics.work import Context, versions
from evaluation.networks.judge import TrainedJudge, load_judge
from evaluation.networks.judges import build_judge
from evaluation.pipeline import STAGES, parse_stages
from evaluation.pipeline.configuration import record_configuration
from evaluation.pipeline.dataset import is_written, write_dataset
from evaluation.pipeline.executor import make_executor
from evaluation.pipeline.lock import sole_use
from evaluation.pipeline.synthesis import check_pictures
from evaluation.pipeline.tasks import synthesize_method
from evaluation.run_directory import Method, RunDirectory
from evaluation.scoring import (
    available,
    check_files,
    check_number,
    check_options,
    left_out,
    needs_judge,
    score_run,
    scored_inputs,
)
from human_study.batch.write import StudyInUse, write_batch
from human_study.protocol.protocols import load_protocol
from presets.schema import Preset, load_preset
from reports.report import write_report
from training.check import check_methods
from training.fabric import choose_precision
from training.group import environment_integer, is_first_process, one_error_message
from training.harness import Interrupted
from training.progress import Display
from training.suite import Suite


class Job:
    """One call of the main job: its preset, its run directory, and the networks it trains."""

    def __init__(self, preset: Preset, out: Path, images: list[tuple[str, str]], executor: str = "auto",
                 jobs: int | None = None, synthesize: bool = False):
        """synthesize: a method's images are made as soon as it is trained; the stage finds them there."""
        self.preset, self.images, self.straight_on = preset, images, synthesize
        self.run = RunDirectory(out)
        self.display = Display()
        self.suite = Suite(preset, out, self.display.show)
        self.executor = make_executor(executor, self.suite, jobs)

    # --- the stages, in order -----------------------------------------------------------------------------------

    def dataset(self) -> None:
        """Validation photos and layouts as files."""
        if self.suite.group.leads and not self.has_dataset():
            for doubt in write_dataset(self.run, self.preset.data, self.suite.train, self.suite.val):
                data = shlex.join(filter(None, (self.preset.data.dataset, self.preset.data.path)))
                say(f"doubt: {doubt}; see {interpreter()} -m data.check {data}")
            say(f"{len(self.run.layouts())} validation pairs in {self.run.dataset}")
        self.suite.group.barrier()
        if self.suite.group.leads:
            self.check_images()

    def check_images(self) -> None:
        """Folders that --images names, before hours of work and before anything of any is copied; and methods to be
        trained where such folders were taken in before."""
        given = {method.name for method in self.run.methods() if method.kind == "images"}
        if taken := [name for name in self.preset.methods if name in given]:
            raise InputError(f"{self.run.method_folder(taken[0])}: holds images that were given as '{taken[0]}', so "
                             "this method cannot be trained in this run; give another --out, or --methods without it")
        for name, folder in self.images:
            check_images(self.run, name, folder)

    def train(self) -> None:
        """Every method of the preset, on the one harness, each with the same budget."""
        precision, why = choose_precision(self.preset.training.precision, self.suite.device)
        say(f"methods are trained in {precision} ({why}), judge and loss networks in float32")
        for _, described in self.executor.train(self.preset.methods, self.straight_on):
            about = Method(**described)
            if self.suite.group.leads:
                self.run.write_method(about)
            made = f", images in {self.run.method_folder(about.name) / 'images'}" if self.straight_on else ""
            say(f"{about.title}: {about.images_seen} images seen, {about.training_seconds:.0f} s{made}")

    def synthesize(self) -> None:
        """Every method's images of the same validation layouts."""
        for name, new in self.executor.map(synthesize_method, self.preset.methods):
            if new:
                say(f"{name}: images in {self.run.method_folder(name) / 'images'}")

    def score(self) -> None:
        """All metrics of the preset, for every method, the real photographs, and real against real."""
        self.executor.close()  # processes that wait hold memory
        for name, folder in self.images:
            add_images(self.run, name, folder)
        for method in self.run.method_names():
            check_pictures(self.run, method)
        for what, why in left_out(self.preset).items():
            say(f"{what}: left out, {why}")
        context = self._context()
        inputs = scored_inputs(self.run, context)
        if self._changed("score", inputs):
            self._done("score", inputs, score_run(self.run, context))
        self._say_protocol()
        say(f"scores in {self.run.path / 'scores'}")

    def _say_protocol(self) -> None:
        """Which values keep the published protocol asked for, and why the others do not."""
        if name := self.preset.score.protocol:
            found = read_json(self.run.path / "scores" / "protocol.json")
            say(f"protocol '{name}' ({found['table']}): kept by {', '.join(found['kept by']) or 'no value'}")
            for column, problems in found["differs"].items():
                if problems:
                    say(f"  {column}: {'; '.join(problems)}")
            if any(found["differs"].values()):
                say(f"  needs {'; '.join(found['needs'])}")

    def study(self) -> None:
        """The A/B task batch for people."""
        config = self.preset.study
        methods = [method.name for method in self.run.methods()]
        folder = self.run.study / config.protocol
        if len(methods) < 2:
            say("no study: it compares at least two methods")
            return
        baseline = self.baseline()
        inputs = fingerprint(config.model_dump(), baseline, self.preset.seed, methods, self._images_key(methods))
        if self._changed("study", inputs):
            try:
                write_batch(self.run, config.protocol, None, baseline, config.anchor, self.preset.seed)
            except StudyInUse as in_use:
                say(f"the study stays as it is: {in_use}")
                return
            self._done("study", inputs, [folder / "secret" / "spec.json"])
        say(f"A/B tasks in {folder}")

    def report(self) -> None:
        """One page with tables, figures and pictures, and the tables as CSV and LaTeX."""
        inputs = fingerprint([(str(file), sha256(file)) for file in sorted(self._report_inputs())])
        page = self.run.report / "index.html"
        if self._changed("report", inputs):
            write_report(self.run)
            self._done("report", inputs, [page])
        say(f"report: {page}")

    # --- what they share ----------------------------------------------------------------------------------------

    def has_dataset(self) -> bool:
        """Raises InputError when the data cannot be opened, or are not those that the run was begun with."""
        return is_written(self.run, self.preset.data, self.suite.train, self.suite.val)

    def baseline(self) -> str:
        """The method that the others are compared with: the preset's, or where the run lacks it the first."""
        methods = [method.name for method in self.run.methods()]
        wanted = self.preset.study.baseline
        if wanted in methods or not methods:
            return wanted
        say(f"'{wanted}' is not in this run: the others are compared with '{methods[0]}' (--baseline NAME)")
        return methods[0]

    def _context(self) -> Context:
        options, judge = available(self.preset), None
        if needs_judge(options):
            judge = build_judge(self.preset.judge, self.run.labels(), self.suite.device, self._own_judge)
        return Context(judge=judge, device=self.suite.device, bootstrap=options.bootstrap, seed=self.preset.seed,
                       options=options, baseline=self.baseline(), train_photos=self.suite.train_photos)

    def _own_judge(self) -> TrainedJudge:
        origin = self.suite.card("judge") or {"images seen": self.preset.judge.images_seen}
        return load_judge(self.suite.judge, self.run.labels(), self.suite.size, origin, self.suite.device)

    def _images_key(self, methods: list[str]) -> list:
        """What identifies the pictures of these methods: of what made them, or their bytes where others made them."""
        markers = {name: self.run.method_folder(name) / "synthesis.json" for name in methods}
        return [read_json(marker) if marker.exists() else
                [name, *(sha256(self.run.image_file(name, layout)) for layout in self.run.layouts())]
                for name, marker in markers.items()]

    def _report_inputs(self) -> list[Path]:
        patterns = ("run.json", "scores/*.json", "scores/*/*.json", "methods/*/*.json", "methods/*/log.csv",
                    "study/*/*.json", "study/*/*/*.json", "study/*/responses.csv")
        return [file for pattern in patterns for file in list_folder(self.run.path, pattern)]

    def _changed(self, stage: str, inputs: str) -> bool:
        """Whether a stage has not been done with these inputs, or a file that it made is gone or has changed."""
        return not is_made(self.run.path / "stages" / f"{stage}.json", inputs, folder=self.run.path)

    def _done(self, stage: str, inputs: str, files: Sequence[Path]) -> None:
        write_record(self.run.path / "stages" / f"{stage}.json", inputs, files, self.run.path)


IMAGES = "images"  # the preset of pictures made elsewhere, for photographs and layouts in a folder
TOGETHER = ("dataset", "train", "synthesize")  # the processes of a group share these; the rest is the first one's


def say(text: str) -> None:
    """One process of a group speaks for all."""
    if is_first_process():
        print(f"  {text}", flush=True)


def run_stages(job: Job, stages: list[str]) -> None:
    """The dataset, then the stages asked for, each with its time."""
    for name in ["dataset", *stages]:
        if name not in TOGETHER and not job.suite.leave_group():
            return
        if is_first_process():
            print(f"[{name}]", flush=True)
        started = time.perf_counter()
        try:
            getattr(Job, name)(job)
        except torch.OutOfMemoryError as error:
            raise InputError(f"stage {name}: the GPU's memory is too small at data.size={job.preset.data.size}; free "
                             f"it of other work, or do this stage with --stages {name} --device cpu") from error
        if is_first_process():
            print(f"[{name}] done in {time.perf_counter() - started:.1f} s", flush=True)
    if job.suite.leave_group() and (page := job.run.report / "index.html").exists():
        print(f"\nReport:  {page}\nApp:     {interpreter()} -m reports.app --run {shlex.quote(str(job.run.path))}")


def interpreter() -> str:
    """This Python as one would type it here: nobody need have activated its environment."""
    return typed(Path(sys.executable))


def typed(path: Path) -> str:
    """A path for a shell in the directory in which the user stands."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def parse_images(items: list[str], methods: list[str]) -> list[tuple[str, str]]:
    """What can be said of --images before any work starts. methods: of the preset."""
    pairs = [item.partition("=")[::2] for item in items]
    for item, (name, folder) in zip(items, pairs, strict=True):
        if not name or not folder:
            raise InputError(f"--images {item}: expected NAME=FOLDER")
        if name in methods:
            raise InputError(f"--images {item}: '{name}' is a method of this preset; choose another name")
        if not Path(folder).is_dir():
            raise InputError(f"--images {item}: {folder}: no such folder")
    return pairs


def make_preset(args: Namespace) -> Preset:
    """The preset with the command line's changes, every name in it checked before any work starts."""
    settings = list(args.settings)
    settings += [f"data.path={json.dumps(args.data)}"] if args.data else []
    settings += [f"seed={args.seed}"] if args.seed is not None else []
    settings += [f"device={args.device}"] if args.device else []
    settings += [f"methods=[{args.methods}]"] if args.methods else []
    settings += [f"study.baseline={json.dumps(args.baseline)}"] if args.baseline else []
    args.preset = args.preset or chosen_preset(args)
    first = [f"study.baseline={json.dumps(args.images[0].partition('=')[0])}"] if args.images else []
    defaults = first if args.preset == IMAGES else []
    preset = load_preset(args.preset, settings, defaults)
    if preset.score.protocol:
        table = protocols.named_protocol(preset.score.protocol, preset.data.dataset)
        preset = load_preset(args.preset, settings, [*defaults, *protocols.settings(table.protocol)])
    check_preset_options(preset)
    for name in preset.methods:
        method_spec(name, preset)
    check_options(preset)
    if args.all or "score" in parse_stages(args.stages or ""):
        check_files(preset)
    load_protocol(preset.study.protocol)
    for name in preset.overrides:
        if name not in (known := [*METHODS, *OBJECTIVES, *preset.methods]):
            raise InputError(f"unknown key 'overrides.{name}': {nearest(name, known)}")
    return preset


def chosen_preset(args: Namespace) -> str:
    """The preset where none is asked for: pictures of a folder of photographs and layouts need none but `images`."""
    training = args.all or {"train", "synthesize"} & set(parse_stages(args.stages or ""))
    return IMAGES if args.images and args.data and not training else "street"


def take_size(preset: Preset, images: list[tuple[str, str]]) -> None:
    """Score at the size that the pictures have. Raises InputError for a folder without a PNG file and for several
    sizes, before a run directory is made for one of them."""
    found = {name: sizes_in(Path(folder)) for name, folder in images}
    if len(sizes := sum(found.values(), Counter())) > 1:
        each = "; ".join(f"{name} {', '.join(f'{h}x{w} ({n})' for (h, w), n in of.most_common(4))}"
                         for name, of in found.items())
        raise InputError(f"--images: pictures of {len(sizes)} sizes, height x width: {each}. All are scored at one "
                         "size: resize them in the system that made them, so that the filter is yours to choose; "
                         "photographs and layouts are resized here")
    preset.data.size = list(next(iter(sizes)))


def run(args: Namespace, command: str) -> int:
    """Do what the command line says; the exit code. Raises InputError for what cannot be, before any work starts."""
    with one_error_message():
        if not args.all and not args.stages:
            raise InputError("nothing to do: give --all, or --stages with some of " + ",".join(STAGES))
        stages = list(STAGES) if args.all else parse_stages(args.stages)
        preset = make_preset(args)
        images = parse_images(args.images, preset.methods)
        if args.preset == IMAGES and images and "size" not in preset.data.model_fields_set:
            take_size(preset, images)
        if "train" in stages:
            if not preset.methods:
                raise InputError(f"nothing to train: preset '{args.preset}' names no method; give --methods, or "
                                 "another --preset")
            check_methods(preset)
        out = Path(args.out or Path("runs") / Path(args.preset).stem)
        limit_cores(args.jobs)
        torch.set_num_threads(environment_integer("OMP_NUM_THREADS", available_cores(), least=1))
        stop_like_ctrl_c()
        job = Job(preset, out, images, args.executor, args.jobs, {"train", "synthesize"} <= set(stages))
        with sole_use(out) if is_first_process() else nullcontext():
            if job.has_dataset():  # a folder is claimed only for data that can be opened, and not for two
                job.check_images()
            if "score" in stages:
                check_number(available(preset), len(job.suite.val))
            if job.suite.group.leads:
                scenes = rendered(preset.data.dataset)
                record_configuration(out, preset, Path(args.preset).stem,
                          versions() | ({"scenes": scenes.version} if scenes else {}), command,
                          job.suite.fixed_networks())
            job.suite.group.barrier()
            return work(job, stages, command)


def work(job: Job, stages: list[str], command: str) -> int:
    """The stages; the exit code."""
    try:
        run_stages(job, stages)
    except (Interrupted, KeyboardInterrupt):
        if is_first_process():
            job.executor.close()
            job.display.close()
            print(f"\n{stop_message(job, command)}", file=sys.stderr)
        return 130
    finally:
        job.executor.close()
    return 0


def stop_message(job: Job, command: str) -> str:
    """What was saved when the command was stopped, what was not, and how to go on."""
    lines = ["stopped; finished work is kept"]
    for name, error in job.executor.stopped.items():
        lines.append(f"  {error}" if isinstance(error, Interrupted) else
                     f"  {name}: not saved ({error}); its last checkpoint is kept, if it has one")
    return "\n".join([*lines, "go on with the same command:", "  " + command.replace("python", interpreter(), 1)])
