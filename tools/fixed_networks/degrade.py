"""Pictures that no photograph looks like: averages, blurs, patterns, wrong hues. Common faults of generators, made from
photographs alone; never an output of a method.

Every recipe takes a photograph, other draws of its layout and the layout, and gives a picture; `degrade` also gives
where it differs.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Recipe = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def average(draws: Tensor, least: int = 2) -> Tensor:
    """[B, D, 3, H, W] -> [B, 3, H, W], the mean of a random subset of at least `least` draws."""
    count = torch.randint(least, draws.shape[1] + 1, (len(draws), 1), device=draws.device)
    rank = torch.rand(draws.shape[:2], device=draws.device).argsort(1).argsort(1)
    weight = (rank < count).to(draws.dtype) / count
    return torch.einsum("bd,bdchw->bchw", weight, draws)


def _uniform(like: Tensor, low: float, high: float, channels: int = 1) -> Tensor:
    return torch.empty(len(like), channels, 1, 1, device=like.device).uniform_(low, high)


def _average(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    return average(draws)


def _blend(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    share = _uniform(photo, .3, .7)
    return share * photo + (1 - share) * draws[:, 0]


def _flat(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Every class's colours smoothed within the class: right shapes without texture, of one draw or of the average."""
    source = torch.where(_uniform(photo, 0, 1) < .5, photo, average(draws))
    masks = F.one_hot(labels, classes).permute(0, 3, 1, 2).to(photo.dtype)  # [B, C, H, W]
    radius = int(torch.randint(2, 6, ()))
    weighted = (masks.unsqueeze(2) * source.unsqueeze(1)).flatten(1, 2)  # [B, C * 3, H, W]
    colour = _box(weighted, radius).unflatten(1, (classes, 3)) / _box(masks, radius).unsqueeze(2).clamp_min(1e-4)
    return (colour * masks.unsqueeze(2)).sum(1)


def _box(x: Tensor, radius: int) -> Tensor:
    return F.avg_pool2d(x, 2 * radius + 1, 1, radius, count_include_pad=False)


def _blur(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    source = torch.where(_uniform(photo, 0, 1) < .5, photo, average(draws))
    radius = int(torch.randint(1, 4, ()))
    return _box(_box(source, radius), radius)


def _upsample(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    factor, mode = int(torch.randint(2, 5, ())), ("nearest", "bilinear")[int(torch.randint(2, ()))]
    return F.interpolate(F.avg_pool2d(photo, factor, ceil_mode=True), size=photo.shape[-2:], mode=mode)


def _noise(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    """White or coarse, coloured or grey."""
    scale = int(torch.randint(1, 5, ()))
    height, width = photo.shape[-2] // scale, photo.shape[-1] // scale
    noise = torch.randn(len(photo), 3 if torch.rand(()) < .7 else 1, height, width, device=photo.device)
    return photo + _uniform(photo, .1, .6) * F.interpolate(noise, size=photo.shape[-2:], mode="bilinear")


def _pattern(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Checks and stripes of small periods, as strided and transposed convolutions leave them."""
    period, kind = int(torch.randint(2, 9, ())), int(torch.randint(3, ()))
    row = torch.arange(photo.shape[-2], device=photo.device).view(-1, 1) % period < period / 2
    column = torch.arange(photo.shape[-1], device=photo.device) % period < period / 2
    sign = (row ^ column, row.expand(photo.shape[-2:]), column.expand(photo.shape[-2:]))[kind].to(photo.dtype) * 2 - 1
    return photo + sign * _uniform(photo, -.35, .35, 3)


def _recolour(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    """A wrong hue per class: channels scaled and shifted, on a photograph or on the average of draws."""
    source = torch.where(_uniform(photo, 0, 1) < .6, photo, average(draws))
    strength = _uniform(photo, .25, 1).flatten(1, 2)
    gain = (torch.empty(len(photo), classes, 3, device=photo.device).uniform_(-.6, .6) * strength).exp()
    shift = torch.empty(len(photo), classes, 3, device=photo.device).uniform_(-.3, .3) * strength
    gain, shift = (_by_class(table, labels) for table in (gain, shift))
    return (source + 1) * gain - 1 + shift


def _greyed(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Colour drained towards the mean of all draws, contrast kept: a half-hearted hue."""
    mean, share = draws.mean(1), _uniform(photo, .5, 1)
    low, mean_low = _box(photo, 3), _box(mean, 3)
    return photo + share * (mean_low - low)


RECIPES: tuple[Recipe, ...] = (_average, _average, _blend, _flat, _flat, _blur, _upsample, _noise, _pattern, _recolour,
                               _recolour, _greyed)


def _by_class(table: Tensor, labels: Tensor) -> Tensor:
    """[B, C, d] -> [B, d, H, W], the row of every pixel's class."""
    index = labels.flatten(1).unsqueeze(2).expand(-1, -1, table.shape[2])
    return table.gather(1, index).permute(0, 2, 1).unflatten(2, labels.shape[1:])


def degrade(photo: Tensor, draws: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """photo [B, 3, H, W] and draws [B, D, 3, H, W] in [-1, 1], labels int64 [B, H, W] -> picture and share changed.

    Recipes take turns over the batch. In half of the pictures only some classes are degraded. share: float
    [B, 1, H, W], 1 where the picture is not the photograph's.
    """
    shift = int(torch.randint(len(RECIPES), ()))
    groups = torch.arange(len(photo)).add(shift).remainder(len(RECIPES))
    pictures = torch.empty_like(photo)
    for g in groups.unique().tolist():
        at = (groups == g).nonzero().flatten().to(photo.device)
        pictures[at] = RECIPES[g](photo[at], draws[at], labels[at], classes).to(photo.dtype)
    chosen = torch.rand(len(photo), classes, 1, device=photo.device) < _uniform(photo, .2, .8).flatten(1, 2)
    chosen |= (torch.rand(len(photo), 1, 1, device=photo.device) < .5)
    where = _by_class(chosen.float(), labels)
    mixed = torch.where(where > 0, pictures.clamp(-1, 1), photo)
    return mixed, where
