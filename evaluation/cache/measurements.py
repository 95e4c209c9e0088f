"""What all metrics use: one pass over a method's images feeds every network, and the results are cached.

The cache is `cache/<consumer>/<method>.npz` in the run directory, each with the hash of what it was made from: the
bytes of the method's images and of the dataset, the weights, the resize, the device. Changed files are measured again.
"""

import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import torch

from data.errors import InputError
from data.files import atomic_path, fingerprint, list_folder
from data.made import holds
from data.processes import available_cores
from evaluation.cache.images import check_complete, content_hash, read_images, size_of, variants_of
from evaluation.networks.features import full_float32
from evaluation.run_directory import PHOTOS, RunDirectory

BATCH_PIXELS = 1 << 18  # pixels decoded and passed through a network at once: what a processor's cache likes
CUDA_BATCH_PIXELS = 1 << 22
MOST_THREADS = 8  # batches measured at once on a processor: each holds its feature maps
FORMAT = 2  # raise when what consumers store changes its meaning


class Shared:
    """What several consumers need, made once by the first that asks, in whatever thread."""

    def __init__(self):
        self._made: dict[str, Any] = {}
        self._lock = threading.RLock()

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


@dataclass(frozen=True)
class ImageBatch:
    """Some layouts with their photographs and the K images of one method. uint8: [B,H,W], [B,3,H,W], [B,K,3,H,W].

    shared: what one consumer computed and another may use for the same batch. of_photos: likewise of the photographs
    alone, for all methods.
    """

    names: Sequence[str]
    layouts: np.ndarray
    photos: torch.Tensor
    images: torch.Tensor
    shared: Shared = field(default_factory=Shared)
    of_photos: Shared = field(default_factory=Shared)


@dataclass(frozen=True)
class OtherPhotographs:
    """Photographs that are measured as if a method had made them, one for each layout. name: of the row. key: hash of
    what they are. make: indices of layouts -> uint8 [n, 3, H, W]; called by one thread at a time."""

    name: str
    key: str
    make: Callable[[Sequence[int]], np.ndarray] = field(compare=False)


class Consumer(Protocol):
    """Something that measures images. `name`: its folder in the cache. `key`: hash of all its result depends on.

    With an attribute `against_photos` that is true it compares images with the photographs, and the photographs, which
    would be compared with themselves, are not measured. With an attribute `alone` that is true it is called by one
    thread at a time.
    """

    name: str
    key: str

    def __call__(self, batch: ImageBatch) -> dict[str, np.ndarray]:
        """Named arrays, one row per layout of the batch."""
        ...


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    """Raises InputError for a damaged file."""
    try:
        with np.load(file) as stored:
            return {"key": stored["key"], **{name: stored[name] for name in stored.files}}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError(f"{file}: {error}") from None


def _run_ahead(pool: ThreadPoolExecutor, calls: Iterable[tuple[str, Callable[[], Any]]],
               ahead: int) -> Iterator[tuple[str, Any]]:
    """Results of named calls in their order; so many of the next ones run while a result is used."""
    waiting: deque = deque()
    for name, call in calls:
        waiting.append((name, pool.submit(call)))
        if len(waiting) > ahead:
            name, job = waiting.popleft()
            yield name, job.result()
    for name, job in waiting:
        yield name, job.result()


class Measurements:
    """Results of consumers for the methods of a run; measured on first use, and once per content."""

    def __init__(self, run: RunDirectory, device: str = "cpu"):
        self.run = run
        self.device = torch.device(device).type
        self.batch_pixels = CUDA_BATCH_PIXELS if self.device == "cuda" else BATCH_PIXELS
        self.layouts = run.layouts()
        self._places = {name: i for i, name in enumerate(self.layouts)}
        self.size = size_of(run)
        self.methods = {method.name: method for method in run.methods()}
        self._others: dict[str, OtherPhotographs] = {}
        self._making = threading.Lock()
        self._loaded: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        self._hashes: dict[str, str] = {}

    def rows(self) -> list[str]:
        """The photographs and every method, in table order."""
        return [PHOTOS, *self.methods]

    def images_per_layout(self, row: str) -> int:
        """Of a method; 1 for photographs."""
        return self.methods[row].images_per_layout if row in self.methods else 1

    def of_others(self, photographs: OtherPhotographs, consumers: Sequence[Consumer]) -> list[dict[str, np.ndarray]]:
        """Arrays of each consumer with one row per layout, in layout order."""
        self._others[photographs.name] = photographs
        self.collect([photographs.name], consumers)
        return [self._loaded[photographs.name, consumer.key] for consumer in consumers]

    @cached_property
    def dataset_hash(self) -> str:
        folders = [self.run.dataset / part for part in ("layouts", "photos", "instances")]
        files = [file for folder in folders for file in list_folder(folder, "*.png")]
        files += [self.run.dataset / name for name in ("labels.json", "modes.json")]
        return content_hash(file for file in files if file.exists())

    def content(self, method: str) -> str:
        """Hash of a method's images together with the dataset's."""
        if method in self._others:
            return fingerprint(self.dataset_hash, self._others[method].key)
        if method not in self._hashes:
            if method != PHOTOS:
                check_complete(self.run, self.methods[method])
            files = [file for name in self.layouts
                     for file in [self.run.image_file(method, name), *self._files(method, name)]]
            self._hashes[method] = fingerprint(self.dataset_hash, content_hash(dict.fromkeys(files)))
        return self._hashes[method]

    def _files(self, method: str, layout: str) -> list:
        return variants_of(self.run, method, self.images_per_layout(method), layout)

    def get(self, method: str, consumer: Consumer) -> dict[str, np.ndarray]:
        """Arrays with one row per layout, in layout order."""
        self.collect([method], [consumer])
        return self._loaded[method, consumer.key]

    def collect(self, methods: Sequence[str], consumers: Sequence[Consumer]) -> None:
        """Make sure that all consumers have seen all methods, reading each image at most once."""
        missing = {method: [c for c in consumers if not (method == PHOTOS and getattr(c, "against_photos", False))
                            and not self._load(method, c)] for method in methods}
        missing = {method: found for method, found in missing.items() if found}
        if not missing:
            return
        parts: dict[str, list[list[dict[str, np.ndarray]]]] = {method: [] for method in missing}
        with full_float32():
            for method, measured in self._measured(missing):
                parts[method].append(measured)
        for method, found in missing.items():
            for consumer, part in zip(found, zip(*parts[method], strict=True), strict=True):
                self._keep(method, consumer, {name: np.concatenate([p[name] for p in part]) for name in part[0]})

    def _measured(self, wanted: dict[str, list[Consumer]]) -> Iterator[tuple[str, list[dict[str, np.ndarray]]]]:
        """What the consumers of each method measure, batch by batch. A processor has a batch for each of torch's
        threads: they do not wait for each other at every operation, and no core idles while another is in Python."""
        threads = torch.get_num_threads()
        alone = self.device == "cuda" or any(getattr(c, "alone", False) for found in wanted.values() for c in found)
        at_once = 1 if alone else min(threads, MOST_THREADS)
        pool = ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(threads // at_once,))

        def measure(method: str, batch: ImageBatch) -> list[dict[str, np.ndarray]]:
            return [consumer(batch) for consumer in wanted[method]]

        try:
            batches = self.batches(list(wanted))
            yield from _run_ahead(pool, ((method, partial(measure, method, batch)) for method, batch in batches),
                                  at_once)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)  # new threads take over what was set last anywhere

    def _keep(self, method: str, consumer: Consumer, arrays: dict[str, np.ndarray]) -> None:
        with atomic_path(self._file(method, consumer)) as temporary, open(temporary, "wb") as file:
            np.savez(file, key=self._key(method, consumer), **arrays)
        self._loaded[method, consumer.key] = arrays

    def _file(self, method: str, consumer: Consumer):
        return self.run.path / "cache" / consumer.name / f"{method}.npz"

    def _load(self, method: str, consumer: Consumer) -> bool:
        if (method, consumer.key) in self._loaded:
            return True
        found: dict[str, np.ndarray] = {}

        def read(file: Path) -> str:
            found.update(_read_arrays(file))
            return str(found.pop("key"))

        if not holds(self._file(method, consumer), self._key(method, consumer), read):
            return False
        self._loaded[method, consumer.key] = found
        return True

    def _key(self, method: str, consumer: Consumer) -> str:
        return fingerprint(FORMAT, self.content(method), consumer.key, self.device)

    def batches(self, methods: Sequence[str]) -> Iterator[tuple[str, ImageBatch]]:
        """Every method's images of some layouts, then of the next ones, in layout order; the photographs are read once
        for all methods. The next batch is decoded while the last one is being used."""
        length = max(1, self.batch_pixels // (self.size[0] * self.size[1]))
        chunks = [self.layouts[i : i + length] for i in range(0, len(self.layouts), length)]
        with ThreadPoolExecutor(min(4, available_cores())) as pool:
            yield from _run_ahead(pool, ((method, partial(self._read, method, chunk))
                                         for chunk in map(self._chunk, chunks) for method in methods), ahead=2)

    def _chunk(self, names: Sequence[str]) -> ImageBatch:
        """The photographs as a batch of their own."""
        photos = torch.from_numpy(read_images([self.run.photo_file(name) for name in names], self.size))
        shared = Shared()  # its images are the photographs, so that what is known of either is one
        layouts = np.stack([self._layout(name) for name in names])
        return ImageBatch(names, layouts, photos, photos[:, None], shared, shared)

    def _read(self, method: str, chunk: ImageBatch) -> ImageBatch:
        if method == PHOTOS:
            return chunk
        if method in self._others:
            with self._making:
                photos = self._others[method].make([self._places[name] for name in chunk.names])
            return replace(chunk, images=torch.from_numpy(photos)[:, None], shared=Shared())
        files = [file for name in chunk.names for file in self._files(method, name)]
        images = read_images(files, self.size).reshape(len(chunk.names), -1, 3, *self.size)
        return replace(chunk, images=torch.from_numpy(images), shared=Shared())

    def _layout(self, name: str) -> np.ndarray:
        layout = self.run.layout(name)
        if layout.shape != tuple(self.size):
            raise InputError(f"layout {name}: {layout.shape}, expected {self.size} like the first layout")
        if layout.max() > self._void:
            raise InputError(f"{self.run.dataset / 'layouts' / name}.png: label id {layout.max()} is outside the label "
                             f"space; expected 0..{self._void}")
        return layout

    @cached_property
    def _void(self) -> int:
        return self.run.labels().void
