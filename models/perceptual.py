"""The perceptual pyramid of the content loss: VGG-19's or VGG-16's topology at any width, with average pooling.

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

from data.errors import InputError

TAPS = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")


class Topology:
    """One of the VGG networks (Simonyan & Zisserman 2015): its convolutions, in order.

    layers: all names. needed: those up to the deepest of TAPS, so that conv5_3 and conv5_4 are never used. channels:
    outputs of each. index: its number in torchvision's sequence, which counts convolutions, ReLUs and poolings: each
    convolution is followed by its ReLU, each block by its pooling.
    """

    def __init__(self, title: str, blocks: Sequence[int]):
        """blocks: convolutions in each."""
        self.title = title
        self.layers = tuple(f"conv{block}_{i}" for block, size in enumerate(blocks, 1) for i in range(1, size + 1))
        self.needed = self.layers[:self.layers.index(TAPS[-1]) + 1]
        self.channels = {name: (64, 128, 256, 512, 512)[int(name[4]) - 1] for name in self.layers}
        self.index = {name: 2 * i + int(name[4]) - 1 for i, name in enumerate(self.layers)}


TOPOLOGIES = {"vgg19": Topology("VGG-19", (2, 2, 4, 4, 4)), "vgg16": Topology("VGG-16", (2, 2, 3, 3, 3)),
              "vgg13": Topology("VGG-13", (2, 2, 2, 2, 2))}


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


class PerceptualNet(nn.Module):
    """Images [B, 3, H, W] in [-1, 1] (values outside pass through unclamped) -> features by tap name.

    Feature l of block b is [B, channels[l], ceil(H / 2^(b-1)), ceil(W / 2^(b-1))], not negative. Nothing deeper than
    the deepest tap is held or computed. Parameters have torchvision's names (features.N.weight, features.N.bias).
    A new network has random weights and can be trained; call `freeze()` before it is used in a loss.
    """

    def __init__(self, widths: Sequence[int], convention: Convention = CONVENTIONS["torchvision"],
                 origin: Mapping[str, Any] | None = None, network: str = "vgg19"):
        """widths: output channels of the layers from conv1_1 on; taps of layers beyond them are absent.

        origin: where the weights are from (source, label, file, file_sha256, layers_missing ...), for the provenance.
        network: a key of TOPOLOGIES.
        Raises InputError when no tap can be reached.
        """
        super().__init__()
        self.topology = TOPOLOGIES[network]
        layers = self.topology.layers[:len(widths)]
        self.taps = tuple(tap for tap in TAPS if tap in layers)
        if not self.taps:
            raise InputError(f"the perceptual network has {len(widths)} layers, so none of {', '.join(TAPS)} can be "
                             "computed")
        self.layers = layers[:layers.index(self.taps[-1]) + 1]
        self.widths = tuple(widths[:len(self.layers)])
        self.convention = convention
        self.origin = dict(origin or {"source": "random"})
        self.features = nn.ModuleDict()
        for name, inputs, outputs in zip(self.layers, (3, *self.widths), self.widths, strict=False):
            layer = self.features[str(self.topology.index[name])] = nn.Conv2d(inputs, outputs, 3, padding=1)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        std, mean = (torch.tensor(v).view(1, 3, 1, 1) for v in (convention.std, convention.mean))
        self.register_buffer("gain", convention.scale / 2 / std, persistent=False)
        self.register_buffer("offset", (convention.scale / 2 - mean) / std, persistent=False)

    @classmethod
    def at_width(cls, fraction: float, convention: Convention = CONVENTIONS["torchvision"],
                 network: str = "vgg19") -> Self:
        """A random network with this fraction of VGG's channels (at least one per layer)."""
        topology = TOPOLOGIES[network]
        widths = [max(1, round(fraction * topology.channels[name])) for name in topology.needed]
        return cls(widths, convention, network=network)

    @property
    def title(self) -> str:
        """Name for readers: the label of its weights, or the topology."""
        return self.origin.get("label") or self.topology.title

    @property
    def channels(self) -> dict[str, int]:
        """Feature channels of each tap."""
        return {tap: self.widths[self.topology.layers.index(tap)] for tap in self.taps}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = {}
        x = images * self.gain + self.offset  # (B, 3, H, W), the weights' own convention
        for name in self.layers:
            if name.endswith("_1") and name != "conv1_1":
                x = F.avg_pool2d(x, 2, ceil_mode=True)  # ceil: TensorFlow's same padding, which is never averaged in
            x = F.relu(self.features[str(self.topology.index[name])](x), inplace=True)
            if name in self.taps:
                features[name] = x
        return features

    def freeze(self) -> Self:
        """No gradient for the weights; gradients still flow to the images."""
        return self.requires_grad_(False).eval()

    def provenance(self) -> dict[str, Any]:
        """Stored with every number made with this network: origin, hashes, input convention, layers and taps."""
        return {
            "name": self.title,
            "network": f"{self.topology.title} topology, 2x2 average pooling",
            **self.origin,
            "weights_sha256": weights_sha256(self.state_dict()),
            "convention": dataclasses.asdict(self.convention),
            "layers_used": list(self.layers),
            "channels": self.channels,
            "taps": list(self.taps),
            "taps_missing": [tap for tap in TAPS if tap not in self.taps],
        }


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and float32 values, whatever the device, memory format or order of the tensors."""
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{key} {list(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def tensor_hashes(weights: nn.Module | Iterable[Tensor], least: int = 512) -> set[str]:
    """SHA-256 of every weight tensor of at least `least` numbers, as float32 and rounded to half precision: the same
    weights in any file format, also in one of half precision. Tensors of one repeated number are left out."""
    tensors = weights.state_dict().values() if isinstance(weights, nn.Module) else weights
    plain = (tensor.detach().float().cpu().contiguous() for tensor in tensors
             if isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.numel() >= least)
    return {hashlib.sha256(form.numpy().tobytes()).hexdigest() for tensor in plain if tensor.min() < tensor.max()
            for form in (tensor, tensor.half())}
