"""The pictures that workers see: opaque names, one format, one pixel size, one file size, no metadata.

A method must not be recognisable from anything but the picture itself: names are keyed hashes, every file is a PNG of
the same encoder, padded to the same number of bytes.
"""

import hashlib
import hmac
import io
import shutil
import struct
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.errors import InputError
from data.files import read_image, sha256, write_text
from evaluation.rundir import PHOTOS, RunDirectory
from human_study.design import INSTRUCTION
from human_study.protocols import BLURRED

BLUR_FACTOR = 16  # the anchor keeps one pixel of 16 x 16
PADDING_CHUNK = b"paDd"  # private, ancillary, safe to copy: decoders skip it
CHUNK_BYTES = 12  # length, type and checksum of a PNG chunk

Key = tuple[str, str]  # (method, image_id)


@dataclass(frozen=True)
class Asset:
    """One picture: secret, because it tells the method. `path` and `source_sha256`: the file of the run it shows."""

    asset_id: str
    sha256: str  # of the file under public/images
    method: str
    image_id: str
    width: int
    height: int
    path: str
    source_sha256: str

    @property
    def key(self) -> Key:
        return self.method, self.image_id


COLUMNS = tuple(column.name for column in fields(Asset))


def opaque(secret: str, *parts: object) -> str:
    """32 hex digits that tell nothing of `parts` to anyone without `secret`."""
    return hmac.new(secret.encode(), "\0".join(map(str, parts)).encode(), hashlib.sha256).hexdigest()[:32]


def source_file(run: RunDirectory, key: Key) -> Path | None:
    """The file of the run that a picture is made from; None for an instruction check."""
    method, image_id = key
    if method in INSTRUCTION:
        return None
    return run.image_file(PHOTOS if method == BLURRED else method, image_id)


def source_hashes(run: RunDirectory, keys: Iterable[Key]) -> dict[Key, str]:
    """SHA-256 of the source file of every picture. Raises InputError naming the first missing file."""
    files = {key: file for key in keys if (file := source_file(run, key))}
    for (method, layout), file in files.items():
        if not file.is_file():
            raise InputError(f"{file}: missing image of method '{method}' for layout '{layout}'; "
                             "synthesize it first (python -m evaluation.run)")
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, pool.map(sha256, files.values()), strict=True))


def write_assets(run: RunDirectory, folder: Path, hashes: dict[Key, str], keys: list[Key], secret: str) -> list[Asset]:
    """Encode every picture into `folder` (replaced as a whole), all of them with the same number of bytes.

    Raises InputError when a picture is broken or has another size than the photographs.
    """
    staging = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    size = read_image(run.photo_file(next(i for m, i in keys if m not in INSTRUCTION))).shape[:2]

    def encode(key: Key) -> Path:
        file = staging / f"{opaque(secret, 'asset', *key)}.png"
        file.write_bytes(_png(_pixels(run, key, size)))
        return file

    with ThreadPoolExecutor() as pool:
        files = list(pool.map(encode, keys))
        largest = max(file.stat().st_size for file in files) + CHUNK_BYTES
        digests = list(pool.map(lambda file: _pad(file, largest), files))
    shutil.rmtree(folder, ignore_errors=True)
    staging.rename(folder)
    return [Asset(file.stem, digest, *key, size[1], size[0], _relative(run, key), hashes.get(key, ""))
            for key, file, digest in zip(keys, files, digests, strict=True)]


def write_table(assets: list[Asset], file: Path) -> None:
    lines = [",".join(COLUMNS), *(",".join(map(str, astuple(asset))) for asset in assets)]
    write_text(file, "\n".join(lines) + "\n")


def asset_from_row(row: dict[str, str]) -> Asset:
    return Asset(**{**row, "width": int(row["width"]), "height": int(row["height"])})


def intact(assets: list[Asset], folder: Path) -> bool:
    """Whether every picture is in the folder unchanged, and nothing else."""
    if {file.name for file in folder.glob("*")} != {f"{asset.asset_id}.png" for asset in assets}:
        return False
    with ThreadPoolExecutor() as pool:
        return all(pool.map(lambda asset: sha256(folder / f"{asset.asset_id}.png") == asset.sha256, assets))


def identical_everywhere(assets: list[Asset], a: str, b: str) -> bool:
    """Whether two methods have the same pixels on every layout shown of both."""
    shown = {asset.key: asset.sha256 for asset in assets}
    both = [i for method, i in shown if method == a and (b, i) in shown]
    return bool(both) and all(shown[a, i] == shown[b, i] for i in both)


def as_dict(asset: Asset) -> dict:
    return asdict(asset)


def _relative(run: RunDirectory, key: Key) -> str:
    file = source_file(run, key)
    return str(file.relative_to(run.path)) if file else ""


def _pixels(run: RunDirectory, key: Key, size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3]"""
    method, image_id = key
    if method in INSTRUCTION:
        return instruction_picture(image_id.removeprefix("choose-"), size)
    image = read_image(source_file(run, key))
    if image.shape[:2] != size:
        raise InputError(f"{source_file(run, key)}: {image.shape[1]} x {image.shape[0]} pixels, but the photographs "
                         f"have {size[1]} x {size[0]}: another size would tell the method")
    return blurred(image) if method == BLURRED else image


def blurred(photo: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> the same shape: averaged over 16 x 16 pixels, enlarged again."""
    image = Image.fromarray(photo)
    small = [max(1, round(side / BLUR_FACTOR)) for side in image.size]
    return np.asarray(image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC))


def instruction_picture(side: str, size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3]: a picture that says which side to choose."""
    image = Image.new("RGB", (size[1], size[0]), (236, 236, 236))
    text = f"Choose the\n{side.upper()}\npicture"
    font = ImageFont.load_default(max(6, round(min(size[0] / 4.5, size[1] / 7))))
    ImageDraw.Draw(image).multiline_text((size[1] / 2, size[0] / 2), text, (20, 20, 20), font, "mm", 1, "center")
    return np.asarray(image)


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _pad(file: Path, size: int) -> str:
    """Fill up to `size` bytes with zeros in a chunk of their own before the last one; returns the SHA-256."""
    content, end = file.read_bytes()[:-CHUNK_BYTES], file.read_bytes()[-CHUNK_BYTES:]
    zeros = bytes(size - len(content) - len(end) - CHUNK_BYTES)
    checksum = zlib.crc32(PADDING_CHUNK + zeros)
    padded = content + struct.pack(">I", len(zeros)) + PADDING_CHUNK + zeros + struct.pack(">I", checksum) + end
    file.write_bytes(padded)
    return hashlib.sha256(padded).hexdigest()
