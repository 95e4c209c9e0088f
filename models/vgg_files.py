"""Files that hold VGG-19 or VGG-16 weights, read into a frozen PerceptualNet. Nothing is ever downloaded here."""

import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from data.errors import InputError
from data.files import sha256
from data.matlab import read_mat
from models.perceptual import CONVENTIONS, TAPS, TOPOLOGIES, Convention, PerceptualNet, Topology

TORCHVISION_FILES = {"vgg19": ("vgg19-dcbb9e9d.pth", "548 MB"), "vgg16": ("vgg16-397923af.pth", "528 MB")}
# raised by torch.load on other files, depending on how far it gets
_NO_WEIGHTS = (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError,
               OSError)


@dataclass(frozen=True)
class VGGWeights:
    """Weights with torchvision's keys, the input that they expect (None: the user's), facts for the provenance, and
    whether a missing layer is an error."""

    file: Path
    tensors: Mapping[str, Tensor]
    convention: Convention | None
    origin: Mapping[str, str]
    complete: bool


def load_perceptual(source: str, path: Path | str | None = None, convention: str = "caffe", network: str = "vgg19",
                    label: str | None = None) -> PerceptualNet:
    """A frozen PerceptualNet (float32, CPU) with the weights of a file, which may hold them in float16.

    source: "torchvision" (path None: the copy in torch.hub's cache), "matconvnet" (imagenet-vgg-verydeep-19.mat or
    -16.mat) or "safetensors" (torchvision's keys, possibly of the first layers only: taps beyond them are absent and
    the provenance names the missing layers). convention: of "safetensors" only, the others state their own. network: a
    key of models.perceptual.TOPOLOGIES. label: name of weights that are not ImageNet's, e.g. VGG-16 (HED).
    Raises InputError for a missing or unreadable file, and for missing or misshapen layers, naming them.
    """
    topology, found = TOPOLOGIES[network], SOURCES[source](path, network)
    needed, keys = topology.needed, {name: f"features.{topology.index[name]}" for name in topology.needed}
    missing = [name for name in needed if f"{keys[name]}.weight" not in found.tensors]
    usable = needed[:needed.index(missing[0])] if missing else needed
    if missing and (found.complete or TAPS[0] not in usable):
        raise InputError(f"{found.file}: layers of {topology.title} are missing: {', '.join(missing)}")
    _check_shapes(found.tensors, {name: keys[name] for name in usable}, found.file)
    origin = {**found.origin, "file": found.file.name, "file_sha256": sha256(found.file),
              "layers_present": [name for name in needed if name not in missing], "layers_missing": missing}
    origin |= {"label": label} if label else {}
    net = PerceptualNet([len(found.tensors[f"{keys[name]}.bias"]) for name in usable],
                        found.convention or CONVENTIONS[convention], origin, network)
    net.load_state_dict({key: found.tensors[key].float() for key in net.state_dict()})
    return net.freeze()


def convention_of(source: str, convention: str) -> Convention:
    """The input that the weights of a source expect, known before any file is read ("trained": made by the run)."""
    return CONVENTIONS[{"matconvnet": "caffe", "safetensors": convention}.get(source, "torchvision")]


def _from_torchvision(path: Path | str | None, network: str) -> VGGWeights:
    name, size = TORCHVISION_FILES[network]
    file = _existing(path or Path(torch.hub.get_dir()) / "checkpoints" / name,
                     f"{TOPOLOGIES[network].title} of torchvision ({size}); to get it: python -c \"import torchvision; "
                     f"torchvision.models.{network}(weights='IMAGENET1K_V1')\"")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except _NO_WEIGHTS as error:
        raise InputError(f"{file}: not a readable PyTorch weights file ({_line(error)})") from None
    if not isinstance(state, Mapping):
        raise InputError(f"{file}: expected a dictionary of tensors with torchvision's keys")
    return VGGWeights(file, state, CONVENTIONS["torchvision"], {"source": "torchvision"}, complete=True)


def _from_safetensors(path: Path | str | None, network: str) -> VGGWeights:
    topology = TOPOLOGIES[network]
    file = _existing(path, f"a safetensors file with torchvision's {topology.title} keys")
    try:
        with safe_open(file, framework="pt") as content:
            keys = [key for key in content.keys() if key.startswith("features.")]  # noqa: SIM118, no mapping
            _check_keys(keys, file, topology)
            tensors = {key: content.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({_line(error)})") from None
    return VGGWeights(file, tensors, None, {"source": "safetensors"}, complete=False)


def _from_matconvnet(path: Path | str | None, network: str) -> VGGWeights:
    topology = TOPOLOGIES[network]
    file = _existing(path, f"imagenet-vgg-verydeep-{network.removeprefix('vgg')}.mat of MatConvNet "
                           "(vlfeat.org/matconvnet/pretrained)")
    content = read_mat(file, ["layers", "meta", "normalization"])
    if "layers" not in content:
        raise InputError(f"{file}: no cell array 'layers'; expected a network of MatConvNet")
    tensors = {}
    for layer in content["layers"].ravel():
        name = _text(layer["name"]) if "name" in (layer.dtype.names or ()) else ""
        if name in topology.index:
            key = f"features.{topology.index[name]}"
            tensors[f"{key}.weight"], tensors[f"{key}.bias"] = _filters(layer, name, file)
        elif name.startswith("conv"):
            raise InputError(f"{file}: '{name}' is no layer of {topology.title}; set perceptual.network to what the "
                             "file holds")
    mean, mean_source = _average_colour(content, file)
    origin = {"source": "matconvnet", "input_mean": mean_source}
    return VGGWeights(file, tensors, Convention("caffe", 255.0, mean), origin, complete=True)


SOURCES: dict[str, Callable[[Path | str | None, str], VGGWeights]] = {
    "torchvision": _from_torchvision, "matconvnet": _from_matconvnet, "safetensors": _from_safetensors}


def _check_shapes(tensors: Mapping[str, Tensor], layers: Mapping[str, str], file: Path) -> None:
    """layers: name -> beginning of its keys."""
    inputs, before = 3, "the image"
    for name, key in layers.items():
        weight, bias = f"{key}.weight", f"{key}.bias"
        if bias not in tensors:
            raise InputError(f"{file}: layer {name} has no bias ('{bias}')")
        outputs, *others = tensors[weight].shape or [0]
        if others != [inputs, 3, 3] or not outputs:
            raise InputError(f"{file}: layer {name} ('{weight}') has shape {list(tensors[weight].shape)}, expected "
                             f"[any, {inputs}, 3, 3] after {before}")
        if list(tensors[bias].shape) != [outputs]:
            raise InputError(f"{file}: bias of layer {name} ('{bias}') has shape {list(tensors[bias].shape)}, "
                             f"expected [{outputs}]")
        if not (tensors[weight].isfinite().all() and tensors[bias].isfinite().all()):
            raise InputError(f"{file}: layer {name} has weights that are not finite; the file is damaged")
        inputs, before = outputs, name


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
