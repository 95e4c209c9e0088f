"""The paper's losses as pure functions of features (section 3.3, Eq. 1, 3 and 4).

Features are a dict from layer name to tensor [N, D, h, w]; the layer "image" is the picture itself in 0..255. Photo
features have N = B, those of K images per layout N = B * K (K fastest). A lambda is the weight of a mean-reduced term,
so that lambda_l = 1 here is the paper's starting value 1/numel.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Features = dict[str, Tensor]

IMAGE = "image"
LAYERS = (IMAGE, "conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")

# Frozen divisors of the authors' code; conv5_2 is also multiplied by 10 there.
_DIVISORS = {
    "code-256p": (1, 1.6, 2.3, 1.8, 2.8, 0.8 / 10),
    "code-512p": (1, 2.6, 4.8, 3.7, 5.6, 1.5 / 10),
    "code-gta5": (1, 1.4, 1.8, 1.3, 2.2, 0.62 / 10),
}
CODE_LAMBDAS = {name: {layer: 1 / d for layer, d in zip(LAYERS, divisors, strict=True)}
                for name, divisors in _DIVISORS.items()}
Lambdas = Literal["calibrated", "code-256p", "code-512p", "code-gta5"]


def content_terms(photo: Features, image: Features) -> dict[str, Tensor]:
    """Mean-reduced L1 distance per layer: {layer: scalar}. Eq. 1 before weighting."""
    return {layer: (photo[layer] - image[layer]).abs().mean() for layer in photo}


def image_space_loss(photo: Tensor, image: Tensor) -> Tensor:
    """Mean L1 distance of two pictures of one shape: scalar, in their own unit. Eq. 4."""
    return (photo - image).abs().mean()


def labelled_cross_entropy(logits: Tensor, labels: Tensor, void: int) -> Tensor:
    """Pixelwise cross-entropy of logits [B, C, H, W] against labels [B, H, W], averaged over what is not void: scalar.

    0 where everything is void, of which the average is not a number.
    """
    total = F.cross_entropy(logits.float(), labels, ignore_index=void, reduction="sum")
    return total / (labels != void).sum().clamp_min(1)


def diversity_tables(photo: Features, images: Features, layout: Tensor) -> dict[str, Tensor]:
    """Distance of every image to the photo within every class: {layer: [B, K, C]}. Eq. 3 before weighting.

    layout: soft or one-hot [B, C, H, W]. Per layer: absolute difference averaged over channels, times the area-resized
    mask of each class, averaged over the grid; the sum over classes is the layer's mean-reduced L1, since masks sum
    to 1.
    """
    tables = {}
    for layer, features in photo.items():
        batch, _, height, width = features.shape
        difference = (features.unsqueeze(1) - images[layer].unflatten(0, (batch, -1))).abs().mean(2)  # [B, K, h, w]
        masks = F.interpolate(layout.to(difference.dtype), size=(height, width), mode="area")  # [B, C, h, w]
        tables[layer] = torch.einsum("bkhw,bchw->bkc", difference, masks) / (height * width)
    return tables


def diversity_loss(table: Tensor, mean_weight: float = 0.0) -> Tensor:
    """Eq. 3 from the table [B, K, C] of layers already summed with their lambdas: scalar.

    The minimum over the K images is taken per class, after the layers are summed. mean_weight: 0 is the paper, 0.001
    the authors' code, which mixes in the mean over images so that none of them is left without gradient.
    """
    best = table.amin(1).sum(1).mean()
    if mean_weight == 0:
        return best
    return (1 - mean_weight) * best + mean_weight * table.mean(1).sum(1).mean()


def winning_shares(table: Tensor, layout: Tensor) -> Tensor:
    """Share of the layouts' area where each image is the nearest, from the table [B, K, C] of Eq. 3: [K], sum 1."""
    best = F.one_hot(table.argmin(1), table.shape[1]).to(layout.dtype)  # [B, C, K]
    return torch.einsum("bck,bchw->k", best, layout) / (layout.shape[0] * layout.shape[2] * layout.shape[3])


def equalising_lambdas(means: Tensor, lambdas: Tensor, total: float | None = None) -> Tensor:
    """New lambdas [L] under which every term contributes equally, given each term's mean [L] at this point (s3.3).

    The sum of all terms stays what it was under `lambdas` (an optimiser with running moments must not see the loss
    change its scale), or becomes `total`.
    """
    wanted = (means * lambdas).sum() if total is None else means.new_tensor(total)
    return wanted / (len(means) * means.clamp_min(torch.finfo(means.dtype).tiny))
