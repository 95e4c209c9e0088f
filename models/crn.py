"""The cascaded refinement network (Chen & Koltun 2017, section 3.2)."""

import torch
from torch import Tensor, nn

from data.errors import InputError
from models.layers import ConvNormAct, ToImages, alignment, layout_pyramid, upsample, xavier_init
from models.options import Count

PAPER_WIDTHS = (1024, 1024, 1024, 1024, 1024, 512, 512, 128, 32)


def base_grid(size: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The coarsest grid of an image size and the number of doublings from it: (64, 128) -> (4, 8), 4.

    Halves while both sides are even and the height is above 4; (96, 128) -> (3, 4), 5 doublings. Raises InputError
    where there is no such grid.
    """
    height, width = size
    doublings = 0
    while height > 4 and height % 2 == 0 and width % 2 == 0:
        height, width, doublings = height // 2, width // 2, doublings + 1
    if doublings == 0:
        raise cannot_be_halved(size)
    return (height, width), doublings


def halvings(size: tuple[int, int], depth: int | None, key: str) -> int:
    """How often a network halves its grid: `depth` times, or where that is None down to the coarsest grid of CRN.

    Raises InputError naming `key` where the sides cannot be halved that often.
    """
    if depth is None:
        return base_grid(size)[1]
    if any(side % (1 << depth) for side in size):
        raise InputError(f"{key}={depth}: data.size={list(size)} cannot be halved {depth} times; both sides must be "
                         f"multiples of {1 << depth}")
    return depth


def cannot_be_halved(size: tuple[int, int]) -> InputError:
    near = [max(1, round(side / 32)) * 32 for side in size]
    return InputError(f"data.size={list(size)} cannot be halved, so there is no coarser grid to grow an image from; "
                      f"both sides must be even and should be multiples of a power of two, for example {near}")


class RefinementModule(nn.Module):
    """Features of the coarser module, doubled, and the layout at this resolution -> features.

    [B, d_in, h/2, w/2] (None in the first module) and [B, C, h, w] -> [B, d_out, h, w]
    """

    def __init__(self, channels_in: int, classes: int, channels_out: int):
        super().__init__()
        self.conv1 = ConvNormAct(channels_in + classes, channels_out)
        self.conv2 = ConvNormAct(channels_out, channels_out)

    def forward(self, coarser: Tensor | None, layout: Tensor) -> Tensor:
        if coarser is None:
            return self.conv2(self.conv1(layout))
        parts = [upsample(coarser), layout.to(coarser.dtype)]
        zeros = alignment(coarser.shape[1] + layout.shape[1], parts[1])
        return self.conv2(self.conv1(torch.cat([*parts, *zeros], 1)))


class CRN(nn.Module):
    """Layout [B, C, H, W] -> images [B, K, 3, H, W], a chain of refinement modules on doubling grids.

    classes: C, void included. size: (H, W); the coarsest grid and the number of modules follow from it (`base_grid`).
    widths: feature maps d_i per module, coarse to fine; None: the paper's. images: K.
    Raises InputError when there are fewer widths than modules.
    """

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, widths: list[Count] | None = None):
        super().__init__()
        _, doublings = base_grid(size)
        widths = list(PAPER_WIDTHS if widths is None else widths)
        if len(widths) < doublings + 1:
            raise InputError(f"crn: {size[0]}x{size[1]} needs {doublings + 1} modules, but generators.crn.widths names "
                             f"{len(widths)}: {widths}")
        widths = widths[: doublings + 1]
        self.blocks = nn.ModuleList(RefinementModule(before, classes, width)
                                    for before, width in zip([0, *widths], widths, strict=False))
        self.to_images = ToImages(widths[-1], images)
        xavier_init(self)

    def forward(self, layout: Tensor) -> Tensor:
        features = None
        for block, level in zip(self.blocks, layout_pyramid(layout, len(self.blocks)), strict=True):
            features = block(features, level)
        return self.to_images(features)
