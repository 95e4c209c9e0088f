"""The main job: its stages in order, on one run directory. Work that is done already is recognised and kept."""

import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from data import rendered
from data.errors import InputError
from data.files import fingerprint, list_folder, read_json, sha256
from data.made import is_made, write_record
from data.processes import available_cores, limit_cores, stop_like_ctrl_c
from evaluation.cache.images import add_images, check_images
from evaluation.metrics.work import Context, versions
from evaluation.networks.judge import TrainedJudge, load_judge
from evaluation.networks.judges import build_judge
from evaluation.pipeline.call import Call, read_calls
from evaluation.pipeline.configuration import record_configuration
from evaluation.pipeline.dataset import is_written, write_dataset
from evaluation.pipeline.executor import make_executor
from evaluation.pipeline.lock import locked
from evaluation.pipeline.synthesis import check_pictures
from evaluation.pipeline.tasks import synthesize_method
from evaluation.run_directory import Method, RunDirectory
from evaluation.scoring import available, check_number, left_out, needs_judge, score_run, scored_inputs
from evaluation.trainings import Trainings, training_of, write_trainings
from human_study.batch.write import StudyInUse, write_batch
from human_study.protocol.protocols import load_protocol
from reports.report import write_report
from training.fabric import choose_precision
from training.group import environment_integer, is_first_process, one_error_message
from training.harness import Interrupted
from training.progress import Display
from training.suite import Suite

SHARED = ("dataset", "train", "synthesize")  # by all processes of a group; the first one does the other stages alone


def run(args: Namespace, command: str) -> int:
    """Run the stages of the command line; the exit code. Raises InputError before any work if that is impossible."""
    with one_error_message():
        calls = read_calls(args, command)
        first = calls[-(args.seeds or 1)]  # of the largest budget
        load_protocol(first.preset.study.protocol)
        limit_cores(first.jobs)
        torch.set_num_threads(environment_integer("OMP_NUM_THREADS", available_cores(), least=1))
        stop_like_ctrl_c()
        for call in calls:
            if len(calls) > 1:
                echo(f"{call.out}: seed {call.preset.seed}, {call.preset.training.images_seen:,} images", indent="")
            if code := _work(call):
                return code
        if len(calls) > 1 and "score" in first.stages:
            trainings = Trainings([training_of(RunDirectory(call.out)) for call in calls])
            write_trainings(trainings, RunDirectory(first.out).trainings_file)
            echo(f"scores of {len(trainings)} trainings: {RunDirectory(first.out).trainings_file}")
            if "report" in first.stages:
                return _work(replace(first, stages=["report"]))
        return 0


def _work(call: Call) -> int:
    with locked(call.out) if is_first_process() else nullcontext():
        return Job(call).work()


class Job:
    """One call of the main job: its preset, its run directory, and the networks that it trains."""

    def __init__(self, call: Call):
        self.call, self.preset = call, call.preset
        self.run = RunDirectory(call.out)
        self.display = Display()
        self.suite = Suite(call.preset, call.out, self.display.show)
        self.executor = make_executor(call.executor, self.suite, call.jobs)

    def work(self) -> int:
        """All stages of the call; the exit code."""
        try:
            self.begin()
            for name in ["dataset", *self.call.stages]:
                if name not in SHARED and not self.suite.leave_group():
                    return 0
                self.do(name)
        except (Interrupted, KeyboardInterrupt):
            if is_first_process():
                self.executor.close()
                self.display.close()
                print(f"\n{self.stop_message()}", file=sys.stderr)
            return 130
        finally:
            self.executor.close()
        if self.suite.leave_group() and (page := self.run.report / "index.html").exists():
            print(f"\nReport:  {page}\nApp:     {interpreter()} -m reports.app --run {shlex.quote(str(self.run.path))}")
        return 0

    def begin(self) -> None:
        """Record the configuration in run.json, after everything that may refuse the call for its data."""
        if self.has_dataset():
            self.check_images()
        if "score" in self.call.stages:
            check_number(available(self.preset), len(self.suite.val))
        if self.suite.group.leads:
            scenes = rendered(self.preset.data.dataset)
            record_configuration(self.run.path, self.preset, self.call.preset_name,
                                 versions() | ({"scenes": scenes.version} if scenes else {}), self.call.own_command,
                                 self.suite.fixed_networks())
        self.suite.group.barrier()

    def do(self, stage: str) -> None:
        """One stage, with its name and time on the terminal."""
        echo(f"[{stage}]", indent="")
        started = time.perf_counter()
        try:
            getattr(self, stage)()
        except torch.OutOfMemoryError as error:
            raise InputError(f"stage {stage}: the GPU's memory is too small at data.size={self.preset.data.size}; free "
                             f"it of other work, or do this stage with --stages {stage} --device cpu") from error
        echo(f"[{stage}] done in {time.perf_counter() - started:.1f} s", indent="")

    # --- the stages, in order ----------------------------------------------------------------------------------------

    def dataset(self) -> None:
        """Validation photographs and layouts as files."""
        if self.suite.group.leads and not self.has_dataset():
            for doubt in write_dataset(self.run, self.preset.data, self.suite.train, self.suite.val):
                data = shlex.join(filter(None, (self.preset.data.dataset, self.preset.data.path)))
                echo(f"doubt: {doubt}; see {interpreter()} -m data.check {data}")
            echo(f"{len(self.run.layouts())} validation pairs in {self.run.dataset}")
        self.suite.group.barrier()
        if self.suite.group.leads:
            self.check_images()

    def train(self) -> None:
        """Every method of the preset, on the one harness, each with the same budget. If the call synthesizes, too, a
        method's images are made as soon as it is trained; the next stage finds them."""
        precision, why = choose_precision(self.preset.training.precision, self.suite.device)
        echo(f"methods are trained in {precision} ({why}), judge and loss networks in float32")
        synthesize = "synthesize" in self.call.stages
        for _, described in self.executor.train(self.preset.methods, synthesize):
            method = Method(**described)
            if self.suite.group.leads:
                self.run.write_method(method)
            images = f", images in {self.run.method_folder(method.name) / 'images'}" if synthesize else ""
            echo(f"{method.title}: {method.images_seen} images seen, {method.training_seconds:.0f} s{images}")

    def synthesize(self) -> None:
        """Every method's images of the same validation layouts."""
        for name, new in self.executor.map(synthesize_method, self.preset.methods):
            if new:
                echo(f"{name}: images in {self.run.method_folder(name) / 'images'}")

    def score(self) -> None:
        """All metrics of the preset, for every method, the real photographs, and real against real."""
        self.executor.close()  # processes that wait hold memory
        for name, folder in self.call.images:
            add_images(self.run, name, folder)
        for name in self.run.method_names():
            check_pictures(self.run, name)
        for metric, why in left_out(self.preset).items():
            echo(f"{metric}: left out, {why}")
        context = self._context()
        self._unless_done("score", scored_inputs(self.run, context), lambda: score_run(self.run, context))
        self._print_protocol()
        echo(f"scores in {self.run.path / 'scores'}")

    def study(self) -> None:
        """The A/B task batch for people."""
        config, baseline = self.preset.study, self.baseline()
        methods = [method.name for method in self.run.methods()]
        folder = self.run.study / config.protocol
        if len(methods) < 2:
            echo("no study: it compares at least two methods")
            return
        inputs = fingerprint(config.model_dump(), baseline, self.preset.seed, methods, self._images_key(methods))

        def write() -> list[Path]:
            write_batch(self.run, config.protocol, None, baseline, config.anchor, self.preset.seed)
            return [folder / "secret" / "spec.json"]
        try:
            self._unless_done("study", inputs, write)
        except StudyInUse as in_use:
            echo(f"the study stays as it is: {in_use}")
            return
        echo(f"A/B tasks in {folder}")

    def report(self) -> None:
        """One page with tables, figures and pictures, and the tables as CSV and LaTeX."""
        patterns = ("run.json", "scores/*.json", "scores/*/*.json", "methods/*/*.json", "methods/*/log.csv",
                    "study/*/*.json", "study/*/*/*.json", "study/*/responses.csv")
        files = sorted(file for pattern in patterns for file in list_folder(self.run.path, pattern))
        inputs = fingerprint([(str(file), sha256(file)) for file in files])
        self._unless_done("report", inputs, lambda: [write_report(self.run)])
        echo(f"report: {self.run.report / 'index.html'}")

    # --- shared by the stages -----------------------------------------------------------------------------------------

    def _unless_done(self, stage: str, inputs: str, work: Callable[[], Sequence[Path]]) -> None:
        """Do a stage's work, which returns its files, unless they were made from these inputs and are unchanged."""
        record = self.run.path / "stages" / f"{stage}.json"
        if not is_made(record, inputs, folder=self.run.path):
            write_record(record, inputs, work(), self.run.path)

    def has_dataset(self) -> bool:
        """Raises InputError when the data cannot be opened, or are not those that the run was begun with."""
        return is_written(self.run, self.preset.data, self.suite.train, self.suite.val)

    def check_images(self) -> None:
        """Folders of --images, before hours of work and before any of them is copied; and methods to be trained under
        the name of such a folder."""
        given = {method.name for method in self.run.methods() if method.kind == "images"}
        if taken := [name for name in self.preset.methods if name in given]:
            raise InputError(f"{self.run.method_folder(taken[0])}: holds images that were given as '{taken[0]}', so "
                             "this method cannot be trained in this run; give another --out, or --methods without it")
        for name, folder in self.call.images:
            check_images(self.run, name, folder)

    def baseline(self) -> str:
        """The method that the others are compared with: the preset's, or if the run lacks it the first."""
        methods = [method.name for method in self.run.methods()]
        wanted = self.preset.study.baseline
        if wanted in methods or not methods:
            return wanted
        echo(f"'{wanted}' is not in this run: the others are compared with '{methods[0]}' (--baseline NAME)")
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

    def _print_protocol(self) -> None:
        """Which values keep the published protocol that is named, and why the others do not."""
        if name := self.preset.score.protocol:
            found = read_json(self.run.path / "scores" / "protocol.json")
            echo(f"protocol '{name}' ({found['table']}): kept by {', '.join(found['kept by']) or 'no value'}")
            for column, problems in found["differs"].items():
                if problems:
                    echo(f"  {column}: {'; '.join(problems)}")
            if any(found["differs"].values()):
                echo(f"  needs {'; '.join(found['needs'])}")

    def _images_key(self, methods: list[str]) -> list:
        """What identifies the pictures of these methods: the record of their synthesis, or their bytes without one."""
        records = {name: self.run.method_folder(name) / "synthesis.json" for name in methods}
        return [read_json(record) if record.exists() else
                [name, *(sha256(self.run.image_file(name, layout)) for layout in self.run.layouts())]
                for name, record in records.items()]

    def stop_message(self) -> str:
        """What was saved when the command was stopped, what was not, and how to go on."""
        lines = ["stopped; finished work is kept"]
        for name, error in self.executor.stopped.items():
            lines.append(f"  {error}" if isinstance(error, Interrupted) else
                         f"  {name}: not saved ({error}); its last checkpoint is kept, if it has one")
        again = self.call.command.replace("python", interpreter(), 1)
        return "\n".join([*lines, "go on with the same command:", f"  {again}"])


def echo(text: str, indent: str = "  ") -> None:
    """A line on the terminal, from the first process of a group only."""
    if is_first_process():
        print(f"{indent}{text}", flush=True)


def interpreter() -> str:
    """This Python as one would type it here, where its environment may not be activated."""
    return typed(Path(sys.executable))


def typed(path: Path) -> str:
    """A path for a shell in the user's working directory."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
