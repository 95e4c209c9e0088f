"""Where training starts: from a coarser network's weights, and which modules learn."""

from pathlib import Path
from typing import Any

from torch import nn

from data.errors import InputError
from training import checkpoint
from training.checkpoint import CHECKPOINT

LAST_LAYER = "to_images"  # never taken over: each resolution learns its own (paper's training at 512 and 1024 rows)


def source_file(start_from: str, method: str) -> Path:
    """The checkpoint that `training.start_from` names: the file itself, or the same method's in a run directory."""
    path = Path(start_from)
    return path / "methods" / method / CHECKPOINT if path.is_dir() else path


def read_source(file: Path, mapped: bool = True) -> dict[str, Any]:
    """The checkpoint of a finished network, see checkpoint.load. Raises InputError if it is another file."""
    saved = checkpoint.load(file, mapped)
    if "generator" not in saved or "labels" not in saved.get("description", {}):
        raise InputError(f"{file}: not the checkpoint of a method, so training cannot start from it")
    if saved["step"] < saved["steps"]:
        raise InputError(f"{file}: training stopped at step {saved['step']} of {saved['steps']}; finish it before "
                         "another network starts from it")
    return saved


def take_over(generator: nn.Module, labels: dict[str, Any], saved: dict[str, Any], file: Path) -> None:
    """Copy every weight but the last layer's into the generator; modules that the source lacks stay as they are.

    labels: of this run, see LabelSpace.to_json. Raises InputError naming what differs: classes, or shapes of weights.
    """
    there, here = saved["description"]["labels"]["names"], labels["names"]
    if there != here:
        differ = [f"class {i} is '{a}' there and '{b}' here" for i, (a, b) in enumerate(zip(there, here, strict=False))
                  if a != b]
        what = "; ".join(differ[:3]) if len(there) == len(here) else f"{len(there)} classes there, {len(here)} here"
        raise InputError(f"{file}: made for other classes, so training cannot start from it: {what}")
    weights = {key: value for key, value in saved["generator"].items() if not key.startswith(f"{LAST_LAYER}.")}
    own = generator.state_dict()
    different = [f"{key} is {list(value.shape)} there and {list(own[key].shape) if key in own else 'absent'} here"
                 for key, value in weights.items() if key not in own or own[key].shape != value.shape]
    if different:
        more = f" and {len(different) - 3} more" if len(different) > 3 else ""
        raise InputError(f"{file}: made with other widths or another network, so training cannot start from it: "
                         f"{'; '.join(different[:3])}{more}; set generators.* as in that run")
    generator.load_state_dict(weights, strict=False)


def freeze_all_but_last(generator: nn.Module, trainable: str | int, title: str) -> None:
    """Leave gradients to the last `trainable` modules and the last layer; "all" leaves them to everything.

    Works for generators that are a chain of modules on growing grids (`blocks`, coarse to fine). Raises InputError
    for others, and for more modules than there are.
    """
    if trainable == "all":
        return
    blocks = getattr(generator, "blocks", None)
    if blocks is None:
        raise InputError(f"training.trainable={trainable}: {title} is no chain of refinement modules; set it to all")
    if trainable > len(blocks):
        raise InputError(f"training.trainable={trainable}: {title} has {len(blocks)} modules at this size")
    generator.requires_grad_(False)
    for module in (*blocks[len(blocks) - trainable :], getattr(generator, LAST_LAYER)):
        module.requires_grad_(True)
