"""How many votes must be dropped until another method takes rank 1 (Huang et al. 2025, arXiv 2508.11847)."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components

from human_study.analysis.bradley_terry import Cells, beats_graph, counted, fit

VIRTUAL = 1e-3  # votes


@dataclass(frozen=True)
class Flip:
    """`votes`: fewest found whose removal makes `rival` at least tie with `top`, of `total`; None: see `note`."""

    top: str = ""
    rival: str = ""
    votes: int | None = None
    total: int = 0
    note: str = ""


@dataclass(frozen=True)
class Votes:
    """Cells with the votes for left, for right and the ties of each kept apart, float64 [cells] each."""

    cells: Cells
    left: np.ndarray
    right: np.ndarray

    def without(self, removed: np.ndarray) -> Cells:
        """Cells after removal of votes (removed: [2, cells], from left and from right), plus a virtual tie of weight
        2 * VIRTUAL in every cell, so that strengths exist after any removal."""
        return replace(self.cells, wins=self.cells.wins - removed[0] + VIRTUAL,
                       n=self.cells.n - removed.sum(axis=0) + 2 * VIRTUAL)


def votes_to_flip(frame: pd.DataFrame) -> Flip:
    """Greedy search along the votes' influences on the gap between rank 1 and each rival, checked by refitting.

    Strengths are Bradley-Terry's without side bias, so that of two methods wins minus losses must be dropped.
    frame: columns left_method, right_method, chosen. The result is an upper bound: a cleverer choice may need fewer.
    """
    cells, codes, outcome = counted(frame)
    methods = cells.methods
    if len(methods) < 2:
        return Flip(note="fewer than two methods")
    if connected_components(beats_graph(cells), connection="weak")[0] > 1:
        return Flip(note="some methods were never compared with the others, so there is no rank 1")
    votes = Votes(cells, *(np.bincount(codes, outcome == value, len(cells.n)) for value in (1.0, 0.0)))
    strengths = _strengths(votes.without(np.zeros((2, len(cells.n)))))
    top = int(strengths.argmax())
    found = [(_fewest(votes, top, rival), rival) for rival in range(len(methods)) if rival != top]
    found = [(count, rival) for count, rival in found if count is not None]
    if not found:
        return Flip(methods[top], total=len(frame), note="no set of votes found that can be dropped to change rank 1")
    count, rival = min(found)
    return Flip(methods[top], methods[rival], count, len(frame))


def _strengths(cells: Cells) -> np.ndarray:
    return np.concatenate([[0.0], fit(cells, side=False)[0]])


def _fewest(votes: Votes, top: int, rival: int) -> int | None:
    """Smallest m such that dropping the m votes of the largest influence lets the rival catch up; None: never."""
    cells = votes.without(np.zeros((2, len(votes.left))))
    parameters, inverse = fit(cells, side=False)
    contrast = np.zeros(len(cells.methods))
    contrast[top], contrast[rival] = 1, -1
    design = cells.design(side=False)
    expected = 1 / (1 + np.exp(-design @ parameters))
    pull = design @ inverse @ contrast[1:]
    influence = np.concatenate([pull * (1 - expected), -pull * expected])  # of a vote for left, for right, by cell
    counts = np.concatenate([votes.left, votes.right])
    kinds = np.argsort(-influence, kind="stable")
    kinds = kinds[(influence[kinds] > 0) & (counts[kinds] > 0)]  # those that hold the gap up, strongest first
    available = counts[kinds]

    def flipped(m: int) -> bool:
        removed = np.zeros(2 * len(votes.left))
        removed[kinds] = (m - (np.cumsum(available) - available)).clip(0, available)
        strengths = _strengths(votes.without(removed.reshape(2, -1)))
        return bool(strengths[top] - strengths[rival] < 1e-6)

    low, high = 0, int(available.sum())
    if not flipped(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if flipped(middle) else (middle, high)
    return high
