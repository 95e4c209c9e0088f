"""Networks that the run itself trains on the train split, as objectives of the harness."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.losses import labelled_cross_entropy
from models.objectives import Batch, Objective


class CrossEntropy(Objective):
    """Pixelwise cross-entropy of a segmentation network on photographs, void ignored; half of the batches mirrored."""

    def __init__(self, classes: int):
        super().__init__()
        self.void = classes - 1

    def synthesize(self, generator: nn.Module, batch: Batch) -> Tensor:
        self._mirrored = bool(torch.rand(()) < 0.5)
        return generator(batch.photo.flip(-1) if self._mirrored else batch.photo)

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        labels = batch.labels.flip(-1) if self._mirrored else batch.labels
        return {"cross-entropy": labelled_cross_entropy(images, labels, self.void)}


class PerceptualWithHeads(nn.Module):
    """A perceptual pyramid with two linear heads on every tap: for labels and for colours of all pixels.

    Each head sees one cell of its tap and predicts the class and the colour of every pixel under it; logits are summed
    over the heads. So every tap encodes what is where (labels) and what it looks like (colours, texture): features
    trained on labels alone would ignore the colour of a car. The heads are dropped afterwards.
    """

    def __init__(self, net: nn.Module, classes: int):
        super().__init__()
        self.net = net
        self.strides = {tap: 1 << (int(tap[4]) - 1) for tap in net.channels}
        self.label_heads = nn.ModuleDict({tap: nn.Conv2d(d, classes, 1) for tap, d in net.channels.items()})
        self.colour_heads = nn.ModuleDict({tap: nn.Conv2d(d, 3 * self.strides[tap] ** 2, 1)
                                           for tap, d in net.channels.items()})

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [N, C, H, W] and, per tap, the picture reconstructed from it, [N, 3, H, W]."""
        size = pictures.shape[-2:]
        features = self.net(pictures)
        logits = [F.interpolate(head(features[tap]), size=size, mode="bilinear", align_corners=False)
                  for tap, head in self.label_heads.items()]
        colours = [F.pixel_shuffle(head(features[tap]), self.strides[tap])[..., : size[0], : size[1]]
                   for tap, head in self.colour_heads.items()]
        return torch.stack(logits).sum(0), colours


class LabelsAndColours(CrossEntropy):
    """Objective of a PerceptualWithHeads: cross-entropy of the labels, and L1 of the colours, averaged over taps."""

    def generator_terms(self, batch: Batch, images: tuple[Tensor, list[Tensor]]) -> dict[str, Tensor]:
        logits, colours = images
        photo = batch.photo.flip(-1) if self._mirrored else batch.photo
        colour = torch.stack([(photo - picture).abs().mean() for picture in colours]).mean()
        return {**super().generator_terms(batch, logits), "colour": colour}
