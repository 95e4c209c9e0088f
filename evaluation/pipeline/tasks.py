"""The tasks that are done for each method, and the base class of the executors that run them."""

from collections.abc import Callable, Iterator
from typing import Any

from baselines.methods import method_spec, needed_networks
from evaluation.pipeline.synthesis import is_synthesized, synthesize
from evaluation.run_directory import RunDirectory
from training.harness import is_complete
from training.suite import Suite

Task = Callable[[Suite, str], Any]


def train_method(suite: Suite, name: str) -> dict[str, Any]:
    return suite.train_method(name)


def train_network(suite: Suite, role: str) -> None:
    """role: "perceptual", "segmenter" or "judge"."""
    getattr(suite, role)


def synthesize_method(suite: Suite, name: str) -> bool:
    """Whether images were made; False if they existed."""
    run, seed = RunDirectory(suite.folder), suite.preset.seed
    done = is_synthesized(run, name, seed)
    suite.group.barrier()  # the record must not appear before every process has looked for it
    if not done:
        synthesize(run, name, seed, suite.device, suite.group)
    return not done


def train_and_synthesize(suite: Suite, name: str) -> dict[str, Any]:
    """As train_method. One task, so that no process waits for the slowest training before it synthesizes."""
    described = train_method(suite, name)
    synthesize_method(suite, name)
    return described


def is_done(suite: Suite, task: Task, name: str) -> bool:
    """Whether the work of a task is done already."""
    if task is train_and_synthesize:
        return all(is_done(suite, part, name) for part in (train_method, synthesize_method))
    if task is synthesize_method:
        return is_synthesized(RunDirectory(suite.folder), name, suite.preset.seed)
    return is_complete(suite.method_folder(name) if task is train_method else suite.network_folder(name))


class TaskExecutor:
    """Runs tasks for many names. `map` is the subclass's.

    stopped: name -> how its training ended before its time: Interrupted if the state is saved, else another error.
    """

    def __init__(self, suite: Suite):
        self.suite, self.preset, self.folder = suite, suite.preset, suite.folder.resolve()
        self.stopped: dict[str, BaseException] = {}

    def train(self, methods: list[str], synthesize: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
        """First the networks of the losses and the judge, as far as the run trains them, each once; then (name, fields
        of its method.json) of every method. synthesize: also its images of the validation layouts."""
        roles = set().union(*(needed_networks(method_spec(name, self.preset)) for name in methods))
        judge = {"judge"} if self.preset.judge.is_own else set()
        for _ in self.map(train_network, sorted(filter(self.suite.trains, roles | judge))):
            pass
        return self.map(train_and_synthesize if synthesize else train_method, methods)

    def map(self, task: Task, names: list[str]) -> Iterator[tuple[str, Any]]:
        """(name, result) as they are done."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop what runs the tasks, within a limited time."""
