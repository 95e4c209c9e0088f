"""Files that appear whole or not at all, and their hashes."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from data.errors import InputError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends without an error, rename it to `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes private files; results are shared like any other
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Human-readable JSON; NaN and infinity are refused, because readers of other languages refuse them."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Raises InputError when the file is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """A mapping of keys to values; empty for an empty file. what: the file's purpose, for the messages.

    Raises InputError when the file is missing, is not YAML, or holds something else than a mapping.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file ({what})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())[:200]})") from None
    if values is not None and not isinstance(values, dict):
        raise InputError(f"{path}: a mapping of keys to values is expected ({what}), got {type(values).__name__}")
    return values or {}


def write_png(path: Path, image: np.ndarray) -> None:
    """image: uint8 [H, W] (greyscale) or [H, W, 3] (RGB)."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def read_image(path: Path, mode: str = "RGB") -> np.ndarray:
    """Read a PNG or JPEG as uint8 [H, W, 3] (mode RGB) or [H, W] (mode L: the stored ids, palettes not applied).

    Raises InputError naming the file when it is missing, truncated or no image.
    """
    try:
        with Image.open(path) as image:
            if mode == "L":
                return _as_ids(image, path)
            return np.asarray(image.convert(mode))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: broken or truncated image ({error})") from None


def _as_ids(image: Image.Image, path: Path) -> np.ndarray:
    if image.mode not in ("L", "P", "1", "I", "I;16"):
        raise InputError(f"{path}: a label map has one channel of class ids, this file has mode {image.mode}")
    return np.asarray(image)


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(*parts: Any) -> str:
    """SHA-256 of JSON-able parts, independent of the order of dictionary keys."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
