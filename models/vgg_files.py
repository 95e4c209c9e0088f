"""Files that hold VGG-19 weights, read into a frozen PerceptualNet. Nothing is ever downloaded here."""

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from data.errors import InputError, nearest
from data.files import sha256
from data.matlab import read_mat
from models.perceptual import (
    CHANNELS,
    CONVENTIONS,
    INDEX,
    NEEDED,
    TAPS,
    Convention,
    PerceptualNet,
    convention_named,
    reachable_taps,
)

TORCHVISION_FILE = "vgg19-dcbb9e9d.pth"
# what torch.load raises on other files, depending on how far it gets
_NO_WEIGHTS = (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError,
               OSError)
_LAYER_OF = {index: name for name, index in INDEX.items()}


def load_perceptual(source: str, path: Path | str | None = None, convention: str = "caffe",
                    taps: Sequence[str] = TAPS) -> PerceptualNet:
    """A frozen PerceptualNet (float32, CPU) with the weights of a file.

    source: "torchvision" (path None: the copy in torch.hub's cache), "matconvnet" (imagenet-vgg-verydeep-19.mat) or
    "safetensors" (torchvision's keys, possibly of the first layers only: taps beyond them are absent and the protocol
    names the missing layers). convention: of "safetensors" only, the others state their own.
    Raises InputError for a missing or unreadable file, and for missing or misshapen layers, naming them.
    """
    if source not in SOURCES:
        raise InputError(f"unknown source '{source}' of perceptual weights: {nearest(source, SOURCES)}")
    return SOURCES[source](path, convention, tuple(taps))


def convention_of(source: str, convention: str) -> Convention:
    """The input that the weights of a source expect, known before any file is read ("trained": made by the run)."""
    return convention_named({"matconvnet": "caffe", "safetensors": convention}.get(source, "torchvision"))


def _from_torchvision(path: Path | str | None, convention: str, taps: tuple[str, ...]) -> PerceptualNet:
    file = Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / TORCHVISION_FILE
    file = _existing(file, "VGG-19 of torchvision (548 MB); to get it: python -c \"import torchvision; "
                           "torchvision.models.vgg19(weights='IMAGENET1K_V1')\"")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except _NO_WEIGHTS as error:
        raise InputError(f"{file}: not a readable PyTorch weights file ({_line(error)})") from None
    if not isinstance(state, Mapping):
        raise InputError(f"{file}: expected a dictionary of tensors with torchvision's keys")
    origin = {"source": "torchvision"}
    return _build(_features(state), file, CONVENTIONS["torchvision"], taps, origin, complete=True, widths=CHANNELS)


def _from_safetensors(path: Path | str | None, convention: str, taps: tuple[str, ...]) -> PerceptualNet:
    file = _existing(path, "a safetensors file with torchvision's VGG-19 keys")
    return _build(_read_safetensors(file), file, convention_named(convention), taps, {"source": "safetensors"})


def _from_matconvnet(path: Path | str | None, convention: str, taps: tuple[str, ...]) -> PerceptualNet:
    file = _existing(path, "imagenet-vgg-verydeep-19.mat of MatConvNet (vlfeat.org/matconvnet/pretrained)")
    content = read_mat(file, ["layers", "meta", "normalization"])
    if "layers" not in content:
        raise InputError(f"{file}: no cell array 'layers'; expected a network of MatConvNet")
    tensors = {}
    for layer in content["layers"].ravel():
        name = _text(layer["name"]) if "name" in (layer.dtype.names or ()) else ""
        if name in INDEX:
            weight, bias = _filters(layer, name, file)
            tensors[f"features.{INDEX[name]}.weight"] = weight
            tensors[f"features.{INDEX[name]}.bias"] = bias
    mean, mean_source = _average_colour(content, file)
    origin = {"source": "matconvnet", "input_mean": mean_source}
    return _build(tensors, file, Convention("caffe", 255.0, mean), taps, origin, complete=True)


SOURCES: dict[str, Callable[[Path | str | None, str, tuple[str, ...]], PerceptualNet]] = {
    "torchvision": _from_torchvision, "matconvnet": _from_matconvnet, "safetensors": _from_safetensors}


def _build(tensors: Mapping[str, Tensor], file: Path, convention: Convention, taps: tuple[str, ...],
           origin: Mapping[str, Any], complete: bool = False, widths: Mapping[str, int] | None = None) -> PerceptualNet:
    """complete: a missing layer is an error. widths: the output channels that the layers must have, where known."""
    present = [name for name in NEEDED if f"features.{INDEX[name]}.weight" in tensors]
    missing = [name for name in NEEDED if name not in present]
    if missing and (complete or not reachable_taps(taps, NEEDED.index(missing[0]))):
        raise InputError(f"{file}: layers of VGG-19 are missing: {', '.join(missing)}")
    usable = NEEDED[:NEEDED.index(missing[0])] if missing else NEEDED
    _check_shapes(tensors, usable, file, widths)
    described = {"file": file.name, "file_sha256": sha256(file), "layers_present": present, "layers_missing": missing}
    net = PerceptualNet([len(tensors[f"features.{INDEX[name]}.bias"]) for name in usable], convention, taps,
                        dict(origin) | described)
    net.load_state_dict({key: tensors[key].float() for key in net.state_dict()})
    return net.freeze()


def _check_shapes(tensors: Mapping[str, Tensor], layers: Iterable[str], file: Path,
                  widths: Mapping[str, int] | None) -> None:
    inputs, before = 3, "the image"
    for name in layers:
        weight, bias = f"features.{INDEX[name]}.weight", f"features.{INDEX[name]}.bias"
        if bias not in tensors:
            raise InputError(f"{file}: layer {name} has no bias ('{bias}')")
        shape = list(tensors[weight].shape)
        outputs = widths[name] if widths else (shape[0] if shape else 0)
        if shape != [outputs, inputs, 3, 3] or outputs < 1:
            raise InputError(f"{file}: layer {name} ('{weight}') has shape {shape}, expected "
                             f"[{outputs if widths else 'any'}, {inputs}, 3, 3] after {before}")
        if list(tensors[bias].shape) != [outputs]:
            raise InputError(f"{file}: bias of layer {name} ('{bias}') has shape {list(tensors[bias].shape)}, "
                             f"expected [{outputs}]")
        inputs, before = outputs, name


def _features(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in tensors.items() if key.startswith("features.")}


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as content:
            keys = [key for key in content.keys() if key.startswith("features.")]  # noqa: SIM118, no mapping
            _check_keys(keys, file)
            return {key: content.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({_line(error)})") from None


def _check_keys(keys: Iterable[str], file: Path) -> None:
    """Another network's file would otherwise be used up to the first layer that differs."""
    known = {f"features.{index}.{part}" for index in _LAYER_OF for part in ("weight", "bias")}
    if foreign := sorted(set(keys) - known):
        raise InputError(f"{file}: '{foreign[0]}' is no layer of VGG-19; expected torchvision's keys, "
                         f"features.N.weight and features.N.bias with N in {', '.join(map(str, _LAYER_OF))}")


def _filters(layer: np.ndarray, name: str, file: Path) -> tuple[Tensor, Tensor]:
    """MatConvNet's filters [h, w, in, out] and biases of a convolution, in either of its two layouts."""
    fields = layer.dtype.names
    try:
        pair = layer["weights"].item().ravel() if "weights" in fields else (layer["filters"].item(),
                                                                           layer["biases"].item())
        filters, biases = (np.asarray(part, dtype=np.float32) for part in pair)
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{file}: layer {name} has no weights; expected filters [h, w, in, out] and biases") from None
    filters = filters.reshape(*filters.shape, *[1] * (4 - filters.ndim))  # MATLAB drops trailing dimensions of one
    return torch.from_numpy(np.ascontiguousarray(filters.transpose(3, 2, 0, 1))), torch.from_numpy(biases.ravel())


def _average_colour(content: Mapping[str, Any], file: Path) -> tuple[tuple[float, float, float], str]:
    """The colour that the network's training subtracted: of the file, or the published one where the file has none."""
    normalization = content.get("normalization")
    if normalization is None and "meta" in content and "normalization" in (content["meta"].dtype.names or ()):
        normalization = content["meta"]["normalization"].item()
    if normalization is None or "averageImage" not in (normalization.dtype.names or ()):
        return CONVENTIONS["caffe"].mean, "published (the file has no averageImage)"
    image = np.asarray(normalization["averageImage"].item(), dtype=np.float64)
    if image.size % 3 or (image.ndim == 3 and image.shape[-1] != 3):
        raise InputError(f"{file}: averageImage has shape {list(image.shape)}, expected 3 colours")
    colours = image.reshape(-1, 3).mean(axis=0)
    return (float(colours[0]), float(colours[1]), float(colours[2])), "averageImage of the file"


def _text(field: np.ndarray) -> str:
    value = field.item() if field.dtype == object else field
    return str(np.asarray(value).ravel()[0]) if np.asarray(value).size else ""


def _existing(path: Path | str | None, what: str) -> Path:
    if path is None:
        raise InputError(f"perceptual.path is missing: expected {what}")
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"{file}: no such file; expected {what}")
    return file


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
