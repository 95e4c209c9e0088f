"""Resize filters by name. The filter alone moves a Fréchet distance by several points, so it is never implicit."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image

from data.errors import InputError, nearest

Size = tuple[int, int]


def none(images: torch.Tensor, size: Size) -> torch.Tensor:
    """The image as it is, at its own size."""
    return images.float()


def tf1_bilinear(images: torch.Tensor, size: Size) -> torch.Tensor:
    """TensorFlow 1's bilinear without antialias: the original FID, torch-fidelity, clean-fid's legacy_tensorflow."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
    return interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=tuple(size), align_corners=False)


def torch_bilinear(images: torch.Tensor, size: Size) -> torch.Tensor:
    """PyTorch's bilinear without antialias: pytorch-fid, clean-fid's legacy_pytorch."""
    return functional.interpolate(images.float(), tuple(size), mode="bilinear", align_corners=False)


def torch_bicubic(images: torch.Tensor, size: Size) -> torch.Tensor:
    """PyTorch's bicubic without antialias and without clipping: CMMD's authors."""
    return functional.interpolate(images.float(), tuple(size), mode="bicubic", align_corners=False)


def antialias_bilinear(images: torch.Tensor, size: Size) -> torch.Tensor:
    """PyTorch's bilinear with antialias, as torchmetrics does by default."""
    return functional.interpolate(images.float(), tuple(size), mode="bilinear", align_corners=False, antialias=True)


def pil_bicubic(images: torch.Tensor, size: Size) -> torch.Tensor:
    """Pillow's antialiased bicubic on floating-point channels, clipped to 0..255: clean-fid's clean."""
    planes = images.cpu().numpy().astype(np.float32).reshape(-1, *images.shape[2:])
    resized = [np.asarray(Image.fromarray(plane).resize((size[1], size[0]), Image.BICUBIC)) for plane in planes]
    stacked = np.stack(resized).clip(0, 255).reshape(*images.shape[:2], *size)
    return torch.from_numpy(stacked).to(images.device)


FILTERS: dict[str, Callable[[torch.Tensor, Size], torch.Tensor]] = {
    "none": none, "tf1-bilinear": tf1_bilinear, "torch-bilinear": torch_bilinear, "torch-bicubic": torch_bicubic,
    "antialias-bilinear": antialias_bilinear, "pil-bicubic": pil_bicubic,
}


def resize(images: torch.Tensor, name: str, size: Sequence[int] | None) -> torch.Tensor:
    """uint8 [N, 3, H, W] -> float32 [N, 3, h, w], 0..255. Unknown filter: InputError."""
    if name not in FILTERS:
        raise InputError(f"unknown resize filter '{name}': {nearest(name, FILTERS)}")
    if name != "none" and size is None:
        raise InputError(f"resize filter '{name}' needs a size (height, width)")
    return FILTERS[name](images, tuple(size) if size else images.shape[-2:])


def normalized(images: torch.Tensor, mean: Sequence[float], std: Sequence[float], scale: float = 255.0) -> torch.Tensor:
    """float32 [N, 3, h, w] in 0..255 divided by `scale`, less the mean of each channel, divided by its deviation."""
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (mean, std))
    return (images / scale - mean) / std
