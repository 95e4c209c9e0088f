"""Checkpoints: written whole or not at all, safe to load from strangers, enough to resume with identical results."""

import errno
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.errors import InputError
from data.files import atomic_path

CHECKPOINT = "checkpoint.pt"  # in the folder of a network
KEYS = {"description", "fingerprint", "step", "steps", "generator"}  # in every checkpoint
WRITER = "inline_container"  # in every error of torch's writer, which does not mention that the disk is full


def save(path: Path, content: dict[str, Any]) -> None:
    """Raises OSError naming the file if the disk is full."""
    try:
        with atomic_path(path, durable=True) as temporary:
            torch.save(content, temporary)
    except RuntimeError as error:
        if WRITER not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


def load(path: Path, mapped: bool = False) -> dict[str, Any]:
    """Tensors and plain values only, on the CPU.

    mapped: tensors stay in the file until they are used, and are not checked: for the plain values.
    Raises InputError for a file that is missing, no checkpoint or damaged, and for weights that are not finite.
    """
    try:
        _check_sums(path, tensors=not mapped)
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint") from None
    except (PermissionError, IsADirectoryError):
        raise
    except Exception:  # torch raises nearly anything for half a file, depending on where it ends
        raise InputError(f"{path}: not a readable checkpoint ({Path(path).stat().st_size:,} bytes); damaged or copied "
                         "in part: copy it again, or delete it to train again") from None
    if not isinstance(saved, dict) or not saved.keys() >= KEYS:
        raise InputError(f"{path}: not a checkpoint of this suite")
    if not mapped:
        for name, weight in saved["generator"].items():
            if not weight.isfinite().all():
                raise InputError(f"{path}: weight '{name}' is not finite; delete the file to train again")
    return saved


def _check_sums(path: Path, tensors: bool) -> None:
    """Hold a checkpoint, which is a ZIP archive, against the checksums in it: torch does not.

    Raises zipfile.BadZipFile. tensors: of the weights too, which reads the whole file.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if tensors or "/data/" not in member.filename:
                with archive.open(member) as content:
                    while content.read(1 << 20):  # raises at the end
                        pass


def rng_state(device: torch.device) -> dict[str, Tensor | None]:
    """State of torch's random generators that training on `device` draws from."""
    return {"torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None}


def restore_rng(state: dict[str, Any], device: torch.device) -> None:
    """The reverse of rng_state; a state from a CPU leaves a GPU's generator alone, and the reverse."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
