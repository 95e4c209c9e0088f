"""Less memory for activations: modules that compute theirs again in the backward pass."""

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_activations(generator: nn.Module) -> None:
    """Keep only what enters each module of the generator's chains (modules, branches, layers); costs one more forward.

    Changes no value and no name of a weight. Modules with running statistics stay as they are: a second forward would
    count the batch twice.
    """
    for chain in generator.children():
        if isinstance(chain, nn.ModuleList | nn.Sequential):
            for module in chain:
                if not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
                    _recompute(module)


def _recompute(module: nn.Module) -> None:
    forward = module.forward
    module.forward = lambda *inputs: checkpoint(forward, *inputs, use_reentrant=False)
