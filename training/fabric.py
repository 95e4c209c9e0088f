"""Device, precision and processes: one place that decides where and how a network is trained."""

from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy, SingleDeviceStrategy

from data.errors import InputError
from training.group import environment_integer, group_size

PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}


def resolve_device(device: str) -> str:
    """ "auto" -> "cuda" if there is a GPU, else "cpu". Raises InputError for cuda without a GPU."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no CUDA GPU on this machine; use --device cpu or auto")
    return device


def native_bf16() -> bool:
    """Whether the GPU multiplies bf16 in hardware."""
    return torch.cuda.is_bf16_supported(including_emulation=False)


def choose_precision(precision: str, device: str) -> tuple[str, str]:
    """The precision that `precision` means on a device, "float32" or "bf16", and a reason for people.

    "auto" is float32 on every CPU. Measured on preset `street`, one core, torch 2.14.1, seconds of all eight methods'
    steps: bf16 is 1.3 times faster with AMX, and 1.4 times slower with AVX512-BF16 alone, whose kernels moreover read
    past their buffers for some shapes (see models.layers.DilatedConv2d). Numbers that agree between machines are
    worth more.
    """
    if precision != "auto":
        return precision, f"training.precision={precision}"
    if device == "cpu":
        return "float32", "auto on every CPU, so that numbers do not depend on its kind"
    if native_bf16():
        return "bf16", "auto: this GPU computes it natively"
    return "float32", "auto: this GPU does not compute bf16 natively"


def make_fabric(device: str, precision: str, timeout: float = 7200.0) -> Fabric:
    """A launched Fabric for this process: alone, or one of a group started by torchrun (distributed data parallel).

    timeout: seconds to wait for the other processes of the group. A group over plain DDP: the largest network of the
    suite has 98.7M parameters, 1.6 GB with Adam's state, so sharding it over GPUs would save next to nothing.
    """
    world = group_size()
    if world == 1:
        fabric = Fabric(accelerator=device, precision=PRECISIONS[precision], devices=1)
    else:
        local = environment_integer("LOCAL_WORLD_SIZE", world, least=1)
        strategy = DDPStrategy(timeout=timedelta(seconds=timeout))
        fabric = Fabric(accelerator=device, precision=PRECISIONS[precision], strategy=strategy, devices=local,
                        num_nodes=world // local)
    fabric.launch()
    return fabric


def solo_fabric(device: str, precision: str) -> Fabric:
    """A Fabric for this process alone, whether it belongs to a group or not."""
    where = torch.device(device, environment_integer("LOCAL_RANK", 0)) if device == "cuda" else torch.device(device)
    return Fabric(accelerator=device, strategy=SingleDeviceStrategy(where), precision=PRECISIONS[precision])


def forked_devices(fabric: Fabric) -> list[torch.device]:
    """Devices for torch.random.fork_rng: this process's GPU if it has one. By default, fork_rng takes all GPUs."""
    return [fabric.device] if fabric.device.type == "cuda" else []


def place(fabric: Fabric) -> dict[str, Any]:
    """Where and how a network is trained, for its checkpoint: resolved precision, kind of device, processes."""
    names = {theirs: ours for ours, theirs in PRECISIONS.items()}
    return {"precision": names[fabric.strategy.precision.precision], "device": fabric.device.type,
            "processes": fabric.world_size}
