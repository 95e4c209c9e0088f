"""A method's images: reading them, content hashes, and adding folders that other systems have made."""

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from data.errors import InputError
from data.files import list_folder, png_bit_depth, put_in_place, read_image, staging_folder
from data.photographs import same_name
from evaluation.run_directory import FLOOR, PHOTOS, Method, RunDirectory

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
ORIENTATION = 0x0112  # of EXIF
OTHER_FORMATS = (".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm")
PROBLEMS = {  # kind -> what is wrong with files, what to do; {size}: height x width of the layouts
    "missing": ("layouts without an image", "synthesize these layouts too, under the layout's own name"),
    "unknown": ("names that are no layout's", "remove or rename them: files are named <layout>.png, or <layout>_1.png "
                                              "... <layout>_k.png for k images"),
    "format": ("not PNG", "save PNG (other formats change scores); convert from the system's raw output, not from a "
                          "JPEG"),
    "size": ("not {size} (height x width)", "resize in the system that made them, so that you choose and state the "
                                            "filter"),
    "mode": ("not 8-bit RGB", "save 8-bit RGB without alpha or palette"),
    "turned": ("rotated by their EXIF orientation", "save them upright and without EXIF"),
    "broken": ("broken or truncated", "copy or synthesize them again"),
    "folders": ("folders, whose files are not read", "give the folder that holds the files themselves"),
}


def read_images(files: Sequence[Path], size: tuple[int, int]) -> np.ndarray:
    """uint8 [N, 3, H, W] in the order of `files`. Raises InputError naming a missing, truncated or odd-sized file."""
    images = np.empty((len(files), 3, *size), np.uint8)
    for i, file in enumerate(files):
        image = read_image(file)
        if image.shape[:2] != tuple(size):
            raise InputError(f"{file}: {_size(image.shape)}, expected {_size(size)} (height x width) like its layout")
        images[i] = image.transpose(2, 0, 1)
    return images


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]}x{shape[1]}"


def sizes_in(folder: Path) -> Counter:
    """Number of PNG files of each (height, width) in a folder, by their headers. Raises InputError if none can be
    read."""
    sizes: Counter = Counter()
    for file in list_folder(folder, "*.png"):
        with suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError), Image.open(file) as image:
            sizes[image.height, image.width] += 1
    if not sizes:
        broken = len(list_folder(folder, "*.png"))
        others = sum(file.suffix.lower() in OTHER_FORMATS for file in list_folder(folder))
        why = f" that can be read ({broken} broken)" if broken else f" ({others} of other formats)" if others else ""
        raise InputError(f"--images: {folder} holds no PNG file{why}; {PROBLEMS['format'][1]}")
    return sizes


def size_of(run: RunDirectory) -> tuple[int, int]:
    """Height and width of the run's layouts. Raises InputError when the run has none."""
    layouts = run.layouts()
    check_layouts(run)
    if not layouts:
        raise InputError(f"{run.dataset / 'layouts'}: no layouts; run the stages before scoring first")
    return run.layout(layouts[0]).shape


def check_layouts(run: RunDirectory) -> None:
    """Raises InputError naming photographs of the dataset whose layouts are missing."""
    photos = {file.stem for file in list_folder(run.dataset / "photos", "*.png")}
    if gone := sorted(photos - set(run.layouts())):
        raise InputError(f"{run.dataset / 'layouts'}: {_some([f'{name}.png' for name in gone])} missing; any stage of "
                         "the main job that can read the data writes them again")


def variants_of(run: RunDirectory, method: str, k: int, layout: str) -> list[Path]:
    """The k image files of one layout, u = 1..k; the photograph itself for PHOTOS."""
    if k == 1 or method == PHOTOS:
        return [run.image_file(method, layout)]
    return [run.variant_file(method, layout, u) for u in range(1, k + 1)]


def check_complete(run: RunDirectory, method: Method) -> None:
    """Raises InputError when an image of the method is missing or has no layout's name."""
    check_layouts(run)
    layouts = run.layouts()
    folder = run.method_folder(method.name) / "images"
    files = {file.stem for file in list_folder(folder, "*.png")}
    lost = [name for name in layouts if name not in files]
    lost += [file.name for name in layouts for file in variants_of(run, method.name, method.images_per_layout, name)
             if not file.exists()] if not lost else []
    if lost:
        raise InputError(f"{folder}: {_some(lost)} of {len(layouts)} layouts missing; synthesize again, or leave the "
                         "method out")
    if extra := sorted(files - set(layouts)):
        raise InputError(f"{folder}: images without a layout: {_some(extra)}; remove them")


def _some(names: Sequence[str], shown: int = 4) -> str:
    return f"{len(names)} ({', '.join(names[:shown])}{', ...' if len(names) > shown else ''})"


def content_hash(files: Iterable[Path]) -> str:
    """SHA-256 over names and bytes of files, in the order given. Raises InputError naming a missing file."""
    digest = hashlib.sha256()
    for file in files:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{file}: no such file") from None
        digest.update(f"{file.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def pixel_hash(photo: np.ndarray) -> str:
    """SHA-256 of the pixels of a photo, uint8 [3, H, W], whatever file they came from."""
    return hashlib.sha256(np.ascontiguousarray(photo).tobytes()).hexdigest()


def check_images(run: RunDirectory, name: str, folder: str | Path) -> tuple[Method, dict[str, list[Path]]]:
    """The method that a folder of PNG files named like the layouts would become, and its files by layout. Changes
    nothing.

    <layout>_1.png ... <layout>_k.png for every layout gives k images per layout. Raises InputError for a name that a
    trained method has or that is another method's title, and for all unfit files together, with what to do about them.
    """
    _check_name(run, name)
    folder, layouts = Path(folder), run.layouts()
    if not folder.is_dir():
        raise InputError(f"--images {name}={folder}: no such folder")
    size = size_of(run)
    k, files = _match(folder, layouts)
    if problems := _problems(folder, {f"{stem}.png" for layout in layouts for stem in _stems(layout, k)}, size):
        raise InputError(f"--images {name}={folder}: " + "; ".join(
            f"{PROBLEMS[kind][0].format(size=_size(size))}: {_some(names)} -> {PROBLEMS[kind][1]}"
            for kind, names in problems.items()))
    return Method(name, name, kind="images", images_per_layout=k, notes=[f"images given, folder {folder.name}"]), files


def add_images(run: RunDirectory, name: str, folder: str | Path) -> Method:
    """Add a folder of PNG files named like the layouts to the run as method `name` (kind "images").

    Files are copied byte for byte, unless the run has the same ones already. Raises InputError as check_images does.
    """
    method, files = check_images(run, name, folder)
    if not _has_same_images(run, method, files):
        _copy(run, method, files)
    return method


def _check_name(run: RunDirectory, name: str) -> None:
    if not NAME_PATTERN.fullmatch(name) or name in (PHOTOS, FLOOR):
        raise InputError(f"--images {name}=...: a method's name is letters, digits and _ . + - (not {PHOTOS}, {FLOOR})")
    methods = run.methods()
    if titled := next((m for m in [*methods, *run.merged_methods()] if m.title == name and m.name != name), None):
        raise InputError(f"--images {name}=...: '{name}' is what tables call the method '{titled.name}'; choose "
                         "another name")
    trained = any(method.name == name and method.kind != "images" for method in methods)
    if trained or (run.method_folder(name) / "checkpoint.pt").exists():
        raise InputError(f"--images {name}=...: '{name}' is a method trained by this run; choose another name")


def _match(folder: Path, layouts: list[str]) -> tuple[int, dict[str, list[Path]]]:
    """Number of images per layout, and the files of each layout. It is the number whose expected names fit all names
    in the folder best: with layouts a and a_1, the files a_1 and a_1_1 are one image of each or the first two of a.
    """
    present = {same_name(file.stem): file for file in list_folder(folder, "*.png")}
    endings = {int(stem.rpartition("_")[2]) for stem in present if stem.rpartition("_")[2].isdecimal()}
    counts = [1, *sorted(k for k in endings if 2 <= k <= len(present))]
    k = min(counts, key=lambda k: len(set(present) ^ {stem for name in layouts for stem in _stems(name, k)}))
    return k, {name: [present.get(stem, folder / f"{stem}.png") for stem in _stems(name, k)] for name in layouts}


def _stems(layout: str, k: int) -> list[str]:
    return [layout] if k == 1 else [f"{layout}_{u}" for u in range(1, k + 1)]


def _problems(folder: Path, expected: set[str], size: tuple[int, int]) -> dict[str, list[str]]:
    """Kind of problem -> names of the files that have it, for kinds that occur."""
    entries = list_folder(folder)
    files = [entry for entry in entries if entry.is_file()]
    found: dict[str, list[str]] = {kind: [] for kind in PROBLEMS}
    found["missing"] = sorted(expected - {same_name(file.name) for file in files})
    for file in files:
        if kind := _problem(file, expected, size):
            found[kind].append(file.name)
    if found["missing"]:
        found["folders"] = [f"{entry.name}/" for entry in entries if entry.is_dir()]
    return {kind: names for kind, names in found.items() if names}


def _problem(file: Path, expected: set[str], size: tuple[int, int]) -> str | None:
    if file.suffix.lower() in OTHER_FORMATS:
        return "format"
    if same_name(file.name) not in expected:
        return "unknown"
    try:
        with Image.open(file) as image:
            if image.format != "PNG":
                return "format"
            if image.mode != "RGB" or png_bit_depth(file) != 8:  # Pillow opens 16-bit RGB as if it had 8
                return "mode"
            image.load()
            if image.getexif().get(ORIENTATION, 1) != 1:  # some programs rotate it, others do not
                return "turned"
        return None if read_image(file).shape[:2] == tuple(size) else "size"
    except (OSError, SyntaxError, ValueError, InputError, Image.DecompressionBombError):
        return "broken"


def _has_same_images(run: RunDirectory, method: Method, files: dict[str, list[Path]]) -> bool:
    if method not in run.methods():
        return False
    try:
        check_complete(run, method)
    except InputError:
        return False
    return all(source.read_bytes() == target.read_bytes() for layout, sources in files.items() for source, target
               in zip(sources, variants_of(run, method.name, method.images_per_layout, layout), strict=True))


def _copy(run: RunDirectory, method: Method, files: dict[str, list[Path]]) -> None:
    target = run.method_folder(method.name)
    staging = staging_folder(target)
    shutil.rmtree(staging, ignore_errors=True)
    try:
        for part in ("images", "variants")[: 1 + (method.images_per_layout > 1)]:
            (staging / part).mkdir(parents=True)
        for layout, sources in files.items():
            shutil.copyfile(sources[0], staging / "images" / f"{layout}.png")
            for u, source in enumerate(sources, 1):
                if len(sources) > 1:
                    shutil.copyfile(source, staging / "variants" / f"{layout}_{u}.png")
        put_in_place(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    run.write_method(method)
