"""Leak checks: no network of a loss may judge, and no training photograph may be in the scored set."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from data.errors import InputError
from data.files import read_image
from evaluation.cache.images import pixel_hash
from evaluation.networks.weight_tensors import module_tensors
from evaluation.run_directory import Method, RunDirectory
from models.perceptual import tensor_hashes

THUMBNAIL = (16, 32)  # height, width: in CamVid and in street scenes no two photographs of train and val correlate by
ALIKE = 0.98  # more than 0.91; one saved as JPEG of quality 50, in other light, or with noise, by 0.99 with itself
CHUNK = 256  # photographs whose correlations are held at once, 2 KB for each training photograph


def hashes_in(provenance: object) -> set[str]:
    """Every SHA-256 (64 hexadecimal digits) anywhere in a provenance."""
    return {found.lower() for found in re.findall(r"\b[0-9a-fA-F]{64}\b", json.dumps(provenance))}


def check_judges(methods: Iterable[Method], judges: Mapping[str, object]) -> None:
    """Raises InputError when a judge's provenance names weights that a method was trained against.

    judges: what to call the judge in the message -> its provenance.
    """
    for method in methods:
        for network, digest in method.loss_networks.items():
            for judge, provenance in judges.items():
                if digest.lower() in hashes_in(provenance):
                    raise InputError(f"{judge} is the network '{network}' of a loss of method '{method.name}' (SHA-256 "
                                     f"{digest[:12]}...): a method that was trained to please it cannot be judged by "
                                     "it; leave out the method, or choose another judge")


def weight_tensors(network: Any) -> Iterable[torch.Tensor] | None:
    """Weight tensors of a network that looks at images: those that its method `weight_tensors` gives, or those of a
    module. None for another object, which only a hash in its provenance can identify."""
    if hasattr(network, "weight_tensors"):
        return network.weight_tensors()
    return module_tensors(network) if isinstance(network, nn.Module) else None


def check_shared_weights(methods: Sequence[Method], judge: str, tensors: Iterable[torch.Tensor]) -> None:
    """Raises InputError when a judge shares a weight tensor with a network of a loss, whatever files they came from."""
    if not any(method.loss_tensors for method in methods):
        return
    own = tensor_hashes(tensors)
    for method in methods:
        for network, hashes in method.loss_tensors.items():
            if own & set(hashes):
                raise InputError(f"{judge} shares weight tensors with '{network}', a network of a loss "
                                 f"of method '{method.name}'; leave out the method, or choose another judge")


def thumbnail(photo: np.ndarray) -> np.ndarray:
    """uint8 [3, H, W] -> grey uint8 [16, 32], each value the mean of an area."""
    grey = Image.fromarray(np.ascontiguousarray(photo.transpose(1, 2, 0))).convert("L")
    return np.asarray(grey.resize(THUMBNAIL[::-1], Image.Resampling.BOX))


def likeness(photos: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Correlation in -1..1 of each photograph with the most alike of the others or of their mirror images: [N].

    photos, others: thumbnails uint8 [N, 16, 32], [M, 16, 32]. A thumbnail of one grey correlates with nothing (0).
    """
    a, b = _standard(photos), np.concatenate([_standard(others), _standard(others[:, :, ::-1])])
    return np.concatenate([(a[i : i + CHUNK] @ b.T).max(axis=1) for i in range(0, len(a), CHUNK)])


def _standard(thumbnails: np.ndarray) -> np.ndarray:
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)


def check_photographs(run: RunDirectory, alike: float = ALIKE) -> dict[str, Any]:
    """The provenance of the check. Raises InputError when a photograph of the scored set was trained on: by its pixels
    (dataset/train.json), or changed a little or mirrored (thumbnails that correlate by more than `alike`).

    Photographs are read one after another; of each only its thumbnail is kept, 512 bytes.
    """
    if (hashes := run.training_photographs()) is None:
        return {"photographs": "no training photographs are known"}
    trained = set(hashes)
    names, own, known = run.layouts() if trained else [], [], []
    for name in names:
        photo = read_image(run.photo_file(name)).transpose(2, 0, 1)
        own.append(thumbnail(photo))
        if _pixels(photo) & trained:
            known.append(name)
    _refuse(run, known, "were trained on")
    if not run.train_thumbnails.exists() or not trained:
        return {"photographs": "no training photograph by its pixels; near duplicates were not looked for: no "
                               "thumbnails of the training photographs"}
    try:
        thumbnails = np.load(run.train_thumbnails)
    except (OSError, ValueError, EOFError):
        raise InputError(f"{run.train_thumbnails}: damaged") from None
    found = likeness(np.stack(own), thumbnails)
    _refuse(run, [name for name, like in zip(names, found, strict=True) if like > alike],
            f"look like training photographs (correlation of thumbnails above {alike}, mirrored or not)",
            "; where they are right as they are, raise score.alike, which every provenance states")
    return {"photographs": f"no training photograph by its pixels; grey {THUMBNAIL[0]}x{THUMBNAIL[1]} thumbnails, also "
                           f"mirrored, correlate by {found.max():.3f} at most (allowed: {alike})"}


def _refuse(run: RunDirectory, names: Sequence[str], what: str, otherwise: str = "") -> None:
    if names:
        raise InputError(f"{run.dataset / 'photos'}: {len(names)} scored photographs {what} (first: {names[0]}); "
                         f"scores on them are worthless. Split the data again without overlap{otherwise}")


def _pixels(photo: np.ndarray) -> set[str]:
    return {pixel_hash(photo), pixel_hash(photo.transpose(1, 2, 0))}
