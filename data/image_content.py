"""The content of image files regardless of their names: format, whether it keeps every value, channels."""

from pathlib import Path

from PIL import Image

KEEPS_IDS = ("PNG", "BMP", "DIB", "GIF", "PPM", "TIFF", "TGA", "PCX")  # Pillow's names of formats without loss
LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp", "jpeg2000")

# Pillow opens numbers of one channel in these modes; big-endian 16 bits are I;16B
ID_MODES = ("L", "P", "1", "I", "I;16", "I;16B", "I;16L", "I;16N")
CHANNELS = {"F": "one channel of floating-point numbers", "LA": "two channels (greyscale and alpha)",
            "PA": "two channels (palette and alpha)", "La": "two channels (greyscale and alpha)",
            "RGB": "three channels (RGB)", "YCbCr": "three channels (YCbCr)", "LAB": "three channels (LAB)",
            "HSV": "three channels (HSV)", "RGBA": "four channels (RGBA)", "RGBX": "four channels (RGBX)",
            "RGBa": "four channels (RGBA)", "CMYK": "four channels (CMYK)"}

SIGNATURES = (  # (offset, bytes, what such a file is)
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself; fetch it with git lfs pull"),
    (4, b"ftypavif", "an AVIF picture"), (4, b"ftypheic", "a HEIC picture"), (4, b"ftypheix", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"), (4, b"ftyp", "a film or HEIF picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"), (4, b"JXL ", "a JPEG XL picture"),
    (4, b"jP  ", "a JPEG 2000 picture"), (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"), (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"8BPS", "a Photoshop file"), (0, b"PK\x03\x04", "a ZIP archive"), (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"%PDF", "a PDF"), (0, b"<!DOCTYPE", "an HTML page"), (0, b"<html", "an HTML page"), (0, b"<svg", "an SVG"),
    (0, b"<?xml", "an XML file"), (0, b"MATLAB 5.0", "a MATLAB file"), (0, b"\x89HDF", "an HDF5 file"))


def named(path: Path) -> str | None:
    """What a file that Pillow cannot open is, by its first bytes; None if they are not known."""
    with open(path, "rb") as file:
        head = file.read(32)
    if not head.strip(b"\0"):
        return "empty" if not head else "nothing but zeros at its beginning"
    return next((what for offset, mark, what in SIGNATURES if head[offset:].startswith(mark)), None)


def lossy_as(image: Image.Image) -> str | None:
    """The lossy compression of an opened picture; None where every value is kept."""
    if image.format == "TIFF":
        compression = str(image.info.get("compression", "raw"))
        lossy = compression in LOSSY_TIFF
        return f"TIFF with {compression.removeprefix('tiff_').upper()} compression" if lossy else None
    return None if image.format in KEEPS_IDS else str(image.format)
