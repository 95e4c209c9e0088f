"""Every method's images of the validation layouts, from its checkpoint alone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from data.errors import InputError
from data.files import fingerprint, put_in_place, read_json, sha256, staging_folder, write_png
from data.made import changed_files, is_made, read_record, report_changes, write_record
from evaluation.cache.images import variants_of
from evaluation.metrics.cost import measure, write_cost
from evaluation.run_directory import RunDirectory
from models.layers import one_hot
from training.group import Group
from training.harness import CHECKPOINT, to_uint8
from training.suite import derived_seed, load_generator

BATCH = 8  # layouts, fewer where they are larger than LARGE: the memory of a batch is bounded
LARGE = 256 * 512
MARKER = "synthesis.json"  # the record of a method's images, see data.made


def synthesis_key(run: RunDirectory, method: str, seed: int) -> str:
    checkpoint = run.method_folder(method) / CHECKPOINT
    return fingerprint(sha256(checkpoint), read_json(run.dataset_marker), seed)


def is_synthesized(run: RunDirectory, method: str, seed: int) -> bool:
    """Whether every image was made from this checkpoint and these layouts, and none is missing or changed."""
    record = read_record(file := run.method_folder(method) / MARKER)
    k = record.facts.get("images_per_layout") if record else None
    return isinstance(k, int) and is_made(file, synthesis_key(run, method, seed), _pictures(run, method, k))


def check_pictures(run: RunDirectory, method: str) -> None:
    """Raises InputError if a picture of a trained method is not the one that was synthesized."""
    folder = run.method_folder(method)
    record = read_record(folder / MARKER)
    if record and (changed := [file for file in changed_files(record, folder) if file.exists()]):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise InputError(f"{changed[0]}{more}: changed since it was synthesized; --stages synthesize makes it again, "
                         "--images NAME=FOLDER scores pictures of another system")


def _pictures(run: RunDirectory, method: str, k: int) -> list[Path]:
    """Files of all images of a method: images/, and variants/ for a method with several of each layout."""
    return list(dict.fromkeys(file for name in run.layouts() for file in (
        run.image_file(method, name), *variants_of(run, method, k, name))))


def batch_size(height: int, width: int) -> int:
    return max(1, min(BATCH, BATCH * LARGE // (height * width)))


def synthesize(run: RunDirectory, method: str, seed: int, device: str = "cpu", group: Group | None = None) -> None:
    """Write images/ of every layout (and variants/ for a method with several of each), and the cost of one image.

    Noise of methods that draw some is seeded per batch of layouts: the same checkpoint gives the same pictures. The
    processes of a group share the batches. New pictures take the place of older ones when all of them are written.
    Raises InputError for pictures that are not finite.
    """
    group = group or Group()
    folder = run.method_folder(method)
    generator, described = load_generator(folder)
    generator = generator.to(device, memory_format=torch.channels_last)
    parts = [folder / part for part in ("images", "variants")[: 1 + (described["images"] > 1)]]
    images, variants = (staging_folder(folder / part) for part in ("images", "variants"))
    if group.leads:
        report_changes(folder / MARKER)
        for staging in (images, variants):
            shutil.rmtree(staging, ignore_errors=True)
    group.barrier()
    names = run.layouts()
    size = batch_size(*described["size"])
    starts = range(group.rank * size, len(names), group.size * size)
    batches = [names[first : first + size] for first in starts]
    for batch, outputs in _batches(run, generator, described["classes"], batches, derived_seed(seed, method), device):
        if not outputs.isfinite().all():
            raise InputError(f"{folder / CHECKPOINT}: the images of {', '.join(batch[:4])} are not finite; older "
                             "images are kept; delete the file to train again")
        for name, pictures in zip(batch, to_uint8(outputs)[:, described["order"]].cpu(), strict=True):
            arrays = pictures.permute(0, 2, 3, 1).contiguous().numpy()
            write_png(images / f"{name}.png", arrays[0])
            for u, array in enumerate(arrays, start=1):
                if len(arrays) > 1:
                    write_png(variants / f"{name}_{u}.png", array)
    group.barrier()
    if group.leads:
        for part in parts:
            put_in_place(part)
        layout = one_hot(_layouts(run, names[:1]).to(device), described["classes"])
        write_cost(run, method, measure(generator, layout))
        k = described["images"]
        write_record(folder / MARKER, synthesis_key(run, method, seed), _pictures(run, method, k), images_per_layout=k)
    group.barrier()  # then every process finds the record


def _batches(run: RunDirectory, generator: nn.Module, classes: int, batches: list[list[str]],
             seed: int, device: str) -> Iterator[tuple[list[str], Tensor]]:
    """Names and their images, float [b, K, 3, H, W] in [-1, 1] on the device."""
    for batch in batches:
        torch.manual_seed(derived_seed(seed, batch[0]))
        with torch.no_grad():
            outputs = generator(one_hot(_layouts(run, batch).to(device), classes))
        yield batch, outputs


def _layouts(run: RunDirectory, names: list[str]) -> Tensor:
    return torch.stack([torch.from_numpy(run.layout(name).copy()) for name in names])
