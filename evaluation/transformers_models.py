"""Hugging Face models from a local folder: DINOv2, CLIP and the like as feature extractors. Needs the extra."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data.errors import InputError
from data.files import fingerprint, read_json, sha256
from evaluation.features import FEATURES, Extractor
from presets.schema import ExtractorConfig

LABELS = {"dinov2": "DINOv2", "clip": "CLIP", "clip_vision_model": "CLIP"}
DEFAULT_MEAN, DEFAULT_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def require_transformers(what: str) -> Any:
    """The module transformers. Raises InputError that tells how to install it."""
    if importlib.util.find_spec("transformers") is None:
        raise InputError(f"{what} needs the package transformers: pip install '.[huggingface]'")
    import transformers
    return transformers


def model_hash(folder: Path) -> str:
    """One SHA-256 over the weight files of a model folder. Raises InputError when there is no safetensors file."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder}: no *.safetensors file; download the model's folder with its weights first")
    return sha256(files[0]) if len(files) == 1 else fingerprint([sha256(file) for file in files])


def load_pretrained(auto: Any, folder: Path) -> nn.Module:
    """`auto`.from_pretrained on a folder, offline, safetensors only. Raises InputError."""
    try:
        model = auto.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: not a model that {auto.__name__} can load ({' '.join(str(error).split())[:160]})"
                         ) from None
    return model.requires_grad_(False).eval()


def preprocessing(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, int] | None]:
    """Mean and standard deviation (of 0..1 RGB) and input size (height, width) from preprocessor_config.json."""
    file = folder / "preprocessor_config.json"
    config = read_json(file) if file.exists() else {}
    size = config.get("crop_size") or config.get("size")
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge")
        size = (size.get("height", edge), size.get("width", edge))
    elif isinstance(size, int):
        size = (size, size)
    size = tuple(size) if size and all(size) else None
    return tuple(config.get("image_mean", DEFAULT_MEAN)), tuple(config.get("image_std", DEFAULT_STD)), size


def build_extractor(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """Pooled image features of the model in folder `path`: CLIP's image embedding, else the pooled or class token."""
    transformers = require_transformers("extractor transformers")
    folder = Path(config.path or "")
    if config.path is None or not folder.is_dir():
        raise InputError(f"extractor transformers: `path` must be the folder of a model, got {config.path}")
    model = load_pretrained(transformers.AutoModel, folder).to(device)
    mean, std, size = preprocessing(folder)
    size = tuple(config.size) if config.size else size or (224, 224)
    kind = model.config.model_type

    def features(images: torch.Tensor) -> dict[str, torch.Tensor]:
        pixels = (images / 255 - images.new_tensor(mean).view(1, 3, 1, 1)) / images.new_tensor(std).view(1, 3, 1, 1)
        return {FEATURES: _pooled(model, pixels)}

    protocol = {"model": kind, "weights sha256": model_hash(folder), "mean": mean, "std": std}
    return Extractor(config.label or LABELS.get(kind, folder.name), features, protocol, config.resize or "pil-bicubic",
                     size, device, module=model)


def _pooled(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    if hasattr(model, "get_image_features"):
        output = model.get_image_features(pixel_values=pixels)
    else:
        output = model(pixel_values=pixels)
    if isinstance(output, torch.Tensor):
        return output
    pooled = getattr(output, "pooler_output", None)
    return pooled if pooled is not None else output.last_hidden_state[:, 0]
