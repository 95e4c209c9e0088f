"""The pictures that participants see: opaque names, one format, one pixel size, one file size, no metadata.

A method must not be recognisable from anything but the picture itself: names are keyed hashes that differ from table to
table, every file is a PNG of the same encoder, padded to the length of the longest one, so that smooth and detailed
pictures have the same number of bytes.
"""

import hashlib
import os
import shutil
import struct
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.errors import InputError
from data.files import put_in_place, read_image, sha256, staging_folder
from evaluation.run_directory import PHOTOS, RunDirectory
from human_study.protocol.protocols import BLURRED, Protocol
from human_study.responses.keys import opaque
from human_study.trials.trials import INSTRUCTION

BLUR_FACTOR = 16  # the anchor keeps one pixel of 16 x 16
COMPRESSION = 6  # of zlib; photographs come to about half of their raw size
CHUNK_BYTES = 12  # of a PNG chunk without content: length, kind, checksum
PADDING = b"paDd"  # ancillary, private: no viewer needs it
SHARPNESS = 2  # stored pixels per point on the screen: what dense displays show; more only takes time to load

LAYOUTS = "layout"  # the "method" of a layout in its colours, shown above the pictures
FONT = Path(__file__).parent / "fonts" / "instructions.otf"  # Latin, and the Chinese and Japanese checks

Key = tuple[str, str]  # (method, image_id)
Name = tuple[str, str, str]  # (table, method, image_id): every table has names of its own


@dataclass(frozen=True)
class Asset:
    """One picture: secret, because it names the method. `path` and `source_sha256`: the file of the run it shows."""

    asset_id: str
    table: str
    method: str
    image_id: str
    width: int
    height: int
    path: str
    source_sha256: str

    @property
    def key(self) -> Key:
        return self.method, self.image_id

    @property
    def name(self) -> Name:
        return self.table, self.method, self.image_id


def source_file(run: RunDirectory, key: Key) -> Path | None:
    """The file of the run that a picture is made from; None for an instruction check."""
    method, image_id = key
    if method in INSTRUCTION:
        return None
    if method == LAYOUTS:
        return run.dataset / "layouts" / f"{image_id}.png"
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


def write_assets(run: RunDirectory, folder: Path, hashes: dict[Key, str], names: list[Name], secret: str,
                 protocol: Protocol) -> tuple[list[Asset], dict[Key, str]]:
    """Encode every picture into `folder` (replaced as a whole), at most twice as large as it is shown; and the hash of
    every picture's pixels.

    Raises InputError when a picture is broken or has another size than the photographs.
    """
    staging = staging_folder(folder)
    encoded = staging / "encoded"
    shutil.rmtree(staging, ignore_errors=True)
    encoded.mkdir(parents=True)
    keys = sorted({name[1:] for name in names})
    files = {key: encoded / str(i) for i, key in enumerate(keys)}
    size = read_image(run.photo_file(next(i for m, i in keys if m not in INSTRUCTION))).shape[:2]

    def encode(key: Key) -> tuple[tuple[int, int], str]:
        image = reduced(_pixels(run, key, size, protocol), SHARPNESS * protocol.width)
        Image.fromarray(image).save(files[key], "PNG", compress_level=COMPRESSION)
        return image.shape[:2], hashlib.sha256(image.tobytes()).hexdigest()

    def pad(name: Name) -> Asset:
        asset_id, key = opaque(secret.encode(), "asset", *name), name[1:]
        file, source = staging / f"{asset_id}.png", source_file(run, key)
        file.write_bytes(padded(files[key].read_bytes(), length, asset_id))
        os.utime(file, (0, 0))  # servers send the time in headers, and files are written method by method
        height, width = found[key][0]
        return Asset(asset_id, *name, width, height, str(source.relative_to(run.path)) if source else "",
                     hashes.get(key, ""))

    with ThreadPoolExecutor() as pool:
        found = dict(zip(keys, pool.map(encode, keys), strict=True))
        length = max(file.stat().st_size for file in files.values()) + CHUNK_BYTES
        assets = list(pool.map(pad, names))
    shutil.rmtree(encoded)
    put_in_place(folder)
    return assets, {key: pixels for key, (_, pixels) in found.items()}


def identical_everywhere(shown: dict[Key, str], a: str, b: str) -> bool:
    """Whether two methods have the same pixels (by their hash) on every layout shown of both."""
    both = [i for method, i in shown if method == a and (b, i) in shown]
    return bool(both) and all(shown[a, i] == shown[b, i] for i in both)


def _pixels(run: RunDirectory, key: Key, size: tuple[int, int], protocol: Protocol) -> np.ndarray:
    """uint8 [H, W, 3]"""
    method, image_id = key
    if method in INSTRUCTION:
        side, _, language = image_id.partition(".")
        texts = protocol.text(language)
        return instruction_picture(texts.choose_left if side == "choose-left" else texts.choose_right, size)
    if method == LAYOUTS:  # in the colours of its classes
        image = np.asarray(run.labels().colours, np.uint8)[run.layout(image_id)]
    else:
        image = read_image(source_file(run, key))
    if image.shape[:2] != size:
        raise InputError(f"{source_file(run, key)}: {image.shape[1]} x {image.shape[0]} pixels, but the photographs "
                         f"have {size[1]} x {size[0]}: another size would give the method away")
    return blurred(image) if method == BLURRED else image


def reduced(image: np.ndarray, width: int) -> np.ndarray:
    """uint8 [H, W, 3] -> the same, at most `width` pixels wide."""
    if image.shape[1] <= width:
        return image
    size = width, max(1, round(width * image.shape[0] / image.shape[1]))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def blurred(photo: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> the same shape: averaged over 16 x 16 pixels, enlarged again."""
    image = Image.fromarray(photo)
    small = [max(1, round(side / BLUR_FACTOR)) for side in image.size]
    return np.asarray(image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC))


def instruction_picture(text: str, size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3]: a picture that shows which side to choose, in up to four lines. Raises InputError where the font
    lacks a character of the text."""
    font = ImageFont.truetype(str(FONT), max(6, round(min(size[0] / 4.5, size[1] / 7))))
    unknown = bytes(font.getmask("\uffff"))
    if missing := [one for one in text if not one.isspace() and bytes(font.getmask(one)) == unknown]:
        raise InputError(f"texts: choose_left, choose_right: no character {missing[0]!r} in the font of instruction "
                         "checks; write them in other letters or leave the checks out (instruction_checks: 0)")
    image = Image.new("RGB", (size[1], size[0]), (236, 236, 236))
    ImageDraw.Draw(image).multiline_text((size[1] / 2, size[0] / 2), text, (20, 20, 20), font, "mm", 1, "center")
    return np.asarray(image)


def in_language(image_id: str, language: str, protocol: Protocol) -> str:
    """image_id of an instruction check in a language; the plan has the one of the first language."""
    return image_id if language == protocol.languages[0] else f"{image_id}.{language}"


def padded(png: bytes, length: int, name: str) -> bytes:
    """The PNG with a chunk before its end that makes it `length` bytes long; viewers skip it.

    Its content follows from `name`, so that files of one picture under two names differ (servers send hashes of files).
    """
    end = png[-CHUNK_BYTES:]  # IEND has no content
    filler = hashlib.shake_256(name.encode()).digest(length - len(png) - CHUNK_BYTES)
    checksum = struct.pack(">I", zlib.crc32(PADDING + filler))
    return png[:-CHUNK_BYTES] + struct.pack(">I", len(filler)) + PADDING + filler + checksum + end
