"""What the datasets of photographs share: matching files into pairs, reading, checking and resizing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data.errors import InputError
from data.files import read_image
from data.labels import LabelSpace
from data.pairs import Pair

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
LOSSY_SUFFIXES = (".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class FilePair:
    name: str
    photo: Path
    layout: Path


class PhotoPairs:
    """A PairDataset over files. Photographs are resized with antialiased bicubic, layouts by nearest neighbour.

    Both are stretched to `size` where its aspect ratio differs from the file's, as the paper does.
    Raises InputError for a label map in a lossy format.
    """

    def __init__(self, files: Sequence[FilePair], labels: LabelSpace, size: tuple[int, int]):
        self.files = list(files)
        self.labels = labels
        self.size = (int(size[0]), int(size[1]))
        for file in self.files:
            if file.layout.suffix.lower() in LOSSY_SUFFIXES:
                raise InputError(f"{file.layout}: lossy compression changes class ids; expected layouts as PNG")

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
        layout = np.asarray(Image.fromarray(layout).resize((width, height), Image.Resampling.NEAREST))
    return Pair(name, np.ascontiguousarray(photo.transpose(2, 0, 1)), np.ascontiguousarray(layout))


def require_folder(path: Path | str, contents: str) -> Path:
    """`path` as a folder; InputError when it is missing or a file. contents: what the folder should hold."""
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"{path}: no such folder; expected {contents}")
    if not path.is_dir():
        raise InputError(f"{path} is a file; expected a folder with {contents}")
    return path


def images_by_name(folder: Path, pattern: str = "*", ending: str = "",
                   suffixes: Sequence[str] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Image files below `folder` that match the glob `pattern`, by file stem without `ending`; hidden files left out.

    Raises InputError when two files have the same name, because pairs are known by it.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.glob(pattern)):
        if file.name.startswith(".") or file.suffix.lower() not in suffixes or not file.stem.endswith(ending):
            continue
        name = file.stem.removesuffix(ending)
        if name in found:
            raise InputError(f"{file} and {found[name]} have the same name '{name}'; names are unique in a split")
        found[name] = file
    return found


def match(photos: Mapping[str, Path], layouts: Mapping[str, Path], photo_folder: Path,
          layout_folder: Path) -> list[FilePair]:
    """Pairs sorted by name. Raises InputError for no pair at all, a photograph without layout, or the reverse."""
    if not photos and not layouts:
        raise InputError(f"no pairs: {photo_folder} has no photographs and {layout_folder} no layouts")
    _check_partners(photos, layouts, "photograph", "layout", layout_folder)
    _check_partners(layouts, photos, "layout", "photograph", photo_folder)
    return [FilePair(name, photos[name], layouts[name]) for name in sorted(photos)]


def _check_partners(here: Mapping[str, Path], there: Mapping[str, Path], kind: str, partner: str,
                    partner_folder: Path) -> None:
    alone = sorted(set(here) - set(there))
    if alone:
        more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
        raise InputError(f"{here[alone[0]]}: {kind} without {partner}; expected one for '{alone[0]}' "
                         f"in {partner_folder}{more}")


def match_folders(photo_folder: Path, layout_folder: Path, contents: str) -> list[FilePair]:
    """Pairs of two flat folders whose files have the same stems."""
    require_folder(photo_folder, contents)
    require_folder(layout_folder, contents)
    return match(images_by_name(photo_folder), images_by_name(layout_folder), photo_folder, layout_folder)


def read_lines(file: Path) -> list[str]:
    """Stripped lines of a text file that are not empty. Raises InputError for an empty file or one that is no text."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a UTF-8 text file") from None
    lines = [line for line in lines if line]
    if not lines:
        raise InputError(f"{file}: the list is empty")
    return lines
