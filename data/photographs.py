"""What all datasets of photographs share: matching files into pairs, reading, checking and resizing them."""

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data.errors import InputError
from data.files import check_label_map, list_folder, read_image
from data.labels import LabelSpace
from data.pairs import Pair

NEAR_MISSES = 20  # missing files for which a reason is searched: each search lists a folder
_collected: ContextVar[list[str] | None] = ContextVar("problems", default=None)
LONGEST_NAME = 240  # bytes of 255: the images of a layout are NAME_1.png, NAME_2.png, ...
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class FilePair:
    name: str
    photo: Path
    layout: Path


class PhotoPairs:
    """A PairDataset over files. Photographs are resized with antialiased bicubic, layouts by nearest neighbour.

    Both are stretched to `size` if its aspect ratio differs from the file's, as in the paper.
    Raises InputError for a label map with lossy content, whatever its name. Of files named .png only the first is
    checked here; each of them is checked when it is read.
    """

    def __init__(self, files: Sequence[FilePair], labels: LabelSpace, size: tuple[int, int]):
        self.files = list(files)
        self.labels = labels
        self.size = (int(size[0]), int(size[1]))
        for number, file in enumerate(self.files if _collected.get() is None else []):
            if number == 0 or file.layout.suffix.lower() != ".png":
                check_label_map(file.layout)

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        return self.files[index].name

    def __getitem__(self, index: int) -> Pair:
        """Raises InputError for a broken file, a photograph and layout of different size, an unknown label id."""
        file = self.files[index]
        photo, raw = read_image(file.photo), read_image(file.layout, "L")
        check_same_size(photo, raw, file.photo, file.layout)
        return make_pair(file.name, photo, self.labels.from_raw(raw, file.layout), self.size)


def check_same_size(photo: np.ndarray, layout: np.ndarray, photo_file: Path | str, layout_file: Path | str) -> None:
    """photo: [H, W, 3]. layout: [H, W]."""
    if photo.shape[:2] != layout.shape[:2]:
        (h, w), (layout_h, layout_w) = photo.shape[:2], layout.shape[:2]
        raise InputError(f"{photo_file} is {h}x{w} (height x width) but its layout {layout_file} is "
                         f"{layout_h}x{layout_w}; a pair has one size")


def make_pair(name: str, photo: np.ndarray, layout: np.ndarray, size: tuple[int, int]) -> Pair:
    """photo: uint8 [h, w, 3]. layout: uint8 [h, w] class indices. Both come back at `size`, the photo as [3, H, W]."""
    if photo.shape[:2] != size:
        height, width = size
        # Pillow widens the bicubic kernel with the reduction, which is what antialiased means
        photo = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC))
    layout = at_size(layout, size)
    return Pair(name, np.ascontiguousarray(photo.transpose(2, 0, 1)), np.ascontiguousarray(layout))


def at_size(layout: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 [h, w] class indices -> [H, W], by nearest neighbour."""
    if layout.shape == tuple(size):
        return layout
    return np.asarray(Image.fromarray(layout).resize((size[1], size[0]), Image.Resampling.NEAREST))


def require_folder(path: Path | str, contents: str) -> Path:
    """`path` as a folder; InputError when it is missing or a file. contents: the expected contents, in words."""
    path = Path(path).expanduser()
    if not path.exists():
        above = path.parent
        there = f"contains {_what_else(above) or 'nothing'}" if above.is_dir() else "is missing, too"
        raise InputError(f"{path}: no such folder; expected {contents} ({above} {there})")
    if not path.is_dir():
        raise InputError(f"{path} is a file; expected a folder with {contents}")
    return path


def same_name(text: str) -> str:
    """A name in one Unicode form: a Mac writes letters with accents as two characters, other systems as one."""
    return unicodedata.normalize("NFC", text)


def images_by_name(folder: Path, pattern: str = "*", ending: str = "",
                   suffixes: Sequence[str] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Image files below `folder` that match the glob `pattern`, by file stem without `ending`.

    Raises InputError when two files have the same name, because pairs are known by it, and for
    names that are not UTF-8 or too long.
    """
    found: dict[str, Path] = {}
    for file in list_folder(folder, pattern):
        if file.suffix.lower() not in suffixes or not file.stem.endswith(ending):
            continue
        if why := _unusable_name(file):
            _refuse_or_collect(why)
            continue
        name = same_name(file.stem.removesuffix(ending))
        if name in found:
            form = "" if found[name].stem == file.stem or file.parent != found[name].parent else \
                " but for its Unicode form"
            _refuse_or_collect(f"{file} and {found[name]} have the same name '{name}'{form}; names must be unique in "
                               "a split")
            continue
        found[name] = file
    return found


def _unusable_name(file: Path) -> str | None:
    """Why files of a run cannot have the name of this one; None if they can."""
    try:
        file.name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(file).decode("utf-8", "backslashreplace")
        try:
            os.fsencode(file.name).decode()
        except UnicodeDecodeError:
            return f"{shown}: its name is not UTF-8 text; rename it (convmv -f latin1 -t utf8 renames whole folders)"
        return f"{shown}: this locale cannot represent its name; run with PYTHONUTF8=1 or LC_ALL=C.UTF-8"
    if (size := len(os.fsencode(file.stem))) > LONGEST_NAME:
        return f"{file}: its name has {size} bytes without ending; at most {LONGEST_NAME}, because a run adds to it"
    return None


def match(photos: Mapping[str, Path], layouts: Mapping[str, Path], photo_folder: Path,
          layout_folder: Path) -> list[FilePair]:
    """Pairs sorted by name. Raises InputError if there are none, and for a photograph without layout or the reverse."""
    if not photos and not layouts:
        there = "; ".join(f"{folder}: {_what_else(folder) or 'nothing'}" for folder in (photo_folder, layout_folder))
        raise InputError(f"no pairs: {photo_folder} has no photographs and {layout_folder} no layouts ({there}); file "
                         f"names must end in {', '.join(IMAGE_SUFFIXES)}")
    _check_partners(photos, layouts, "photograph", "layout", layout_folder)
    _check_partners(layouts, photos, "layout", "photograph", photo_folder)
    return [FilePair(name, photos[name], layouts[name]) for name in sorted(set(photos) & set(layouts))]


def _check_partners(here: Mapping[str, Path], there: Mapping[str, Path], kind: str, partner: str,
                    partner_folder: Path) -> None:
    alone = sorted(set(here) - set(there))
    collected = _collected.get()
    for number, name in enumerate(alone):
        more = f" (and {len(alone) - 1} more)" if len(alone) > 1 and collected is None else ""
        near = near_miss(name, partner_folder) if number < NEAR_MISSES else ""
        _refuse_or_collect(f"{here[name]}: {kind} without {partner}; expected one for '{name}' in {partner_folder}"
                           f"{more}{near}")


@contextmanager
def collect_problems() -> Iterator[list[str]]:
    """While it lasts, opening a dataset adds what is wrong with single files to the list, and goes on without them."""
    found: list[str] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def _refuse_or_collect(message: str) -> None:
    found = _collected.get()
    if found is None:
        raise InputError(message)
    found.append(message)


def near_miss(name: str, folder: Path) -> str:
    """Why a folder has no image of this name, if a file below the folder explains it; else ""."""
    for file in list_folder(folder, "**/*"):
        stem = same_name(file.stem)
        if file.is_dir() or stem.lower() != name.lower():
            continue
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            return f"; {file} exists, but {file.suffix or 'a file without suffix'} is not read: save it as PNG"
        if stem != name:
            return f"; {file} differs in upper and lower case"
        if file.parent != folder:
            return f"; {file} is in another folder"
    return ""


def _what_else(folder: Path) -> str:
    """What a folder contains that should contain images: sub-folders, other files."""
    entries = list_folder(folder)
    folders = [entry.name for entry in entries if entry.is_dir()]
    others = [entry.name for entry in entries if not entry.is_dir()]
    parts = [f"{len(names)} {kind} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
             for kind, names in (("sub-folders", folders), ("other files", others)) if names]
    return " and ".join(parts)


def match_folders(photo_folder: Path, layout_folder: Path, contents: str) -> list[FilePair]:
    """Pairs of two flat folders whose files have the same stems."""
    require_folder(photo_folder, contents)
    require_folder(layout_folder, contents)
    return match(images_by_name(photo_folder), images_by_name(layout_folder), photo_folder, layout_folder)


def read_lines(file: Path) -> list[str]:
    """The lines of a text file, stripped, without empty ones. Raises InputError for an empty file and one that is not
    UTF-8."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a UTF-8 text file") from None
    lines = [line for line in lines if line]
    if not lines:
        raise InputError(f"{file}: the list is empty")
    return lines
