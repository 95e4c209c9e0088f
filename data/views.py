"""Views of a dataset: some of its pairs, and its pairs kept in memory."""

from concurrent.futures import ThreadPoolExecutor

from data.labels import LabelSpace
from data.pairs import Pair, PairDataset
from data.processes import available_cores, map_in_processes

BYTES_PER_PIXEL = 5  # photo 3, layout 1, instances 1


class Subset:
    """`count` pairs of a dataset, evenly spread over its order: a video's first frames would all look alike."""

    def __init__(self, dataset: PairDataset, count: int):
        """count: 1..len(dataset)."""
        self.dataset = dataset
        self.indices = [i * len(dataset) // count for i in range(count)]
        self.labels: LabelSpace = dataset.labels
        self.size = dataset.size

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return self.dataset.name(self.indices[index])

    def __getitem__(self, index: int) -> Pair:
        return self.dataset[self.indices[index]]


class Cached:
    """Keeps every pair after its first reading, in at most `memory_bound(dataset)` bytes.

    The arrays of a pair are shared between readings: do not write to them. Every process that reads keeps its own
    copies, so with data-loading processes call `fill()` before they are forked.
    """

    def __init__(self, dataset: PairDataset, computed: bool = False):
        """computed: pairs are made in Python, which keeps a core busy, rather than read from files."""
        self.dataset, self.computed = dataset, computed
        self.labels: LabelSpace = dataset.labels
        self.size = dataset.size
        self._pairs: list[Pair | None] = [None] * len(dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        return self.dataset.name(index)

    def __getitem__(self, index: int) -> Pair:
        pair = self._pairs[index]
        if pair is None:
            pair = self._pairs[index] = self.dataset[index]
        return pair

    @property
    def full(self) -> bool:
        return all(pair is not None for pair in self._pairs)

    def fill(self, workers: int | None = None) -> "Cached":
        """Read everything now, which also finds every broken file now. workers: None is one per available core.

        They are threads, since decoding and resizing run outside Python's lock, or processes for what is computed.
        Raises InputError as reading does.
        """
        if self.computed:
            missing = [index for index, pair in enumerate(self._pairs) if pair is None]
            for index, pair in zip(missing, map_in_processes(self.dataset.__getitem__, missing, workers), strict=True):
                self._pairs[index] = pair
            return self
        with ThreadPoolExecutor(workers or available_cores()) as pool:
            for _ in pool.map(self.__getitem__, range(len(self))):
                pass
        return self


def memory_bound(dataset: PairDataset) -> int:
    """Bytes of pixels that a cache of the whole dataset holds at most."""
    height, width = dataset.size
    return len(dataset) * height * width * BYTES_PER_PIXEL
