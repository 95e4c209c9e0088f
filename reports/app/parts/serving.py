"""Pictures of the runs as files over HTTP, byte for byte: not re-encoded and not sent through the websocket.

    pictures/<run>/photos/<layout>              <run>: its number on the command line
    pictures/<run>/layouts/<layout>             class indices with the colours of their classes
    pictures/<run>/images/<method>/<layout>
    pictures/<run>/variants/<method>/<layout>/<u>
    pictures/<run>/samples/<method>/<file>      sample pictures of a training
    pictures/<run>/previews/<budget>/<method>/<layout>   of a reference, JPEG
    hits/<run>/<study>/<table>/<row>/page       a HIT as a participant sees it, its pictures below .../images/

With `?width=320` each is a preview, reduced if the picture is wider. For a picture that cannot be shown the answer is a
sentence with status 404.
"""

import io
import os
import struct
import zlib
from functools import lru_cache
from pathlib import Path

from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.errors import InputError
from data.files import read_rows
from evaluation.run_directory import RunDirectory
from reports.app.parts.sources import folders
from reports.tables.pictures import PNG_SIGNATURE, layout_png, png_bytes

PREVIEW_WIDTHS = (160, 320, 640)
_GREY_8 = (8, 0)  # bit depth and colour type of a PNG's header; the same pixels are indices with (8, 3)
_OUTSIDE = b"\xff\x00\xff"


def routes(arguments: list[str], base: str = "") -> list[Route]:
    """Routes for the runs on the command line. base: path of the app behind a proxy (server.baseUrlPath)."""
    runs = [RunDirectory(folder) for folder in folders(arguments)]

    async def picture(request: Request) -> Response:
        try:
            run = runs[int(request.path_params["run"])]
            parts = request.path_params["path"].split("/")
            return await run_in_threadpool(_answer, run, parts, request)
        except (IndexError, ValueError):
            return Response("no such picture", 404, media_type="text/plain")

    async def hit(request: Request) -> Response:
        try:
            run = runs[int(request.path_params["run"])]
            return await run_in_threadpool(_hit, run, request.path_params["path"].split("/"))
        except (IndexError, ValueError):
            return Response("no such HIT", 404, media_type="text/plain")

    prefix = f"/{base}" if base else ""
    return [Route(f"{prefix}/pictures/{{run:int}}/{{path:path}}", picture),
            Route(f"{prefix}/hits/{{run:int}}/{{path:path}}", hit)]


def _hit(run: RunDirectory, parts: list[str]) -> Response:
    """A row of a HIT table on the batch's page, or one of its pictures. The page is sandboxed and cannot send data."""
    try:
        _check(parts)
        match parts:
            case [study, _, _, "images", picture]:
                return Response(png_bytes(run.study / study / "public" / "images" / picture), media_type="image/png")
            case [study, table, row, "page"]:
                page = hit_page(run.study / study / "public", table, int(row))
                sandbox = {"Content-Security-Policy": "sandbox allow-scripts"}
                return Response(page, media_type="text/html", headers=sandbox)
        raise InputError("no such HIT")
    except (InputError, OSError) as error:
        return Response(_without_folder(str(error), run), 404, media_type="text/plain")


def hit_page(public: Path, table: str, row: int) -> str:
    """The batch's page filled in with a row of a table, as a platform does. Raises InputError, IndexError."""
    try:
        page = (public / "template.html").read_text(encoding="utf-8")
        values = read_rows(public / f"{table}.csv")[row]
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file") from None
    for name, value in values.items():
        page = page.replace("${" + name + "}", value or "")
    return f"<!doctype html><html lang='en'><meta charset='utf-8'><title>HIT</title><body><form>{page}</form></body>"


def _answer(run: RunDirectory, parts: list[str], request: Request) -> Response:
    try:
        file = picture_file(run, parts)
        width = next((width for width in PREVIEW_WIDTHS if request.query_params.get("width") == str(width)), None)
        tag = _tag(file, width)
        headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        layout = parts[0] == "layouts"
        content = _preview(run, file, layout, width, tag) if width else _content(run, file, layout)
        kind = "image/png" if content.startswith(PNG_SIGNATURE) else "image/jpeg"
        return Response(content, media_type=kind, headers=headers)
    except (InputError, OSError) as error:
        return Response(_without_folder(str(error), run), 404, media_type="text/plain")


def picture_file(run: RunDirectory, parts: list[str]) -> Path:
    """The file at an address. Raises InputError for an address without a file."""
    _check(parts)
    match parts:
        case ["photos", layout]:
            return run.photo_file(layout)
        case ["layouts", layout]:
            return run.dataset / "layouts" / f"{layout}.png"
        case ["images", method, layout]:
            return run.image_file(method, layout)
        case ["variants", method, layout, u]:
            return run.method_folder(method) / "variants" / f"{layout}_{u}.png"
        case ["previews", budget, method, layout]:
            return run.path / "previews" / budget / method / f"{layout}.jpg"
        case ["samples", method, name]:
            return run.method_folder(method) / "samples" / f"{name}.png"
    raise InputError("no such picture")


def _check(parts: list[str]) -> None:
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise InputError("no such picture")


def _tag(file: Path, width: int | None) -> str:
    try:
        about = os.stat(file)
    except FileNotFoundError:
        raise InputError(f"{file}: no such image") from None
    return f'"{about.st_mtime_ns:x}-{about.st_size:x}-{width or 0}"'


def _without_folder(message: str, run: RunDirectory) -> str:
    """The message without the run's folder on the server, which visitors need not know."""
    return message.replace(f"{run.path}{os.sep}", "")


def _content(run: RunDirectory, file: Path, layout: bool) -> bytes:
    if file.suffix == ".jpg":  # previews of a reference; pictures of a run are PNG
        return file.read_bytes()
    return layout_bytes(run, file) if layout else png_bytes(file)


@lru_cache(maxsize=512)
def _preview(run: RunDirectory, file: Path, layout: bool, width: int, tag: str) -> bytes:
    """`tag` is part of the cache key: it changes with the file."""
    return preview(_content(run, file, layout), width)


def layout_bytes(run: RunDirectory, file: Path) -> bytes:
    """PNG of a layout in the colours of its classes.

    An 8-bit greyscale file becomes a palette file by changing only its header; its compressed pixels stay as they are.
    Classes outside the label space are magenta.
    """
    content = png_bytes(file)
    labels = run.labels()
    if tuple(content[24:26]) != _GREY_8:
        return layout_png(run.layout(file.stem), labels)
    header = content[16:25] + b"\x03" + content[26:29]
    palette = b"".join(map(bytes, labels.colours)) + _OUTSIDE * (256 - len(labels))
    return PNG_SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"PLTE", palette) + content[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def preview(content: bytes, width: int) -> bytes:
    """The picture reduced to `width` by averaging pixels; unchanged if it is not wider."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width <= width:
                return content
            small = image.convert("RGB").resize((width, max(1, round(image.height * width / image.width))),
                                                Image.Resampling.BOX, reducing_gap=2)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"the picture cannot be decoded ({error})") from None
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
