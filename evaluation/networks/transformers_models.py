"""Hugging Face models from a local folder or the local cache: DINOv2, CLIP and the like as feature extractors.

Needs the package transformers, which is imported where it is used.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data.errors import InputError
from data.files import fingerprint, list_folder, read_json, sha256
from evaluation import weights
from evaluation.networks.features import FEATURES, Extractor, checked_hash
from evaluation.networks.resize import normalized
from presets.schema import ExtractorConfig

LABELS = {"dinov2": "DINOv2", "clip": "CLIP", "clip_vision_model": "CLIP"}
CLIP = ("clip", "clip_vision_model")
CMMD_SIZE = (336, 336)  # Jayasumana et al. 2024: CLIP ViT-L/14 at 336 pixels
# steps of a preprocessor that are followed here, or change no photograph: images are RGB, labels come from the layouts
STEPS = ("do_resize", "do_rescale", "do_normalize", "do_center_crop", "do_convert_rgb", "do_reduce_labels")


@dataclass(frozen=True)
class Preprocessing:
    """mean, std: of RGB in 0..1. size: (height, width) to which the whole image is resized; None: it is not resized."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int] | None


def require_transformers(what: str) -> Any:
    """The module transformers. Raises InputError with the command that installs it."""
    if importlib.util.find_spec("transformers") is None:
        raise InputError(f"{what} needs the package transformers: pip install '.[huggingface]'")
    import transformers
    return transformers


def model_hash(folder: Path) -> str:
    """One SHA-256 over the weight files of a model folder. Raises InputError when there is no safetensors file."""
    files = list_folder(folder, "*.safetensors")
    if not files:
        raise InputError(f"{folder}: no *.safetensors file; download the model's folder with its weights first")
    return sha256(files[0]) if len(files) == 1 else fingerprint([sha256(file) for file in files])


def load_pretrained(auto: Any, folder: Path) -> nn.Module:
    """`auto`.from_pretrained on a folder, offline, safetensors only, in float32. Raises InputError."""
    try:
        model = auto.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: not a model that {auto.__name__} can load ({' '.join(str(error).split())[:160]})"
                         ) from None
    return model.float().requires_grad_(False).eval()


def preprocessing(folder: Path, size: Sequence[int] | None = None, pads: bool = False) -> Preprocessing:
    """The model's input by its preprocessor_config.json; `size` overrides the file's. pads: the model pads its input to
    multiples of size_divisor, which is not needed for a `size` of such multiples.

    Raises InputError when the file is missing or incomplete, or has a step that is not followed here.
    """
    file = folder / "preprocessor_config.json"
    if not file.exists():
        raise InputError(f"{file}: no such file; it describes the model's input, fetch it with the weights")
    config = read_json(file)
    known = (*STEPS, "do_pad") if pads else STEPS
    if steps := [key for key, value in config.items() if key.startswith("do_") and value and key not in known]:
        raise InputError(f"{file}: {', '.join(steps)}: this suite does not follow this step")
    if not config.get("do_rescale", True) or abs(255 * config.get("rescale_factor", 1 / 255) - 1) > 1e-4:
        raise InputError(f"{file}: do_rescale {config.get('do_rescale', True)}, rescale_factor "
                         f"{config.get('rescale_factor')}: only pixels divided by 255 are supported")
    mean, std = (config.get(key) for key in ("image_mean", "image_std")) if config.get("do_normalize", True) \
        else ([0.0] * 3, [1.0] * 3)
    if mean is None or std is None:
        raise InputError(f"{file}: image_mean or image_std is missing")
    if size is None and config.get("do_resize", True):
        size = _input_size(config, file)
    divisor = config.get("size_divisor") if pads else None
    if divisor and size and any(edge % divisor for edge in size):
        raise InputError(f"{file}: size {list(size)}: height and width must be multiples of {divisor}")
    return Preprocessing(tuple(mean), tuple(std), tuple(size) if size else None)


def _input_size(config: Mapping[str, Any], file: Path) -> Sequence[int]:
    """Height and width; of the crop if there is one, because that is what the model sees."""
    given = config.get("crop_size") if config.get("do_center_crop", "crop_size" in config) else config.get("size")
    size = (given.get("height"), given.get("width")) if isinstance(given, Mapping) else given
    size = (size, size) if isinstance(size, int) else size
    if not size or len(size) != 2 or not all(isinstance(edge, int) and edge > 0 for edge in size):
        raise InputError(f"{file}: size {given} is not a height and a width; set `size` in the preset")
    return size


def model_folder(path: str | None, what: str) -> Path:
    """The folder of a model: given as such, by a name of evaluation.weights, or by its name in Hugging Face's local
    cache. what: the setting, for the messages. Raises InputError when there is none."""
    if path is None:
        raise InputError(f"{what}: the folder or the name of a model is missing")
    for place in (Path(path), weights.folder() / path):
        if place.is_dir():
            return place
    if path in weights.NETWORKS:
        raise InputError(f"{what}: {path} is not found; fetch it: python -m evaluation.weights get {path}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    try:
        return Path(snapshot_download(path, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        raise InputError(f"{what}: {path} is neither a folder nor a model in Hugging Face's local cache; fetch it "
                         f"first (hf download {path}), nothing is downloaded here") from None


def extractor_folder(config: ExtractorConfig) -> Path:
    """The folder of an extractor's model. Raises InputError when there is none, when its preprocessing is not one that
    can be followed, or when the package is missing."""
    require_transformers("extractor transformers")
    folder = model_folder(config.path, "extractor transformers, path")
    preprocessing(folder, config.size)
    return folder


def build_extractor(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """Pooled image features of the model in folder `path`: CLIP's image embedding, else the pooled or class token."""
    folder = extractor_folder(config)
    digest = checked_hash(folder, model_hash(folder), config.sha256)
    model = load_pretrained(require_transformers("extractor transformers").AutoModel, folder).to(device)
    mean, std, size = astuple(preprocessing(folder, config.size))
    kind = model.config.model_type

    def features(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {FEATURES: _pooled(model, normalized(images, mean, std))}

    provenance = {"model": kind, "weights sha256": digest, "mean": mean, "std": std, "crop": "none, all of the image"}
    chosen = config.resize or ("pil-bicubic" if size else "none")
    size = size if config.size or chosen != "none" else None
    is_clip = kind in CLIP and getattr(model.config, "projection_dim", None) is not None
    official = is_clip and _cmmd_network(model.config) and (chosen, size) == ("torch-bicubic", CMMD_SIZE)
    return Extractor(config.label or LABELS.get(kind, folder.name), features, provenance, chosen, size, device,
                     module=model, alone=True, is_clip=is_clip, official_cmmd=official and config.label is None)


def _cmmd_network(config: Any) -> bool:
    """Whether a CLIP model has the shape of ViT-L/14 at 336 pixels; its weights are identified by their hash."""
    vision = getattr(config, "vision_config", config)
    shape = (config.projection_dim, vision.hidden_size, vision.num_hidden_layers, vision.patch_size, vision.image_size)
    return shape == (768, 1024, 24, 14, CMMD_SIZE[0])


def _pooled(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    if hasattr(model, "get_image_features"):
        output = model.get_image_features(pixel_values=pixels)
    else:
        output = model(pixel_values=pixels)
    if isinstance(output, torch.Tensor):
        return output
    if getattr(output, "image_embeds", None) is not None:
        return output.image_embeds
    pooled = getattr(output, "pooler_output", None)
    return pooled if pooled is not None else output.last_hidden_state[:, 0]
