"""Files that hold VGG-19 or VGG-16 weights, read into a frozen PerceptualNet. Nothing is ever downloaded here."""

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    CONVENTIONS,
    TAPS,
    TOPOLOGIES,
    Convention,
    PerceptualNet,
    Topology,
    convention_named,
    reachable_taps,
    topology_named,
)

TORCHVISION_FILES = {"vgg19": ("vgg19-dcbb9e9d.pth", "548 MB"), "vgg16": ("vgg16-397923af.pth", "528 MB")}
# raised by torch.load on other files, depending on how far it gets
_NO_WEIGHTS = (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError,
               OSError)


@dataclass(frozen=True)
class _Wanted:
    """Requirements of load_perceptual on a file."""

    network: str
    convention: str
    taps: tuple[str, ...]
    label: str | None

    @property
    def topology(self) -> Topology:
        return topology_named(self.network)


def load_perceptual(source: str, path: Path | str | None = None, convention: str = "caffe",
                    taps: Sequence[str] = TAPS, network: str = "vgg19", label: str | None = None) -> PerceptualNet:
    """A frozen PerceptualNet (float32, CPU) with the weights of a file, which may hold them in float16.

    source: "torchvision" (path None: the copy in torch.hub's cache), "matconvnet" (imagenet-vgg-verydeep-19.mat or
    -16.mat) or "safetensors" (torchvision's keys, possibly of the first layers only: taps beyond them are absent and
    the provenance names the missing layers). convention: of "safetensors" only, the others state their own. network: a
    key of models.perceptual.TOPOLOGIES. label: name of weights that are not ImageNet's, e.g. VGG-16 (HED).
    Raises InputError for a missing or unreadable file, and for missing or misshapen layers, naming them.
    """
    if source not in SOURCES:
        raise InputError(f"unknown source '{source}' of perceptual weights: {nearest(source, SOURCES)}")
    topology_named(network)  # an unknown name is reported before any file is read
    wanted = _Wanted(network, convention, tuple(taps), label)
    return SOURCES[source](path, wanted)


def convention_of(source: str, convention: str) -> Convention:
    """The input that the weights of a source expect, known before any file is read ("trained": made by the run)."""
    return convention_named({"matconvnet": "caffe", "safetensors": convention}.get(source, "torchvision"))


def _from_torchvision(path: Path | str | None, wanted: _Wanted) -> PerceptualNet:
    name, size = TORCHVISION_FILES[wanted.network]
    file = Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / name
    file = _existing(file, f"{wanted.topology.title} of torchvision ({size}); to get it: python -c "
                           "\"import torchvision; "
                           f"torchvision.models.{wanted.network}(weights='IMAGENET1K_V1')\"")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except _NO_WEIGHTS as error:
        raise InputError(f"{file}: not a readable PyTorch weights file ({_line(error)})") from None
    if not isinstance(state, Mapping):
        raise InputError(f"{file}: expected a dictionary of tensors with torchvision's keys")
    origin = {"source": "torchvision"}
    return _build(_features(state), file, CONVENTIONS["torchvision"], wanted, origin, complete=True,
                  widths=wanted.topology.channels)


def _from_safetensors(path: Path | str | None, wanted: _Wanted) -> PerceptualNet:
    file = _existing(path, f"a safetensors file with torchvision's {wanted.topology.title} keys")
    tensors = _read_safetensors(file, wanted.topology)
    return _build(tensors, file, convention_named(wanted.convention), wanted, {"source": "safetensors"})


def _from_matconvnet(path: Path | str | None, wanted: _Wanted) -> PerceptualNet:
    depth = wanted.network.removeprefix("vgg")
    file = _existing(path, f"imagenet-vgg-verydeep-{depth}.mat of MatConvNet (vlfeat.org/matconvnet/pretrained)")
    content = read_mat(file, ["layers", "meta", "normalization"])
    if "layers" not in content:
        raise InputError(f"{file}: no cell array 'layers'; expected a network of MatConvNet")
    tensors, index = {}, wanted.topology.index
    for layer in content["layers"].ravel():
        name = _text(layer["name"]) if "name" in (layer.dtype.names or ()) else ""
        if name in index:
            weight, bias = _filters(layer, name, file)
            tensors[f"features.{index[name]}.weight"] = weight
            tensors[f"features.{index[name]}.bias"] = bias
        elif name.startswith("conv"):
            raise InputError(f"{file}: '{name}' is no layer of {wanted.topology.title}; set perceptual.network to what "
                             "the file holds")
    mean, mean_source = _average_colour(content, file)
    origin = {"source": "matconvnet", "input_mean": mean_source}
    return _build(tensors, file, Convention("caffe", 255.0, mean), wanted, origin, complete=True)


SOURCES: dict[str, Callable[[Path | str | None, _Wanted], PerceptualNet]] = {
    "torchvision": _from_torchvision, "matconvnet": _from_matconvnet, "safetensors": _from_safetensors}


def _build(tensors: Mapping[str, Tensor], file: Path, convention: Convention, wanted: _Wanted,
           origin: Mapping[str, Any], complete: bool = False, widths: Mapping[str, int] | None = None) -> PerceptualNet:
    """complete: a missing layer is an error. widths: required output channels of the layers, if known."""
    topology = wanted.topology
    needed, index = topology.needed, topology.index
    present = [name for name in needed if f"features.{index[name]}.weight" in tensors]
    missing = [name for name in needed if name not in present]
    if missing and (complete or not reachable_taps(wanted.taps, needed.index(missing[0]), topology)):
        raise InputError(f"{file}: layers of {topology.title} are missing: {', '.join(missing)}")
    usable = needed[:needed.index(missing[0])] if missing else needed
    _check_shapes(tensors, {name: f"features.{index[name]}" for name in usable}, file, widths)
    described = {"file": file.name, "file_sha256": sha256(file), "layers_present": present, "layers_missing": missing}
    described |= {"label": wanted.label} if wanted.label else {}
    net = PerceptualNet([len(tensors[f"features.{index[name]}.bias"]) for name in usable], convention, wanted.taps,
                        dict(origin) | described, wanted.network)
    net.load_state_dict({key: tensors[key].float() for key in net.state_dict()})
    return net.freeze()


def _check_shapes(tensors: Mapping[str, Tensor], layers: Mapping[str, str], file: Path,
                  widths: Mapping[str, int] | None) -> None:
    """layers: name -> beginning of its keys."""
    inputs, before = 3, "the image"
    for name, key in layers.items():
        weight, bias = f"{key}.weight", f"{key}.bias"
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
        if not (tensors[weight].isfinite().all() and tensors[bias].isfinite().all()):
            raise InputError(f"{file}: layer {name} has weights that are not finite; the file is damaged")
        inputs, before = outputs, name


def _features(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in tensors.items() if key.startswith("features.")}


def _read_safetensors(file: Path, topology: Topology) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as content:
            keys = [key for key in content.keys() if key.startswith("features.")]  # noqa: SIM118, no mapping
            _check_keys(keys, file, topology)
            return {key: content.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({_line(error)})") from None


def _check_keys(keys: Iterable[str], file: Path, topology: Topology) -> None:
    """Another network's file would otherwise be used up to the first layer that differs."""
    if not (foreign := _foreign(keys, topology)):
        return
    other = next((name for name, known in TOPOLOGIES.items() if not _foreign(keys, known)), None)
    hint = f"; these are keys of {TOPOLOGIES[other].title}: set perceptual.network={other}" if other else ""
    raise InputError(f"{file}: '{foreign[0]}' is no layer of {topology.title}; expected torchvision's keys, "
                     f"features.N.weight and features.N.bias with N in {', '.join(map(str, topology.index.values()))}"
                     + hint)


def _foreign(keys: Iterable[str], topology: Topology) -> list[str]:
    known = {f"features.{index}.{part}" for index in topology.index.values() for part in ("weight", "bias")}
    return sorted(set(keys) - known)


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
    """The colour that the network's training subtracted: the file's, or the published one if the file has none."""
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
