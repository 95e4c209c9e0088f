"""Distances between feature maps of two images, position by position: LPIPS, and its form without learned weights."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.errors import InputError
from data.files import fingerprint, sha256
from evaluation.cache.consumers import image_maps, photo_maps
from evaluation.cache.measurements import ImageBatch
from evaluation.metrics.work import Work
from evaluation.networks.features import Extractor
from evaluation.run_directory import Quantity
from evaluation.weights import NETWORKS
from models.perceptual import weights_sha256

TO_PHOTO, PAIRWISE = "to_photo", "pairwise"
Maps = Sequence[torch.Tensor]
LPIPS_TRUNKS = {net: NETWORKS[name].files[0].name
                for net, name in (("squeeze", "squeezenet"), ("alex", "alexnet"), ("vgg", "vgg16"))}


def unit_maps(maps: Maps) -> list[torch.Tensor]:
    """Each position's channels scaled to length 1 (zero stays zero): a list of [B, C, h, w]."""
    return [m / (m.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for m in maps]


def map_distance(a: Maps, b: Maps) -> torch.Tensor:
    """Zhang et al. 2018, Eq. 1 with all weights 1, of unit maps: squared differences summed over channels, averaged
    over positions, summed over layers: [B], at least 0."""
    return sum((x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class PerceptualConsumer:
    """Measures {"to_photo": float64 [B, K]} and, for K > 1, {"pairwise": float64 [B]}.

    embed_photos, embed_images: batch -> maps of the photographs [B, ...], of all images [B K, ...]. compare: maps, maps
    -> [B].
    """

    quantity: Quantity  # the score that it measures
    provenance: dict[str, Any]
    embed_photos: Callable[[ImageBatch], Maps] = field(compare=False)
    embed_images: Callable[[ImageBatch], Maps] = field(compare=False)
    compare: Callable[[Maps, Maps], torch.Tensor] = field(default=map_distance, compare=False)
    against_photos: bool = True
    module: torch.nn.Module | None = field(default=None, compare=False)  # a network of its own, beside the extractors
    pictures: Callable[[torch.Tensor], Maps] | None = field(default=None, compare=False)  # what it compares, of uint8

    @property
    def name(self) -> str:
        return f"maps-{self.quantity.name}"

    @property
    def key(self) -> str:
        return fingerprint(self.quantity.name, self.provenance)

    @torch.inference_mode()
    def __call__(self, batch: ImageBatch) -> dict[str, np.ndarray]:
        b, k = batch.images.shape[:2]
        photo = batch.of_photos.get(self.key, lambda: self.embed_photos(batch))
        flat = self.embed_images(batch)
        images = [[m.unflatten(0, (b, k))[:, u] for m in flat] for u in range(k)]
        found = {TO_PHOTO: torch.stack([self.compare(maps, photo) for maps in images], dim=1)}
        pairs = [self.compare(a, b) for i, a in enumerate(images) for b in images[i + 1 :]]
        if pairs:
            found[PAIRWISE] = torch.stack(pairs, dim=1).mean(dim=1)
        return {name: value.double().cpu().numpy() for name, value in found.items()}


def perceptual_consumers(work: Work) -> list[PerceptualConsumer]:
    """One for every configured extractor that has feature maps, and LPIPS where it is configured."""
    return work.once("perceptual consumers", lambda: _build_consumers(work))


def _build_consumers(work: Work) -> list[PerceptualConsumer]:
    found = [_of_extractor(c.extractor) for c in work.extractors if c.extractor.maps is not None]
    if work.context.options.lpips:
        found.append(build_lpips(Path(work.context.options.lpips), work.context.device))
    return found


def _of_extractor(extractor: Extractor) -> PerceptualConsumer:
    def embed_photos(batch: ImageBatch) -> Maps:
        return unit_maps(photo_maps(batch, extractor))

    def embed_images(batch: ImageBatch) -> Maps:
        return unit_maps(image_maps(batch, extractor))

    form = "unit-length channels, squared differences, sum over layers (LPIPS without its learned weights)"
    return PerceptualConsumer(Quantity("map distance", features=extractor.label), extractor.provenance | {"form": form},
                              embed_photos, embed_images)


def build_lpips(path: Path, device: str) -> PerceptualConsumer:
    """LPIPS 0.1 of the package lpips on its trunk's torchvision weights: `path` is that file, or a folder with it.

    Raises InputError when the package or the weights are missing, or the file is not the official one.
    """
    net, file = lpips_trunk(path)
    digest = sha256(file)
    if not digest.startswith(prefix := file.stem.rsplit("-", 1)[1]):
        raise InputError(f"{file}: its SHA-256 does not begin with {prefix}, so it is not the official file")
    import lpips
    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval().requires_grad_(False)
    _load_trunk(model.net, torch.load(file, map_location="cpu", weights_only=True))
    model.to(device)

    def pictures(images: torch.Tensor) -> Maps:
        return [images.to(device).float() / 127.5 - 1]

    def compare(a: Maps, b: Maps) -> torch.Tensor:
        return model(a[0], b[0]).flatten()

    heads = {key: value for key, value in model.state_dict().items() if key.startswith("lin")}
    provenance = {"lpips": "0.1", "net": net, "trunk sha256": digest, "heads sha256": weights_sha256(heads),
                "resize": "none", "network dtype": "float32, no TF32"}
    return PerceptualConsumer(Quantity("LPIPS", features=net), provenance, lambda batch: pictures(batch.photos),
                              lambda batch: pictures(batch.images.flatten(0, 1)), compare, module=model,
                              pictures=pictures)


def lpips_trunk(path: Path) -> tuple[str, Path]:
    """The network and its weights file. Raises InputError when the package lpips or the file is missing."""
    if importlib.util.find_spec("lpips") is None:
        raise InputError("score.lpips needs the package lpips (its learned weights): pip install '.[lpips]'")
    for net, name in LPIPS_TRUNKS.items():
        file = path / name if path.is_dir() else path
        if file.is_file() and file.name == name:
            return net, file
    raise InputError(f"score.lpips: {path} is or holds none of {', '.join(LPIPS_TRUNKS.values())}")


def _load_trunk(trunk: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """The package cuts torchvision's layers into slices but keeps their numbers: sliceS.N.x is features.N.x."""
    own = trunk.state_dict()
    trunk.load_state_dict({key: weights["features." + key.split(".", 1)[1]] for key in own})
