"""Leak checks: no network of a loss may judge, and no training photograph may be in the scored set."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import nn

from data.errors import InputError
from data.files import read_image, read_json
from evaluation.measuring.images import pixel_hash
from evaluation.rundir import Method, RunDirectory
from models.perceptual import tensor_hashes


def hashes_in(protocol: object) -> set[str]:
    """Every SHA-256 (64 hexadecimal digits) anywhere in a protocol."""
    if isinstance(protocol, Mapping):
        return set().union(*(hashes_in(value) for value in protocol.values()))
    if isinstance(protocol, (list, tuple)):
        return set().union(*(hashes_in(value) for value in protocol))
    text = protocol if isinstance(protocol, str) else ""
    return {text.lower()} if len(text) == 64 and all(c in "0123456789abcdefABCDEF" for c in text) else set()


def check_judges(methods: Iterable[Method], judges: Mapping[str, object]) -> None:
    """Raises InputError when a judge's protocol names weights that a method was trained against.

    judges: what to call the judge in the message -> its protocol.
    """
    for method in methods:
        for network, digest in method.loss_networks.items():
            for judge, protocol in judges.items():
                if digest.lower() in hashes_in(protocol):
                    raise InputError(f"{judge} is the network '{network}' of a loss of method '{method.name}' (SHA-256 "
                                     f"{digest[:12]}...): a method that was trained to please it cannot be judged by "
                                     "it; leave out the method, or choose another judge")


def check_shared_weights(methods: Iterable[Method], judge: str, module: nn.Module) -> None:
    """Raises InputError when a judge shares a weight tensor with a network of a loss, whatever files they came from."""
    own = tensor_hashes(module)
    for method in methods:
        for network, tensors in method.loss_tensors.items():
            if shared := own & set(tensors):
                raise InputError(f"{judge} shares {len(shared)} weight tensors with '{network}', a network of a loss "
                                 f"of method '{method.name}'; leave out the method, or choose another judge")


def check_photographs(run: RunDirectory) -> None:
    """Raises InputError when a photograph of the scored set was trained on (dataset/train.json, by pixel content)."""
    file = run.dataset / "train.json"
    if not file.exists():
        return
    trained = set(read_json(file)["photo_sha256"])
    found = [name for name in run.layouts() if _pixels(run.photo_file(name)) & trained]
    if found:
        raise InputError(f"{run.dataset / 'photos'}: {len(found)} scored photographs were trained on (first: "
                         f"{found[0]}); scores on them say nothing. Split the data again without overlap")


def _pixels(file: Path) -> set[str]:
    image = read_image(file)
    return {pixel_hash(image), pixel_hash(image.transpose(2, 0, 1))}
