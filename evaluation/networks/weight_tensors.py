"""The weight tensors of a network and of the file it came from, for the check of leaks."""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from data.files import list_folder


def module_tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters and buffers."""
    yield from module.state_dict().values()


def script_tensors(module: torch.jit.ScriptModule) -> Iterator[torch.Tensor]:
    """Parameters, buffers and the constants of the graph, where freezing puts the weights."""
    yield from module.state_dict().values()
    graph = module.inlined_graph  # its nodes live as long as it does
    for node in graph.findAllNodes("prim::Constant"):
        if "value" in node.attributeNames() and node.kindOf("value") == "t":
            yield node.t("value")


def program_tensors(program: torch.export.ExportedProgram) -> Iterator[torch.Tensor]:
    """Parameters, buffers and constants of an exported program."""
    yield from program.state_dict.values()
    yield from (value for value in program.constants.values() if isinstance(value, torch.Tensor))


def safetensors_tensors(folder: Path) -> Iterator[torch.Tensor]:
    """Every tensor of every safetensors file in a model's folder, also those that the loaded model does not use."""
    for file in list_folder(folder, "*.safetensors"):
        with safe_open(file, "pt") as stored:
            yield from (stored.get_tensor(key) for key in stored.keys())  # noqa: SIM118
