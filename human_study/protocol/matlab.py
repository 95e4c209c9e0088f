"""MATLAB's random stream, and the two HIT tables published with the paper, byte for byte.

`rng(0)` in MATLAB is the Mersenne Twister MT19937 with seed 5489, and `rand` makes a double from it as numpy does.
Used only to reproduce the published tables; new studies draw with numpy's generators (human_study.trials.draw).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HOST = "http://web.stanford.edu/~cqf/mturk/"
FIRST_FILE = {"cityscapes": 100_001, "ours": 3_051}  # number of a folder's first file; 1 in the baselines' folders
EXPOSURES_MS = (125, 250, 500, 1000, 2000, 4000, 8000)
SENTINEL_MS = 4000
IMAGES = 500


class MatlabStream:
    """The functions of MATLAB's default stream after `rng(0)`; all draw from one sequence of uniform doubles."""

    def __init__(self, seed: int = 5489):
        self._state = np.random.RandomState(seed)

    def rand(self, n: int) -> np.ndarray:
        """float64 [n] in (0, 1)."""
        return self._state.random_sample(n)

    def randi(self, high: int, n: int = 1) -> np.ndarray:
        """int64 [n], uniform on 1..high."""
        return (self.rand(n) * high).astype(np.int64) + 1

    def randperm(self, n: int, k: int | None = None) -> np.ndarray:
        """int64: a permutation of 1..n, or (with k) k distinct numbers of 1..n in random order."""
        if k is None:
            return np.argsort(self.rand(n), kind="stable") + 1
        numbers = np.arange(1, n + 1)
        for last in range(n - 1, n - k - 1, -1):  # Fisher-Yates from the back, stopped after k swaps
            other = int(self.rand(1)[0] * (last + 1))
            numbers[[last, other]] = numbers[[other, last]]
        return numbers[n - k:]


@dataclass(frozen=True)
class PublishedTrial:
    """One trial of a published table: images number `image` (1..500) of the two roles, left first.

    Roles: "baseline" (the paper's method), "other" (the method under test), "real", "anchor" (the L1 model).
    """

    left: str
    right: str
    image: int
    exposure_ms: int | None = None
    sentinel: bool = False


def unlimited_hits() -> list[list[PublishedTrial]]:
    """The 5 HITs x 110 trials of the study without time limit, as `automate.m` draws them."""
    sides = MatlabStream().randi(2, IMAGES)
    stream = MatlabStream()  # seeded again: sides and order come from the same uniforms
    images = stream.randperm(IMAGES)
    places = [set(stream.randperm(100, 10).tolist()) for _ in range(5)]
    sentinel_sides = stream.randi(2, IMAGES)
    hits = []
    for hit, after in enumerate(places):
        rows = []
        for place in range(1, 101):
            i = 100 * hit + place - 1
            rows.append(_trial("baseline", "other", sides[i] == 1, images[i]))
            if place in after:
                image = stream.randi(IMAGES)[0]
                rows.append(_trial("real", "other", sentinel_sides[i] == 1, image, sentinel=True))
        hits.append(rows)
    return hits


def timed_hits() -> list[list[PublishedTrial]]:
    """The 10 HITs x 110 trials of the study with limited time, as `automate_timed.m` draws them."""
    stream = MatlabStream()
    pairs = (("baseline", "real"), ("other", "real"), ("baseline", "other"))
    hits = []
    for _ in range(10):
        rows = []
        for number in stream.randperm(110):
            image, keep = stream.randi(IMAGES)[0], stream.rand(1)[0] < 0.5
            if number > 105:
                rows.append(_trial("real", "anchor", keep, stream.randi(IMAGES)[0], SENTINEL_MS, sentinel=True))
            else:
                pair, duration = (number - 1) % 3, (number - 1) // 3 % 7
                rows.append(_trial(*pairs[pair], keep, image, EXPOSURES_MS[duration]))
        hits.append(rows)
    return hits


def _trial(a: str, b: str, a_left: bool, image: int, exposure_ms: int | None = None, sentinel: bool = False
           ) -> PublishedTrial:
    left, right = (a, b) if a_left else (b, a)
    return PublishedTrial(left, right, int(image), exposure_ms, sentinel)


PUBLISHED = {  # protocol -> file name, HITs, and the folder of each role's pictures
    "crn2017-unlimited": ("data_GAN.csv", unlimited_hits, {"baseline": "ours", "other": "GAN", "real": "cityscapes"}),
    "crn2017-timed": ("data_timed_cityscapes_good.csv", timed_hits,
                      {"baseline": "ours", "other": "L1cGAN", "real": "cityscapes", "anchor": "L1"}),
}


def published_table(protocol: str) -> tuple[str, str]:
    """Name and content of the table published for a protocol of PUBLISHED."""
    name, hits, folders = PUBLISHED[protocol]

    def url(role: str, image: int) -> str:
        folder = folders[role]
        return f"{HOST}{folder}/{image + FIRST_FILE.get(folder, 1) - 1:06d}.jpg"

    cells = [[{"left": url(row.left, row.image), "right": url(row.right, row.image), "ms": str(row.exposure_ms or "")}
              for row in rows] for rows in hits()]
    return name, table_text(cells, table_columns(timed=hits is timed_hits))


def table_columns(timed: bool, layout: bool = False) -> dict[str, str]:
    """Columns of a HIT table for trial {}, by their names in the page."""
    return {"left": "image_A_url_{}", "right": "image_B_url_{}", **({"ms": "time_{}"} if timed else {}),
            **({"layout": "layout_url_{}"} if layout else {})}


def table_text(hits: Sequence[Sequence[dict[str, str]]], columns: dict[str, str]) -> str:
    """MTurk's input table: unquoted cells, one row per HIT, \\n line ends; cells of shorter HITs are empty.

    hits: cells of every trial. columns: of `table_columns`.
    """
    widest = max(map(len, hits))
    lines = [[name.format(n) for n in range(1, widest + 1) for name in columns.values()]]
    for trials in hits:
        cells = [trial[name] for trial in trials for name in columns]
        lines.append(cells + [""] * (len(lines[0]) - len(cells)))
    return "".join(",".join(line) + "\n" for line in lines)
