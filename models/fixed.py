"""Networks that ship with a dataset: weights as float16 safetensors, and a card (YAML) beside them that records how
they were made. Read here; made by python -m tools.fixed_networks.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from data.errors import InputError, nearest
from data.files import read_yaml, sha256, write_bytes
from models.perceptual import PerceptualNet
from models.segmentation import DilatedNet, ResidualUNet

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "ResidualUNet": ResidualUNet,
    "DilatedNet": DilatedNet,
    "PerceptualNet": PerceptualNet,
}


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The untrained network of a card's `architecture`: {"kind": a key of ARCHITECTURES, and its options}."""
    options = dict(architecture)
    kind = options.pop("kind")
    if kind not in ARCHITECTURES:
        raise InputError(f"unknown architecture '{kind}': {nearest(kind, ARCHITECTURES)}")
    return ARCHITECTURES[kind](**options)


def card_file(folder: Path, role: str) -> Path:
    return Path(folder) / f"{role}.yaml"


def weights_file(folder: Path, role: str) -> Path:
    return Path(folder) / f"{role}.safetensors"


def read_card(folder: Path, role: str) -> dict[str, Any]:
    return read_yaml(card_file(folder, role), "the card of a fixed network")


def misfit(folder: Path | None, role: str, labels: Sequence[str], scenes: str | None) -> str | None:
    """Why the network of a role in `folder` does not fit these labels and version of the scenes; None if it does."""
    if folder is None or not card_file(folder, role).exists():
        return "none ships with it"
    card = read_card(folder, role)
    if card["scenes"] != scenes:
        return f"it was made on {card['scenes']}, these are {scenes}"
    if card["labels"] != list(labels):
        return f"it knows the classes {', '.join(card['labels'])}"
    return None


def read_network(folder: Path, role: str) -> tuple[nn.Module, dict[str, Any]]:
    """The frozen network (float32, CPU) of a role and its card.

    Raises InputError if a file is missing or the weights are not those that the card describes.
    """
    card, file = read_card(folder, role), weights_file(folder, role)
    if not file.exists():
        raise InputError(f"{file}: no such file; to make it: {card['command']}")
    if (digest := sha256(file)) != card["sha256"]:
        raise InputError(f"{file}: its SHA-256 is {digest[:16]}..., its card has {card['sha256'][:16]}...; to make it "
                         f"again: {card['command']}")
    network = build(card["architecture"])
    network.load_state_dict({name: value.float() if value.is_floating_point() else value
                             for name, value in load(file.read_bytes()).items()})
    if isinstance(network, PerceptualNet):
        network.origin = {"source": "fixed", "label": f"{card['scenes']}'s own network", "file": file.name,
                          "file_sha256": digest}
    return network.requires_grad_(False).eval(), card


def write_weights(folder: Path, role: str, network: nn.Module) -> str:
    """Store the network's weights as float16 and round the network's own to them; gives the file's SHA-256."""
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    stored = {name: value.half().contiguous() if value.is_floating_point() else value for name, value in state.items()}
    if any(not torch.isfinite(value).all() for value in stored.values() if value.is_floating_point()):
        raise InputError(f"{role}: weights beyond float16; training diverged")
    write_bytes(weights_file(folder, role), save(stored))
    network.load_state_dict(stored)
    return sha256(weights_file(folder, role))
