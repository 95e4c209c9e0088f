"""Images of label maps that have no photographs, such as an edited layout, by networks that are trained already.

    python -m evaluation.synthesize --run runs/street --layouts FOLDER --out FOLDER
    python -m evaluation.synthesize --checkpoint FILE --layouts FOLDER --out FOLDER --labels labels.yaml

The label maps hold class indices, as those in RUN/dataset/layouts do: copy one, edit it. Ids of a dataset's own need
--labels, see data/label_file.py. Writes FOLDER/METHOD/LAYOUT.png, or LAYOUT_1.png ... LAYOUT_k.png for k images.

The same command on the same machine gives the same pixels. Another processor, number of threads or number of layouts
in a batch rounds differently: pixels then differ by one level of 255 at most (methods that draw noise draw it for a
batch as a whole).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.errors import InputError, nearest, one_line_errors
from data.files import list_folder, read_image, write_png
from data.label_file import read_label_file
from data.labels import LabelSpace
from data.photographs import at_size, images_by_name, require_folder
from evaluation.pipeline.synthesis import batch_size
from evaluation.run_directory import RunDirectory
from models.layers import one_hot
from training.fabric import resolve_device
from training.harness import CHECKPOINT, to_uint8
from training.suite import derived_seed, load_generator

SHOWN = 5  # unfit label maps named in the message


def trained(run: RunDirectory, methods: str | None) -> dict[str, Path]:
    """Name -> checkpoint of the named methods, or of all that the run has trained. Raises InputError."""
    found = {file.parent.name: file for file in list_folder(run.path / "methods", f"*/{CHECKPOINT}")}
    if not found:
        raise InputError(f"{run.path / 'methods'}: no trained method; run the stage `train` first")
    names = [name.strip() for name in methods.split(",")] if methods else list(found)
    for name in names:
        if name not in found:
            raise InputError(f"--methods {name}: not trained in {run.path}: {nearest(name, found)}")
    return {name: found[name] for name in names}


def read_layouts(folder: Path, labels: LabelSpace, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Name -> uint8 [H, W] class indices at `size`, by nearest neighbour. Raises InputError naming every unfit file."""
    files = images_by_name(require_folder(folder, "label maps"))
    if not files:
        raise InputError(f"{folder}: no label map in it; PNG files of class indices are expected")
    layouts, problems = {}, []
    for name, file in files.items():
        try:
            layouts[name] = at_size(labels.from_raw(read_image(file, "L"), file), size)
        except InputError as error:
            problems.append(str(error))
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise InputError("; ".join(problems[:SHOWN]) + more)
    return layouts


def labels_of(described: dict[str, Any], file: Path | None) -> LabelSpace:
    """The classes that a network was trained on, with the ids of --labels. Raises InputError where these differ."""
    own = LabelSpace.from_json(described["labels"])
    if file is None:
        return own
    given = read_label_file(file).labels
    if list(given.names) != list(own.names):
        raise InputError(f"{file}: its names are not those that the network was trained on: {', '.join(own.names)}")
    return given


@torch.no_grad()
def synthesize(checkpoint: Path, folder: Path, out: Path, name: str, seed: int, device: str,
               labels: Path | None = None) -> int:
    """Write the images of every label map in a folder; how many there were."""
    generator, described = load_generator(checkpoint)
    size = tuple(described["size"])
    layouts = read_layouts(folder, labels_of(described, labels), size)
    generator = generator.to(device, memory_format=torch.channels_last)
    names, step = list(layouts), batch_size(*size)
    for first in range(0, len(names), step):
        batch = names[first : first + step]
        torch.manual_seed(derived_seed(derived_seed(seed, name), batch[0]))
        stacked = torch.from_numpy(np.stack([layouts[layout] for layout in batch])).to(device)
        images = to_uint8(generator(one_hot(stacked, described["classes"]))).cpu()
        for layout, pictures in zip(batch, images[:, described["order"]], strict=True):
            _write(out / name, layout, pictures)
    return len(names)


def _write(folder: Path, layout: str, pictures: Tensor) -> None:
    """pictures: uint8 [K, 3, H, W]."""
    arrays = pictures.permute(0, 2, 3, 1).contiguous().numpy()
    for u, array in enumerate(arrays, start=1):
        write_png(folder / (f"{layout}.png" if len(arrays) == 1 else f"{layout}_{u}.png"), array)


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m evaluation.synthesize", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    source = usage.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, metavar="DIR", help="run directory with trained methods")
    source.add_argument("--checkpoint", type=Path, metavar="FILE", help="checkpoint of one method")
    usage.add_argument("--layouts", type=Path, required=True, metavar="FOLDER", help="label maps, PNG")
    usage.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="gets the images")
    usage.add_argument("--methods", metavar="A,B,...", help="of the run; default: all that are trained")
    usage.add_argument("--labels", type=Path, metavar="FILE", help="labels.yaml: what the ids in the files mean")
    usage.add_argument("--seed", type=int, default=0, help="of the noise that some methods draw; default: 0")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    return usage


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("evaluation.synthesize"):
        if args.methods and args.checkpoint:
            raise InputError("--methods: a checkpoint is one method; give --run instead of --checkpoint")
        if args.checkpoint:
            checkpoints = {args.checkpoint.resolve().parent.name: args.checkpoint}
        else:
            checkpoints = trained(RunDirectory.open(args.run), args.methods)
        for name, file in checkpoints.items():
            count = synthesize(file, args.layouts, args.out, name, args.seed, resolve_device(args.device), args.labels)
            print(f"{name}: images of {count} layouts in {args.out / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
