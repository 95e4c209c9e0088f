"""Device, precision and processes: one place that decides where and how a network is trained."""

import os

import torch
from lightning_fabric import Fabric

from data.errors import InputError

PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}


def resolve_device(device: str) -> str:
    """ "auto" -> "cuda" where there is one, else "cpu". Raises InputError for cuda without a GPU."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no CUDA GPU on this machine; use --device cpu or auto")
    return device


def native_bf16(device: str) -> bool:
    """Whether the device multiplies bf16 in hardware. Emulated on a CPU it is 20 times slower than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe() for probe in probes if probe is not None)


def resolve_precision(precision: str, device: str) -> str:
    if precision == "auto":
        return "bf16" if native_bf16(device) else "float32"
    return precision


def make_fabric(device: str, precision: str) -> Fabric:
    """A launched Fabric for this process: alone, or one of a group started by torchrun (distributed data parallel)."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    group = {"strategy": "ddp", "devices": local, "num_nodes": world // local} if world > 1 else {"devices": 1}
    fabric = Fabric(accelerator=device, precision=PRECISIONS[precision], **group)
    fabric.launch()
    return fabric
