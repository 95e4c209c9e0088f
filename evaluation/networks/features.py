"""Feature extractors for distances, each under its own name.

A Fréchet distance is called FID only on the official Inception weights. Nothing is downloaded: weights come from the
given file or from torch.hub's cache.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data.errors import InputError, nearest
from data.files import fingerprint
from evaluation.networks.resize import FILTERS, resize
from evaluation.run_directory import Quantity
from presets.schema import ExtractorConfig

FEATURES, LOGITS = "features", "logits"


@contextmanager
def full_float32() -> Iterator[None]:
    """Convolutions in float32 proper: left alone, cuDNN rounds their inputs to the 10 bits of TF32."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=torch.backends.cudnn.benchmark, allow_tf32=False):
        yield


@dataclass
class Extractor:
    """network: float32 [N, 3, h, w] in 0..255 -> {"features": [N, D]} and, for the Inception score, "logits".

    maps: float32 [N, 3, h, w] -> feature maps [N, C, h', w'] of several layers, where an extractor has them.
    label: part of the names of scores, e.g. FD-SqueezeNet. resize, size: the filter and the input size of
    the network. provenance: weights' SHA-256, layer, whatever else makes the features; label, resize, size are added.
    """

    label: str
    network: Callable[[torch.Tensor], dict[str, torch.Tensor]]
    provenance: dict[str, Any]
    resize: str = "none"
    size: tuple[int, int] | None = None
    device: str = "cpu"
    module: nn.Module | None = None
    official_fid: bool = False
    is_clip: bool = False  # its features are CLIP's image embeddings: CMMD is defined on them
    official_cmmd: bool = False
    maps: Callable[[torch.Tensor], list[torch.Tensor]] | None = None
    pooled_maps: bool = False  # the features are the means of the last map over space: one pass gives both
    judge: Any = None  # the judge whose features these are, when it gives classes and features in one pass
    alone: bool = False  # not to be called by several threads at once: what the network keeps is unknown
    resizes_itself: bool = False  # the network takes the uint8 images and applies the named resize inside

    def __post_init__(self):
        if self.resize not in FILTERS:
            raise InputError(f"extractor {self.label}: unknown resize filter '{self.resize}': "
                             f"{nearest(self.resize, FILTERS)}")
        if (self.resize == "none") != (self.size is None):
            raise InputError(f"extractor {self.label}: resize '{self.resize}' {'takes no' if self.size else 'needs a'} "
                             "size (height, width)")
        self.provenance = {"extractor": self.label, **self.provenance, "resize": self.resize,
                           "input size": list(self.size) if self.size else "as the images",
                           "network dtype": "float32, no TF32"}

    @property
    def key(self) -> str:
        return fingerprint(self.provenance)

    def quantity(self, score: str, variant: str = "") -> Quantity:
        """A score on these features: FID, KID, precision, recall ... with Inception, CMMD with its CLIP, otherwise with
        the label."""
        if self.official_fid:
            return Quantity({"FD": "FID", "KD": "KID"}.get(score, score), variant=variant)
        if score == "CMMD" and self.official_cmmd:
            return Quantity(score, variant=variant)
        return Quantity(score, features=self.label, variant=variant)

    @full_float32()
    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """uint8 [N, 3, H, W] -> float32 [N, D] on the CPU, by layer name."""
        return {name: features.float().cpu() for name, features in self.network(self._prepare(images)).items()}

    @full_float32()
    @torch.inference_mode()
    def map_list(self, images: torch.Tensor) -> list[torch.Tensor]:
        """uint8 [N, 3, H, W] -> feature maps [N, C, h, w] of several layers, for extractors that have them."""
        return self.maps(self._prepare(images))

    def _prepare(self, images: torch.Tensor) -> torch.Tensor:
        images = images.to(self.device)
        if self.resizes_itself:
            return images
        resized = resize(images, self.resize, self.size)
        return resized.contiguous(memory_format=torch.channels_last)  # convolutions and pooling are 2-3 times faster


def weights_file(config: ExtractorConfig, cached: str | None = None) -> Path:
    """The weights file of an extractor: the given one, or `cached` in torch.hub's cache. Raises InputError."""
    if config.path is not None:
        if not (file := Path(config.path)).is_file():
            raise InputError(f"extractor {config.kind}: no weights file {file}")
        return file
    if cached is None:
        raise InputError(f"extractor {config.kind}: needs weights: no `path` is set")
    if not (file := Path(torch.hub.get_dir()) / "checkpoints" / cached).is_file():
        raise InputError(f"extractor {config.kind}: needs weights: no `path` is set, nor {file}; fetch it: "
                         f"python -m evaluation.weights get {config.kind}")
    return file


def checked_hash(file: Path, digest: str, expected: str | None) -> str:
    """The SHA-256 `digest` of weights. Raises InputError when it is not the expected one; None: whatever it is."""
    if expected not in (None, digest):
        raise InputError(f"{file}: SHA-256 is {digest}, expected {expected}")
    return digest
