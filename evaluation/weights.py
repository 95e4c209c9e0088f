"""Weights of the networks from outside that the suite can use: where they come from, and whether they are found.

    python -m evaluation.weights                      every network: use, licence, size, address, SHA-256, found or not
    python -m evaluation.weights get inception vgg19  fetch some of them

Only `get` uses the network, through the proxies of the usual variables (https_proxy, no_proxy); a run never downloads.
A file gets its name once its SHA-256 is right; a transfer that breaks off goes on when the same command is run again.
"""

import argparse
import errno
import http.client
import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError, nearest, one_line_errors
from data.files import sha256

TORCHVISION = "none stated for the weights (torchvision: BSD-3-Clause); terms may follow from ImageNet's"
TIMEOUT, BLOCK = 30, 1 << 20  # seconds without an answer, bytes read at once


@dataclass(frozen=True)
class WeightsFile:
    """sha256: of the file, or its first 8 digits, which torchvision's file names hold; None: not known. A description
    in JSON (is_text) needs none: it holds no code and no weights."""

    url: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]

    @property
    def is_text(self) -> bool:
        return self.name.endswith(".json")


@dataclass(frozen=True)
class PublicNetwork:
    """use: what for, and the setting. in_folder: the files make a folder of the network's name."""

    use: str
    licence: str
    megabytes: float
    files: tuple[WeightsFile, ...]
    in_folder: bool = False


def _of_torchvision(name: str, digest: str | None = None) -> tuple[WeightsFile]:
    digits = name.rsplit("-", 1)[1].removesuffix(".pth")
    return (WeightsFile(f"https://download.pytorch.org/models/{name}", digest or digits),)


def _of_hub(model: str, revision: str, digest: str | None) -> tuple[WeightsFile, ...]:
    address = f"https://huggingface.co/{model}/resolve/{revision}"
    return (WeightsFile(f"{address}/config.json"), WeightsFile(f"{address}/preprocessor_config.json"),
            WeightsFile(f"{address}/model.safetensors", digest))


NETWORKS: dict[str, PublicNetwork] = {
    "inception": PublicNetwork(
        "FID, KID, IS: score.extractors=[{kind: inception}]", "Apache-2.0", 95.6,
        (WeightsFile("https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
                     "weights-inception-2015-12-05-6726825d.pth",
                     "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"),)),
    "vgg19": PublicNetwork("the content loss: perceptual.source=torchvision", TORCHVISION, 548.1,
                           _of_torchvision("vgg19-dcbb9e9d.pth")),
    "vgg16": PublicNetwork(
        "precision and recall of 2019: {kind: vgg16}; LPIPS's trunk: score.lpips", TORCHVISION, 527.8,
        _of_torchvision("vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0")),
    "alexnet": PublicNetwork("LPIPS's trunk: score.lpips", TORCHVISION, 233.1,
                             _of_torchvision("alexnet-owt-7be5be79.pth")),
    "squeezenet": PublicNetwork("LPIPS's trunk: score.lpips", TORCHVISION, 4.7,
                                _of_torchvision("squeezenet1_1-b8a52dc0.pth")),
    "dinov2-vit-l14": PublicNetwork(
        "FD-DINOv2: {kind: transformers, path: dinov2-vit-l14}", "Apache-2.0", 1220,
        _of_hub("facebook/dinov2-large", "main", "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23"),
        in_folder=True),
    "segformer-b5-cityscapes": PublicNetwork(
        "a judge for Cityscapes: judge={source: huggingface, path: segformer-b5-cityscapes}",
        "NVIDIA's own, see the model's page", 339,
        _of_hub("nvidia/segformer-b5-finetuned-cityscapes-1024-1024", "b6e4c4143a549ac9cf16ee2ea222ab01959d9e04", None),
        in_folder=True),
}


def folder() -> Path:
    """torch.hub's cache for weights, as torch finds it."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def place(name: str, file: WeightsFile) -> Path:
    return (folder() / name if NETWORKS[name].in_folder else folder()) / file.name


def found(name: str) -> bool:
    """Whether all files of a network are in their place; their hashes are checked when they are loaded."""
    return all(place(name, file).is_file() for file in NETWORKS[name].files)


def table() -> str:
    lines = []
    for name, network in NETWORKS.items():
        lines += [f"{name}: {'found' if found(name) else 'not found'}", f"  for      {network.use}",
                  f"  licence  {network.licence}; {network.megabytes:,.1f} MB",
                  f"  in       {place(name, network.files[0]).parent}"]
        for file in network.files:
            lines.append(f"  address  {file.url}")
            if not file.is_text:
                digits = file.sha256 or "unknown, so it is fetched only with --sha256"
                shortened = "... (the digits in the file's name)" if len(digits) < 10 else ""
                lines.append(f"  SHA-256  {digits}{shortened}")
    return "\n".join(lines)


def get(names: Sequence[str], digest: str | None = None) -> None:
    """Fetch the networks that are not found. digest: the SHA-256 of the weights, where the table has none. Raises
    InputError for an unknown name, a hash that is missing or wrong, and whatever goes wrong on the way."""
    for name in names:
        if name not in NETWORKS:
            raise InputError(f"unknown network '{name}': {nearest(name, NETWORKS)}")
        for file in NETWORKS[name].files:
            if file.sha256 is None and not file.is_text and digest is None:
                raise InputError(f"{name}: the SHA-256 of {file.url} is not known here; take it from where its "
                                 "authors publish it, and give it with --sha256")
    if digest is not None and len(names) != 1:
        raise InputError("--sha256 is for one network at a time")
    for name in names:
        for file in NETWORKS[name].files:
            target = place(name, file)
            if target.is_file():
                print(f"{target}: found")
                continue
            download(file, target, digest or file.sha256)
            print(f"{target}: fetched" + ("" if file.is_text else ", SHA-256 is right"))


def download(file: WeightsFile, target: Path, expected: str | None) -> None:
    """Fetch a file to a hidden one beside `target`, from where an earlier try ended, and rename it once it is right."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    if (answer := _open(file.url, _size(part), target)) is not None:
        with answer:
            _receive(answer, part, file.url)
    _check(part, file, expected)
    os.replace(part, target)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _open(url: str, start: int, target: Path) -> Any:
    """The server's answer; None where it has nothing beyond what is there already."""
    headers = {"User-Agent": "evaluation.weights"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.build_opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return None
        raise InputError(f"{url}: the server answers {error.code} {error.reason}") from None
    except OSError as error:  # also of names that are not found, and of time that runs out
        raise InputError(f"{url}: no connection ({getattr(error, 'reason', error)}); without one, put the file at "
                         f"{target}") from None


def _receive(answer: Any, part: Path, url: str) -> None:
    """Append the answer to what an earlier try left, or begin again where the server sends all of the file."""
    start = _size(part) if answer.status == http.HTTPStatus.PARTIAL_CONTENT else 0
    length = int(answer.headers.get("Content-Length") or 0)
    if (free := shutil.disk_usage(part.parent).free) < length:
        raise InputError(f"{part.parent}: {free / 1e6:,.1f} MB are free, {url} needs {length / 1e6:,.1f} MB more")
    try:
        with open(part, "ab") as out:
            out.truncate(start)
            while block := answer.read(BLOCK):
                out.write(block)
                _show(part.name, out.tell(), start + length)
    except (http.client.HTTPException, ConnectionError, TimeoutError):
        pass  # the size below tells how far it got
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise InputError(f"{part.parent}: no space left on the disk; {_size(part) / 1e6:,.1f} MB are kept, the same "
                         "command goes on from there") from None
    if _size(part) < start + length:
        raise InputError(f"{url}: broke off after {_size(part) / 1e6:,.1f} of {(start + length) / 1e6:,.1f} MB; the "
                         "same command goes on from there")


def _show(name: str, done: int, total: int) -> None:
    """Progress on a terminal."""
    if sys.stderr.isatty() and total:
        bar = "#" * (30 * done // total)
        print(f"\r{bar:30} {done / 1e6:,.1f} of {total / 1e6:,.1f} MB", end="\n" if done >= total else "", flush=True,
              file=sys.stderr)


def _check(part: Path, file: WeightsFile, expected: str | None) -> None:
    """Raises InputError, and deletes the file, where it is not what was expected."""
    if file.is_text:
        try:
            json.loads(part.read_text(encoding="utf-8"))
            return
        except ValueError:
            part.unlink()
            raise InputError(f"{file.url}: not JSON; deleted") from None
    if not (digest := sha256(part)).startswith((expected or "-").lower()):
        part.unlink()
        raise InputError(f"{file.url}: its SHA-256 is {digest}, expected {expected}; deleted")


def main(argv: list[str] | None = None) -> int:
    usage = argparse.ArgumentParser(prog="python -m evaluation.weights", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = usage.add_subparsers(dest="command")
    fetch = commands.add_parser("get", help="fetch networks by name")
    fetch.add_argument("names", nargs="+", metavar="NAME", help=", ".join(NETWORKS))
    fetch.add_argument("--sha256", metavar="HEX", help="of the weights, where the table says unknown")
    args = usage.parse_args(argv)
    with one_line_errors("evaluation.weights"):
        if args.command == "get":
            get(args.names, args.sha256)
        else:
            print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
