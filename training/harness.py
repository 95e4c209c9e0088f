"""`fit`: trains one generator on one objective, for CPU and CUDA, alone or in a group, and goes on after any stop."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from data.errors import InputError
from data.files import remove_parts, write_png
from data.pairs import PairDataset
from data.processes import STOP_SIGNALS
from models.layers import one_hot
from models.objectives import Trainable
from presets.schema import TrainingConfig
from training import checkpoint
from training.batches import ShuffledBatches, loader, plain_worker_errors, to_device
from training.checkpoint import CHECKPOINT
from training.fabric import forked_devices, place
from training.group import Group
from training.logs import TrainingLog
from training.memory import recompute_activations
from training.progress import Position, Watcher
from training.step import TrainingStep


class Interrupted(Exception):
    """Training was stopped by a signal, and its state is saved: the message names step and file."""


@dataclass
class TrainingTask:
    """Everything `fit` needs to know.

    title: for the progress bar. folder: gets checkpoint.pt, log.csv, tensorboard/, samples/. description: plain values
    stored in the checkpoint, enough to build the network again. fingerprint: of everything that shapes the result; a
    checkpoint with another one is refused. samples: layouts of which pictures are written regularly, uint8
    [N, H, W], or None.
    """

    title: str
    folder: Path
    config: TrainingConfig
    seed: int
    description: dict[str, Any]
    fingerprint: str
    samples: Tensor | None = None


@dataclass
class State:
    """What changes during training, and is stored in a checkpoint."""

    method: Trainable
    optimiser: torch.optim.Optimizer
    adversary_optimiser: torch.optim.Optimizer | None
    average: AveragedModel | None = None  # of the generator's weights, if images are made with it
    step: int = 0
    seconds: float = 0.0
    window: dict[str, float] = field(default_factory=dict)  # sums of loss terms since the last row of the log

    @property
    def image_generator(self) -> nn.Module:
        """The one that makes images: the average of the weights if there is one."""
        return self.average.module if self.average else self.method.generator

    def save(self, task: TrainingTask, fabric: Fabric) -> None:
        """The generator has its own key: that and `description` is all that synthesis needs. If it is an average, the
        weights that training continues with are under "learning"."""
        checkpoint.save(task.folder / CHECKPOINT, {
            "description": task.description, "fingerprint": task.fingerprint, "config": task.config.model_dump(),
            "seed": task.seed, "steps": steps_of(task.config), "step": self.step, "seconds": self.seconds,
            "window": self.window, "generator": self.image_generator.state_dict(),
            "learning": self.method.generator.state_dict() if self.average else None,
            "objective": self.method.objective.state_dict(), "optimiser": self.optimiser.state_dict(),
            "adversary_optimiser": self.adversary_optimiser.state_dict() if self.adversary_optimiser else None,
            "place": place(fabric), "rng": checkpoint.rng_state(fabric.device)})

    def restore(self, saved: dict[str, Any], fabric: Fabric) -> None:
        self.method.generator.load_state_dict(saved["learning"] or saved["generator"])
        if self.average:
            self.average.module.load_state_dict(saved["generator"])
            self.average.n_averaged.fill_(saved["step"])
        self.method.objective.load_state_dict(saved["objective"])
        self.optimiser.load_state_dict(saved["optimiser"])
        if self.adversary_optimiser:
            self.adversary_optimiser.load_state_dict(saved["adversary_optimiser"])
        self.step, self.seconds, self.window = saved["step"], saved["seconds"], dict(saved["window"])
        checkpoint.restore_rng(saved["rng"], fabric.device)


def steps_of(config: TrainingConfig) -> int:
    """Optimiser steps of a budget stated in images, rounded up."""
    return -(-config.images_seen // config.batch)


def is_finished(task: TrainingTask) -> bool:
    """Whether the task's checkpoint exists and is complete. Raises InputError if it belongs to another task."""
    file = task.folder / CHECKPOINT
    return file.exists() and _load_own(task, mapped=True)["step"] >= steps_of(task.config)


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a checkpoint at the end of its own budget, of whichever task."""
    file = folder / CHECKPOINT
    if not file.exists():
        return False
    saved = checkpoint.load(file, mapped=True)
    return saved["step"] >= saved["steps"]


def _load_own(task: TrainingTask, mapped: bool = False) -> dict[str, Any]:
    saved = checkpoint.load(task.folder / CHECKPOINT, mapped)
    if saved["fingerprint"] != task.fingerprint:
        raise InputError(f"{task.folder / CHECKPOINT}: made with other settings or other networks in its loss than "
                         f"this run has; delete {task.folder} to train it again, or use another --out")
    return saved


def fit(task: TrainingTask, method: Trainable, dataset: PairDataset, fabric: Fabric, group: Group | None = None,
        watch: Watcher | None = None) -> None:
    """Train until the budget is used up; resume from the folder's checkpoint if there is one.

    method: built from the seed by the caller. group: the processes that `fabric` spans; None: this one alone.
    watch: called in the first process with the progress.
    Raises Interrupted after Ctrl-C or one of STOP_SIGNALS once the state is saved, OSError if it cannot be saved, and
    InputError when a loss or a weight is not finite, the GPU's memory is too small, or a process is lost (of the group,
    or one that loads data); the last good checkpoint stays.
    """
    group, config = group or Group(), task.config
    if config.batch % (group.size * config.accumulate):
        raise InputError(f"training.batch={config.batch} cannot be shared equally by {group.size} process(es) with "
                         f"training.accumulate={config.accumulate}; set it to a multiple of "
                         f"{group.size * config.accumulate}")
    if group.leads:
        remove_parts(task.folder / CHECKPOINT)
    with _advice_on_memory(task), plain_worker_errors(config.workers):
        state = _start(task, method, fabric)
        if state.step < steps_of(config):
            _train(task, method, dataset, fabric, group, state, watch)


@contextmanager
def _advice_on_memory(task: TrainingTask) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(f"{task.title}: the GPU's memory is too small for a batch of {task.config.batch} at this "
                         "size; set training.activation_checkpointing=true, training.accumulate higher, "
                         "training.precision=bf16 or training.batch lower") from error
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):  # torch's on a CPU
            raise
        raise InputError(f"{task.title}: the machine's memory is too small; the last checkpoint is kept: free some, "
                         "use fewer processes (--jobs) or set training.batch lower") from error


def _train(task: TrainingTask, method: Trainable, dataset: PairDataset, fabric: Fabric, group: Group, state: State,
           watch: Watcher | None) -> None:
    steps, config = steps_of(task.config), task.config
    log = TrainingLog(task.folder, state.step) if fabric.is_global_zero else None
    batches = ShuffledBatches(len(dataset), config.batch, task.seed, state.step, steps, fabric.global_rank,
                              fabric.world_size)
    step = TrainingStep(method.generator, method.objective, state.optimiser, state.adversary_optimiser, config, fabric)
    saved_at = time.monotonic()
    try:
        with stop_signal() as stop, group.watched():
            for pairs in loader(dataset, batches, config.workers, fabric.device.type == "cuda"):
                started = time.monotonic()
                parts = to_device(*pairs, len(dataset.labels), fabric.device).parts(config.accumulate)
                terms = step(parts, learning_rate_share(config, state.step))
                state.step += 1
                if state.average:
                    state.average.update_parameters(method.generator)
                # Before anything reads what the GPU computes: the processes agree while it is at work.
                stopping, due = group.any(stop.is_set(), time.monotonic() - saved_at > config.checkpoint_seconds)
                method.objective.after_step(state.step)
                _record(task, state, terms, log, watch, group)
                state.seconds += time.monotonic() - started
                if task.samples is not None and state.step % config.samples_every == 0 and log:
                    write_samples(task, state, fabric, len(dataset.labels))
                if stopping or due or state.step == steps:
                    _save_checked(task, state, terms, group, fabric)
                    saved_at = time.monotonic()
                if stopping and state.step < steps:
                    raise Interrupted(f"{task.title}: step {state.step} of {steps} is saved in "
                                      f"{task.folder / CHECKPOINT}")
    finally:
        if log:
            log.close()
        if log and watch:
            watch(Position(task.title, state.step, steps))


def _start(task: TrainingTask, method: Trainable, fabric: Fabric) -> State:
    """Networks on the device, optimisers, and the state of the checkpoint if there is one."""
    file = task.folder / CHECKPOINT
    saved = _load_own(task) if file.exists() else None
    # training.precision=auto may mean another one on another device, and results of mixed precision are neither's
    if saved and saved["place"]["precision"] != place(fabric)["precision"] and saved["step"] < saved["steps"]:
        was, now = saved["place"], place(fabric)
        raise InputError(f"{file}: begun in {was['precision']} on {was['device']}, but here, on {now['device']}, "
                         f"training.precision={task.config.precision} means {now['precision']}; go on there (--device "
                         f"{was['device']}), or delete {task.folder} to train it again")
    task.folder.mkdir(parents=True, exist_ok=True)
    memory = {"memory_format": torch.channels_last}
    method.objective.to(fabric.device, **memory)
    for network in method.objective.networks().values():
        network.to(fabric.device, **memory)
    method.generator.to(fabric.device, **memory)
    average = averaged(method.generator, task.config.average) if task.config.average else None
    if task.config.activation_checkpointing:
        recompute_activations(method.generator)
    if task.config.compile:
        method.generator.compile(mode=task.config.compile)
    settings = {"lr": task.config.lr, "betas": tuple(task.config.betas), "eps": 1e-8, "fused": True}
    learning = [parameter for parameter in method.generator.parameters() if parameter.requires_grad]
    state = State(method, torch.optim.Adam(learning, **settings), None, average)
    if method.objective.adversary is not None:
        state.adversary_optimiser = torch.optim.Adam(method.objective.adversary.parameters(), **settings)
    torch.manual_seed(task.seed)  # independent of what was drawn before
    if saved:
        state.restore(saved, fabric)
    if fabric.global_rank > 0:  # own noise, also after a resume: the checkpoint has the first process's
        torch.manual_seed(task.seed + state.step * fabric.world_size + fabric.global_rank)
    return state


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of the weights, whose memory grows with the steps done up to 1 / (1 - decay) of them:
    the random start would otherwise stay in the average of a short training."""
    @torch.no_grad()
    def update(average: list[Tensor], current: list[Tensor], done: Tensor) -> None:
        torch._foreach_lerp_(average, current, 1 - min(decay, (1 + float(done)) / (10 + float(done))))
    return AveragedModel(network, multi_avg_fn=update)


def learning_rate_share(config: TrainingConfig, step: int) -> float:
    """Of the learning rates at a step: 1, then falling linearly to 0 over the last `lr_decay` of the budget."""
    steps = steps_of(config)
    decay = config.lr_decay * steps
    return min(1.0, (steps - step) / decay) if decay else 1.0


def _record(task: TrainingTask, state: State, terms: dict[str, Tensor], log: TrainingLog | None,
            watch: Watcher | None, group: Group) -> None:
    """Means of the loss terms over `log_every` steps and all processes go to the log."""
    for name, value in terms.items():
        state.window[name] = state.window.get(name, 0.0) + value
    if state.step % task.config.log_every:
        return
    sums = group.mean({name: float(value) for name, value in state.window.items()})
    means = {name: value / task.config.log_every for name, value in sums.items()}
    state.window = {}
    _refuse_nonfinite(task, state.step, means)
    if log:
        log.add(state.step, state.step * task.config.batch, state.seconds, means)
        if watch:
            watch(Position(task.title, state.step, steps_of(task.config), means["total"]))


def _save_checked(task: TrainingTask, state: State, terms: dict[str, Tensor], group: Group, fabric: Fabric) -> None:
    """A checkpoint with broken weights would replace the last good one, so both loss and weights are checked first:
    the loss is that of the weights before the step."""
    _refuse_nonfinite(task, state.step, group.mean({name: float(value) for name, value in terms.items()}))
    for role, network in (("generator", state.method.generator), ("objective", state.method.objective)):
        for name, value in network.state_dict().items():
            if not value.isfinite().all():
                raise _broken(task, f"{role}.{name} is not finite after step {state.step}")
    state.window = group.mean({name: float(value) for name, value in state.window.items()})
    if group.leads:
        state.save(task, fabric)
    group.barrier()


def _refuse_nonfinite(task: TrainingTask, step: int, terms: dict[str, float]) -> None:
    for name, value in terms.items():
        if not abs(value) < float("inf"):
            raise _broken(task, f"loss term '{name}' is {value} at step {step}")


def _broken(task: TrainingTask, what: str) -> InputError:
    kept = "the last good checkpoint is kept" if (task.folder / CHECKPOINT).exists() else "no checkpoint yet"
    return InputError(f"{task.title}: {what}; {kept}; lower training.lr (now {task.config.lr}) or set "
                      "training.precision=float32")


def write_samples(task: TrainingTask, state: State, fabric: Fabric, classes: int) -> None:
    """Pictures of the sample layouts side by side, samples/step_<n>.png; draws nothing from training's generators."""
    generator = state.image_generator
    with torch.random.fork_rng(devices=forked_devices(fabric)), torch.no_grad():
        torch.manual_seed(task.seed)
        generator.eval()
        images = generator(one_hot(task.samples.to(fabric.device), classes))[:, 0]
        generator.train()
    strip = torch.cat(list(to_uint8(images)), 2).permute(1, 2, 0)
    write_png(task.folder / "samples" / f"step_{state.step:07d}.png", strip.cpu().numpy())


def to_uint8(images: Tensor) -> Tensor:
    """[..., 3, H, W] in [-1, 1] -> uint8, clipped and rounded to the nearest value."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C and STOP_SIGNALS set, so that training stops between two steps; a second Ctrl-C stops at
    once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *STOP_SIGNALS)
              if signal.getsignal(number) is not signal.SIG_IGN}  # nohup ignores SIGHUP

    def on_signal(number, frame):
        event.set()
        if number == signal.SIGINT:  # not the others: torchrun sends SIGTERM more than once
            signal.signal(number, before[number] or signal.SIG_DFL)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
