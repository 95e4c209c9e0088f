"""Listing folders; reading files with one-line errors; writing files that appear complete or not at all; hashes."""

import csv
import glob
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageMode, ImageOps, UnidentifiedImageError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from data.errors import InputError
from data.image_content import CHANNELS, ID_MODES, lossy_as, named

LONGEST_NAME = 200  # bytes, of file names to which something is added
SYSTEM_FILES = ("Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir")  # of Windows, a Mac's archives, a Synology server


def list_folder(folder: Path, pattern: str = "*") -> list[Path]:
    """Sorted paths below a folder that match a glob pattern; empty when the folder is missing.

    All listings go through here, because operating systems add files that must not be read: hidden ones (a Mac writes
    `._NAME` beside each file on a foreign disk, and .DS_Store), those in SYSTEM_FILES, and everything in a folder of
    either kind. Raises PermissionError for a folder that may not be read.
    """
    folder = Path(folder)
    with suppress(FileNotFoundError, NotADirectoryError):
        os.scandir(folder).close()  # glob would treat an unreadable folder as empty
    return sorted(path for path in folder.glob(pattern)
                  if not any(part.startswith(".") or part in SYSTEM_FILES for part in path.relative_to(folder).parts))


@contextmanager
def atomic_path(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends without an error, rename it to `path`.

    The file has the mode and group that plain writing would give it: those of the file that it replaces, else by the
    umask and, in folders shared by a group (setgid), by the folder.
    durable: complete or absent after a power cut too, for what took hours to make; waits for the disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{_short(path.name)}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        yield temporary
        if durable:
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
        with suppress(OSError):  # no earlier file, or one of another user
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path) if error.filename in (None, str(temporary)) else error.filename
        raise
    finally:
        with suppress(OSError):  # also where the folder may not be written to
            temporary.unlink()


def remove_parts(path: Path) -> None:
    """Delete the temporary files of processes that were killed while they wrote `path`."""
    for part in Path(path).parent.glob(f".{glob.escape(_short(Path(path).name))}.*.part"):
        part.unlink(missing_ok=True)


def _short(name: str) -> str:
    """A name to which something can be added: file systems take 255 bytes."""
    return name if len(os.fsencode(name)) <= LONGEST_NAME else hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def staging_folder(path: Path) -> Path:
    """The folder beside `path` in which its successor is made, see put_in_place. A link is followed: the folder that it
    leads to is replaced, and the link stays."""
    target = Path(os.path.realpath(path))
    return target.with_name(f".{_short(target.name)}.new")


def put_in_place(path: Path) -> None:
    """Let the finished staging folder take the place of the folder `path`, whose files are deleted."""
    staging, target = staging_folder(path), Path(os.path.realpath(path))
    if target.exists():
        old = staging.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
        staging.rename(target)
        shutil.rmtree(old)
    else:
        staging.rename(target)


def write_bytes(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """UTF-8. Bytes of file names that are not UTF-8 are escaped, which JSON's readers turn back into the same name."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_rows(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    """CSV with \\n line ends, quoted only where a cell needs it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def read_rows(path: Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """Cells by column of a CSV with a header, as `write_rows` makes it. Raises InputError where the file or one of
    `columns` is missing."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    if missing := set(columns) - set(reader.fieldnames or ()):
        raise InputError(f"{path}: column {min(missing)} is missing")
    return rows


def write_json(path: Path, value: Any) -> None:
    """Human-readable JSON; NaN and infinity are refused, because readers of other languages refuse them."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Raises InputError when the file is missing, cannot be read, is not JSON, or lists a key twice in one object."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_once_each,
                          parse_constant=_not_finite)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: a JSON file is expected ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # of JSON, UTF-8 or a repeated key
        raise InputError(f"{path}: not valid JSON ({error})") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """A JSON file with one object. Raises InputError as read_json does, and for any other value."""
    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: a JSON object is expected, got {type(values).__name__}")
    return values


def _not_finite(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key '{next(key for i, key in enumerate(keys) if key in keys[:i])}' is listed twice")
    return values


def parse_yaml(text: str) -> Any:
    """YAML 1.2 as values of JSON: PyYAML's 1.1 takes 010 for 8, 1:30 for 90, `no` for false and 1e-4 for text.

    Raises ValueError with one line for anything else: a key that is listed twice, a number that is not finite, a date.
    """
    try:
        values = YAML(typ="safe", pure=True).load(text)  # pure: the C library reads 1.1
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"line {mark.line + 1}: {error.problem}" if mark else str(error.problem)) from None
    except (YAMLError, AttributeError, RecursionError) as error:  # of characters, tags, nesting without end
        raise ValueError(" ".join(str(error).split())[:200]) from None
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected text, finite numbers, true, false, null, lists and mappings ({error})") from None
    return values


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """A mapping of keys to values; empty for an empty file. what: the file's purpose, for the messages.

    Raises InputError when the file is missing, cannot be read, is not YAML or not a mapping.
    """
    try:
        values = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file ({what})") from None
    except OSError as error:
        raise InputError(f"{path}: a YAML file is expected ({what}; {error.strerror})") from None
    except ValueError as error:  # of YAML or UTF-8
        raise InputError(f"{path}: not valid YAML ({error})") from None
    if values is not None and not isinstance(values, dict):
        raise InputError(f"{path}: a mapping of keys to values is expected ({what}), got {type(values).__name__}")
    return values or {}


def write_png(path: Path, image: np.ndarray) -> None:
    """image: uint8 [H, W] (greyscale) or [H, W, 3] (RGB)."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def read_image(path: Path, mode: str = "RGB") -> np.ndarray:
    """Read a PNG or JPEG.

    mode RGB: a photograph as uint8 [H, W, 3], rotated by its EXIF orientation.
    mode L: a label map [H, W] of the stored ids, palettes not applied; uint8, or what the file needs: bool for 1 bit,
    uint16 or int32 for 16 bits, int32 for 32 bits.
    Raises InputError naming the file when it is missing, truncated, too large, no image or several, a photograph of
    more than 8 bits per channel, or a label map with lossy compression, several channels or fractions.
    """
    with _opened(path) as image:
        return _as_ids(image, path) if mode == "L" else _as_photo(image, path)


def check_label_map(path: Path) -> None:
    """Check the header of a label map, without reading its pixels. Raises InputError as read_image does."""
    with _opened(path) as image:
        _refuse_unfit(image, path)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: too large for an image ({error})") from None
    except IsADirectoryError:
        raise InputError(f"{path}: an image is expected, this is a folder") from None
    except UnidentifiedImageError:
        what = named(path)
        reads = f"{what}; PNG, JPEG, BMP, TIFF and WebP are read" if what else "broken or truncated, or no image"
        raise InputError(f"{path}: {reads}") from None
    except PermissionError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error) as error:
        raise InputError(f"{path}: broken or truncated image ({error})") from None


def _as_photo(image: Image.Image, path: Path) -> np.ndarray:
    bits = png_bit_depth(path) or 8 * np.dtype(ImageMode.getmode(image.mode).typestr).itemsize
    if bits > 8:  # Pillow would silently clip greyscale to white and cut colours
        raise InputError(f"{path}: 8 bits per channel expected, this file has {bits}")
    if (pictures := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":  # JPEG with a camera's preview
        raise InputError(f"{path}: a photograph is one picture, this file holds {pictures} ({image.format})")
    image.load()
    with suppress(AttributeError, struct.error, SyntaxError, TypeError, ValueError):  # damaged EXIF, sound pixels
        ImageOps.exif_transpose(image, in_place=True)
    return np.asarray(image.convert("RGB"))


def _refuse_unfit(image: Image.Image, path: Path) -> None:
    if lossy := lossy_as(image):
        raise InputError(f"{path}: its content is {lossy}, whose lossy compression changes class ids; save label maps "
                         "as PNG, from their source")
    if image.mode not in ID_MODES:
        channels = CHANNELS.get(image.mode, f"mode {image.mode}")
        raise InputError(f"{path}: a label map has one channel of class ids, this file has {channels}")
    if (pictures := getattr(image, "n_frames", 1)) > 1:
        raise InputError(f"{path}: a label map is one picture, this file holds {pictures}")


def _as_ids(image: Image.Image, path: Path) -> np.ndarray:
    _refuse_unfit(image, path)
    if image.mode == "L":  # Pillow stretches greyscale of 2 and 4 bits to 0..255
        return np.asarray(image) // {2: 85, 4: 17}.get(png_bit_depth(path), 1)
    ids = np.asarray(image)
    return ids.astype(ids.dtype.newbyteorder("="))


def png_bit_depth(path: Path) -> int | None:
    """Bits per channel (of a palette image: per index) that a PNG stores, 1, 2, 4, 8 or 16; None for other files.

    Pillow's mode does not show it: RGB of 16 bits opens as RGB, greyscale of 2 bits as L.
    """
    with open(path, "rb") as file:
        header = file.read(25)  # signature 8, length 4, "IHDR" 4, width 4, height 4, bit depth 1
    is_png = len(header) == 25 and header.startswith(b"\x89PNG\r\n\x1a\n") and header[12:16] == b"IHDR"
    return header[24] if is_png else None


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
