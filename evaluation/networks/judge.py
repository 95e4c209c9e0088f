"""The suite's own judge: the segmentation network that ships with the dataset, or one that the run trained on the real
train split. It is never used in a loss."""

from typing import Any

import torch
from torch import Tensor, nn

from data.errors import InputError
from data.labels import LabelSpace
from models.perceptual import weights_sha256
from models.segmentation import ResidualUNet, folded

BATCH = 50


class TrainedJudge(nn.Module):
    """A ResidualUNet with the interface of a judge.

    predict: uint8 [N, 3, H, W] -> uint8 [N, H, W] class indices, never void. features: -> float [N, D].
    provenance: what every number made with it states.
    """

    def __init__(self, network: ResidualUNet, labels: LabelSpace, size: tuple[int, int], origin: dict[str, Any]):
        super().__init__()
        self.network, self.quick, self.void = network, folded(network), labels.void
        made = f"that ships with {origin['scenes']}" if "scenes" in origin else \
            "trained by this run on the real train split"
        stated = {key: origin[key] for key in ("images seen", "command", "scenes", "training") if key in origin}
        self.provenance = {
            "name": f"ResidualUNet {made}",
            "sha256": weights_sha256(network.state_dict()),
            "input size": list(size), "resize": "none: images are judged at evaluation size", "dtype": "float32",
            "labels": "the dataset's classes", **stated}

    def _pictures(self, images: Tensor) -> Tensor:
        device = next(self.network.parameters()).device
        return (images.to(device).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        return torch.cat([self._classes(self.quick(self._pictures(batch))) for batch in images.split(BATCH)])

    def _classes(self, logits: Tensor) -> Tensor:
        logits[:, self.void] = -torch.inf
        return logits.argmax(1).to(torch.uint8)

    @torch.no_grad()
    def predict_with_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `predict` and `features` give, in one pass."""
        found = [self.quick.with_features(self._pictures(batch)) for batch in images.split(BATCH)]
        return torch.cat([self._classes(logits) for logits, _ in found]), torch.cat([f.float() for _, f in found])

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        return torch.cat([self.quick.features(self._pictures(batch)).float() for batch in images.split(BATCH)])


def load_judge(network: nn.Module, labels: LabelSpace, size: tuple[int, int], origin: dict[str, Any],
               device: str = "cpu") -> TrainedJudge:
    """Wrap a network as the run's judge, on the device. origin: the card of a fixed one, or what one that the run
    trained has to state. Raises InputError for another architecture."""
    if not isinstance(network, ResidualUNet):
        raise InputError(f"the judge is a ResidualUNet, got {type(network).__name__}")
    network = network.to(device, memory_format=torch.channels_last)
    return TrainedJudge(network, labels, size, origin)
