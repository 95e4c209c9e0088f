"""Pictures of a run as exact PNG pixels, for the report and the app. Nothing here re-encodes a method's image."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from data.errors import InputError
from data.files import list_folder
from data.labels import LabelSpace
from evaluation.run_directory import RunDirectory

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def evenly_spaced(names: list[str], count: int) -> list[str]:
    """`count` of the names at equal distances, first and last included; all of them if there are fewer."""
    if len(names) <= count:
        return list(names)
    return [names[i] for i in np.linspace(0, len(names) - 1, count).round().astype(int)]


def png_bytes(file: Path) -> bytes:
    """The file as it is. Raises InputError when it is missing, no PNG or truncated."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{file}: no such image") from None
    if not content.startswith(PNG_SIGNATURE):
        raise InputError(f"{file}: not a PNG file; images are shown and scored as PNG only")
    if b"IEND" not in content[-12:]:
        raise InputError(f"{file}: truncated PNG file")
    return content


def layout_png(layout: np.ndarray, labels: LabelSpace) -> bytes:
    """PNG picture of a layout [H, W] in the colours of its classes. Raises InputError for a class outside the space."""
    if int(layout.max()) >= len(labels):
        raise InputError(f"a layout holds class {int(layout.max())}, expected 0..{len(labels) - 1}")
    buffer = io.BytesIO()
    Image.fromarray(labels.colourise(layout)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def class_shares(layout: np.ndarray, classes: int) -> np.ndarray:
    """Share of the pixels of each class, float64 [classes], sums to 1."""
    return np.bincount(layout.ravel(), minlength=classes)[:classes] / layout.size


def display_scale(width: int) -> float:
    """Size on the screen: whole multiples for small images, so that their pixels stay exact; half for very large."""
    return 3 if width <= 96 else 2 if width <= 256 else 1 if width <= 640 else 0.5


def image_size(run: RunDirectory) -> tuple[int, int]:
    """(height, width) of the run's layouts. Raises InputError without any."""
    names = run.layouts()
    if not names:
        raise InputError(f"{run.dataset / 'layouts'}: no layouts; the run's first stage has not finished")
    return run.layout(names[0]).shape


def sample_files(run: RunDirectory, method: str, most: int) -> list[tuple[int, Path]]:
    """(step, file) of sample pictures from the training of a method, evenly spaced, the last included."""
    files = list_folder(run.method_folder(method) / "samples", "step_*.png")
    found = {file.name: file for file in files if file.stem.removeprefix("step_").isdecimal()}
    return [(int(found[name].stem.removeprefix("step_")), found[name]) for name in evenly_spaced(list(found), most)]
