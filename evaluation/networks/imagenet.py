"""ImageNet classifiers as feature extractors: torch-fidelity's Inception (FID) and VGG-16; VGG-19, SqueezeNet 1.1.

torch-fidelity and torchvision take seconds to import, so that is done where they are used.
"""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from data.errors import InputError
from data.files import sha256
from evaluation.networks.features import FEATURES, LOGITS, Extractor, checked_hash, weights_file
from evaluation.networks.resize import normalized
from evaluation.weights import NETWORKS
from models.perceptual import CONVENTIONS
from presets.schema import ExtractorConfig

INCEPTION_FILE, VGG16_FILE = (NETWORKS[name].files[0].name for name in ("inception", "vgg16"))  # end with a hash
ENGINE_RESIZE = "tf1-bilinear"  # of torch-fidelity's extractors
# of RGB in 0..255, by the convention in which weights were trained
NORMALIZED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    name: partial(normalized, mean=c.mean, std=c.std, scale=255 / c.scale) for name, c in CONVENTIONS.items()}


def inception_file(config: ExtractorConfig) -> Path:
    return weights_file(config, INCEPTION_FILE)


def vgg16_file(config: ExtractorConfig) -> Path:
    return weights_file(config, VGG16_FILE)


def build_inception(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """Inception of the original FID: 2048 pooled features and the logits of the Inception score."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    file, digest, official = _official(inception_file(config), config, INCEPTION_FILE)
    engine = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"],
                                         feature_extractor_weights_path=str(file)).to(device)
    network = _EngineNetwork(engine, engine.Conv2d_1a_3x3, lambda images: (images - 128) / 128, (FEATURES, LOGITS))
    return _engine_extractor(config, network, "Inception", digest, official, (299, 299), device)


def build_vgg16(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """VGG-16's second fully connected layer after its ReLU (4096), as in Kynkäänniemi et al. 2019."""
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
    file, digest, official = _official(vgg16_file(config), config, VGG16_FILE)
    engine = FeatureExtractorVGG16("vgg16", ["fc2_relu"], feature_extractor_weights_path=str(file)).to(device)
    network = _EngineNetwork(engine, engine.model, NORMALIZED["torchvision"], (FEATURES,))
    return _engine_extractor(config, network, "VGG16", digest, official, (224, 224), device)


def _official(file: Path, config: ExtractorConfig, name: str) -> tuple[Path, str, bool]:
    """The file, its SHA-256, and whether it is the official file. Raises InputError for another file without a hash in
    the configuration, and for one that holds more than tensors: the engine unpickles without limits."""
    digest, prefix = sha256(file), name.rsplit("-", 1)[1].removesuffix(".pth")
    if config.sha256 is None and not digest.startswith(prefix):
        raise InputError(f"{file}: SHA-256 {digest[:16]}... is not that of {name} ({prefix}...); give the official "
                         "file, or set the extractor's sha256 to use other weights under another name")
    checked_hash(file, digest, config.sha256)
    try:
        torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds
        raise InputError(f"{file}: not a file of weights ({' '.join(str(error).split())[:120]})") from None
    return file, digest, digest.startswith(prefix)


def _engine_extractor(config: ExtractorConfig, network: "_EngineNetwork", name: str, digest: str, official: bool,
                      size: tuple[int, int], device: str) -> Extractor:
    """The network's plain name is kept for the official weights behind the engine's own resize."""
    if config.size is not None and tuple(config.size) != size:
        raise InputError(f"extractor {config.kind}: its input is {size[0]}x{size[1]}, got size {config.size}")
    chosen = config.resize or ENGINE_RESIZE
    if chosen == "none":
        raise InputError(f"extractor {config.kind}: needs a resize to {size[0]}x{size[1]}, got resize 'none'")
    network.float_input = chosen != ENGINE_RESIZE
    label = "-".join([name, *([] if official else [digest[:8]]), *([chosen] if network.float_input else [])])
    return Extractor(config.label or label, network, {"weights sha256": digest}, chosen, size, device, network.engine,
                     official_fid=config.label is None and label == "Inception",
                     resizes_itself=not network.float_input)


class _EngineNetwork:
    """One of torch-fidelity's extractors. With `float_input` its own resize is bypassed: the first layer is given the
    already resized float images, because the engine takes only uint8 and rounding would change the features."""

    def __init__(self, engine: nn.Module, first: nn.Module, prepare: Callable, names: tuple[str, ...]):
        self.engine, self.prepare, self.names, self.float_input = engine, prepare, names, False
        self._given = threading.local()  # several threads may be in here at once
        first.register_forward_pre_hook(self._replace)

    def _replace(self, module: nn.Module, inputs: tuple) -> tuple | None:
        images = getattr(self._given, "images", None)
        return None if images is None else (self.prepare(images),)

    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        if not self.float_input:
            return dict(zip(self.names, self.engine(images), strict=True))
        self._given.images = images
        try:
            blank = torch.zeros(images.shape, dtype=torch.uint8, device=images.device)
            return dict(zip(self.names, self.engine(blank), strict=True))
        finally:
            self._given.images = None


def build_vgg19(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """VGG-19 with its own max pooling; the last layer present in the file after its ReLU, averaged over space."""
    from torchvision.models import vgg
    layers = vgg.make_layers(vgg.cfgs["E"])  # the convolutions alone: the classifier would take seconds to make
    return _safetensors_extractor(config, "VGG19", layers, device)


def build_squeezenet(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """SqueezeNet 1.1; the last fire module in the file (512 features), averaged over space. Pooling without ceil mode
    for weights in the Caffe convention (a Keras port)."""
    from torchvision.models import squeezenet1_1
    layers = squeezenet1_1(weights=None).features
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d) and config.convention == "caffe":
            layer.ceil_mode = False
    return _safetensors_extractor(config, "SqueezeNet", layers, device)


def load_features(file: Path, layers: nn.Sequential, last: str | None = None) -> tuple[nn.Sequential, int]:
    """Fill `layers` from a safetensors file with keys features.N..., cut after its last layer (or after `last`) and
    that layer's ReLU. Returns the network and the index of the layer. Raises InputError naming what does not fit."""
    weights = _read_safetensors(file)
    present = {int(key.split(".")[0]) for key in weights}
    if last is not None and (not last.isdigit() or int(last) not in present):
        raise InputError(f"{file}: layer '{last}' is not in the file; it has {', '.join(map(str, sorted(present)))}")
    end = int(last) if last is not None else max(present, default=-1)
    if end < 0:
        raise InputError(f"{file}: no key like features.0.weight; torchvision's key names are expected")
    follows = end + 1 < len(layers) and isinstance(layers[end + 1], nn.ReLU)
    network = layers[: end + 2 if follows else end + 1]
    try:
        network.load_state_dict({key: value for key, value in weights.items() if int(key.split(".")[0]) <= end})
    except RuntimeError as error:
        raise InputError(f"{file}: weights do not fit: {' '.join(str(error).split())[:200]}") from None
    return network.requires_grad_(False).eval(), end


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(file, "pt") as stored:
            return {key.removeprefix("features."): stored.get_tensor(key) for key in stored.keys()  # noqa: SIM118
                    if key.startswith("features.")}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({error})") from None


def _safetensors_extractor(config: ExtractorConfig, label: str, layers: nn.Sequential, device: str) -> Extractor:
    file = weights_file(config)
    digest = checked_hash(file, sha256(file), config.sha256)
    network, last = load_features(file, layers, config.layer)
    network.to(device, memory_format=torch.channels_last)
    prepare = NORMALIZED[config.convention]

    def features(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {FEATURES: network(prepare(images)).mean(dim=(2, 3))}

    def maps(images: torch.Tensor) -> list[torch.Tensor]:
        """What goes into each pooling layer, and the last layer: one map per scale."""
        found, x = [], prepare(images)
        for layer in network:
            if isinstance(layer, nn.MaxPool2d):
                found.append(x)
            x = layer(x)
        return [*found, x]

    provenance = {"weights sha256": digest, "layer": f"features.{last}, mean over space", "input": config.convention}
    chosen = config.resize or ("none" if config.size is None else "pil-bicubic")
    size = tuple(config.size) if config.size else None
    return Extractor(config.label or label, features, provenance, chosen, size, device, module=network,
                     maps=maps, pooled_maps=True)
