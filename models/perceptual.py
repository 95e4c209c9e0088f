"""The perceptual pyramid of the content loss: VGG-19's topology at any width, with average pooling.

Paper, section 3.3: features after the ReLU of conv1_2, conv2_2, conv3_2, conv4_2, conv5_2. The authors' code replaces
VGG's maximum pooling by 2x2 average pooling with same padding.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data.errors import InputError, nearest

LAYERS = tuple(f"conv{block}_{i}" for block, size in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, size + 1))
TAPS = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
NEEDED = LAYERS[:LAYERS.index(TAPS[-1]) + 1]  # the deepest tap is conv5_2, so conv5_3 and conv5_4 are never used
CHANNELS = {name: (64, 128, 256, 512, 512)[int(name[4]) - 1] for name in LAYERS}
# torchvision counts convolutions, ReLUs and poolings in one sequence: each convolution is followed by its ReLU, each
# block by its pooling
INDEX = {name: 2 * i + int(name[4]) - 1 for i, name in enumerate(LAYERS)}


@dataclass(frozen=True)
class Convention:
    """The input that weights were trained on: (scale * rgb - mean) / std, with rgb in 0..1."""

    name: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


CONVENTIONS = {
    "caffe": Convention("caffe", 255.0, (123.680, 116.779, 103.939)),  # RGB here, although Caffe itself stores BGR
    "torchvision": Convention("torchvision", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def convention_named(name: str) -> Convention:
    if name not in CONVENTIONS:
        raise InputError(f"unknown input convention '{name}': {nearest(name, CONVENTIONS)}")
    return CONVENTIONS[name]


class PerceptualNet(nn.Module):
    """Images [B, 3, H, W] in [-1, 1] (values outside pass through unclamped) -> features by tap name.

    Feature l of block b is [B, channels[l], ceil(H / 2^(b-1)), ceil(W / 2^(b-1))], not negative. Nothing deeper than
    the deepest tap is held or computed. Parameters have torchvision's names (features.N.weight, features.N.bias).
    A new network has random weights and can be trained; call `freeze()` before it is used in a loss.
    """

    def __init__(self, widths: Sequence[int], convention: Convention = CONVENTIONS["torchvision"],
                 taps: Sequence[str] = TAPS, origin: Mapping[str, Any] | None = None):
        """widths: output channels of the layers from conv1_1 on; where they end early, deeper taps are absent.

        origin: where the weights are from (source, file, file_sha256, layers_missing ...), for the protocol.
        Raises InputError for an unknown tap and when no tap can be reached.
        """
        super().__init__()
        self.taps = reachable_taps(taps, len(widths))
        if not self.taps:
            raise InputError(f"the perceptual network has {len(widths)} layers, so none of {', '.join(taps)} can be "
                             "computed")
        self.layers = LAYERS[:max(LAYERS.index(tap) for tap in self.taps) + 1]
        self.widths = tuple(widths[:len(self.layers)])
        self.convention = convention
        self.origin = dict(origin or {"source": "random"})
        self.features = nn.ModuleDict()
        for name, inputs, outputs in zip(self.layers, (3, *self.widths), self.widths, strict=False):
            self.features[str(INDEX[name])] = _convolution(inputs, outputs)
        std, mean = (torch.tensor(v).view(1, 3, 1, 1) for v in (convention.std, convention.mean))
        self.register_buffer("gain", convention.scale / 2 / std, persistent=False)
        self.register_buffer("offset", (convention.scale / 2 - mean) / std, persistent=False)

    @classmethod
    def at_width(cls, fraction: float, convention: Convention = CONVENTIONS["torchvision"],
                 taps: Sequence[str] = TAPS) -> Self:
        """A random network with this fraction of VGG-19's channels (at least one per layer)."""
        return cls([max(1, round(fraction * CHANNELS[name])) for name in NEEDED], convention, taps)

    @property
    def channels(self) -> dict[str, int]:
        """Feature channels of each tap."""
        return {tap: self.widths[LAYERS.index(tap)] for tap in self.taps}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = {}
        x = images * self.gain + self.offset  # (B, 3, H, W), the weights' own convention
        for name in self.layers:
            if name.endswith("_1") and name != "conv1_1":
                x = F.avg_pool2d(x, 2, ceil_mode=True)  # ceil: TensorFlow's same padding, which is never averaged in
            x = F.relu(self.features[str(INDEX[name])](x), inplace=True)
            if name in self.taps:
                features[name] = x
        return features

    def freeze(self) -> Self:
        """No gradient for the weights; gradients still flow to the images."""
        return self.requires_grad_(False).eval()

    def protocol(self) -> dict[str, Any]:
        """What a number made with this network has to state: origin, hashes, input convention, layers and taps."""
        return {
            "network": "VGG-19 topology, 2x2 average pooling",
            **self.origin,
            "weights_sha256": weights_sha256(self.state_dict()),
            "convention": dataclasses.asdict(self.convention),
            "layers_used": list(self.layers),
            "channels": self.channels,
            "taps": list(self.taps),
            "taps_missing": [tap for tap in TAPS if tap not in self.taps],
        }


def reachable_taps(taps: Iterable[str], layers: int) -> tuple[str, ...]:
    """Those of `taps` that the first `layers` layers give, in their order. Raises InputError for an unknown name."""
    taps = tuple(taps)
    for tap in taps:
        if tap not in NEEDED:
            raise InputError(f"unknown layer '{tap}' of the perceptual network: {nearest(tap, NEEDED)}")
    return tuple(tap for tap in LAYERS[:layers] if tap in taps)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and float32 values, whatever the device, memory format or order of the tensors."""
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{key} {list(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def tensor_hashes(module: nn.Module, least: int = 512) -> set[str]:
    """SHA-256 of every weight tensor of at least `least` numbers, as float32: the same weights in any file format."""
    tensors = [tensor for tensor in module.state_dict().values() if tensor.numel() >= least]
    return {hashlib.sha256(t.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest() for t in tensors}
