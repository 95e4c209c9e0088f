"""Bradley-Terry strengths with a side bias: logit P(left is chosen) = side + strength(left) - strength(right).

Whether the strengths exist at all is checked first: without a strongly connected "beats" graph, or under separation,
the likelihood has no maximum and a fitting routine returns an arbitrary large number instead of an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.optimize import linprog
from scipy.sparse.csgraph import connected_components

from human_study.analysis.clustered import Estimate, Sandwich, estimate, sandwich
from human_study.analysis.preference import method_codes

RANK_DRAWS = 4000


@dataclass(frozen=True)
class Ranking:
    """Strengths sum to 0 (log odds). `problem`: why there are none; the other fields are then empty."""

    methods: tuple[str, ...]
    strengths: tuple[Estimate, ...] = ()
    rank_intervals: tuple[tuple[int, int], ...] = ()  # 95 %, from the clustered covariance; 1 is the best
    side: Estimate | None = None  # log odds of choosing left between equal methods
    votes: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Cells:
    """Judgments counted by left and right method: codes of both, votes for left (a tie is half a vote), total."""

    left: np.ndarray
    right: np.ndarray
    wins: np.ndarray
    n: np.ndarray
    size: int  # number of methods

    def design(self, side: bool = True) -> np.ndarray:
        """float [cells, 1 + K - 1]: intercept, then methods 1..K-1 against method 0."""
        rows = np.arange(len(self.left))
        matrix = np.zeros((len(rows), self.size))
        matrix[rows, self.left] += 1
        matrix[rows, self.right] -= 1
        return np.column_stack([np.ones(len(rows)), matrix[:, 1:]]) if side else matrix[:, 1:]


def aggregate(left: np.ndarray, right: np.ndarray, left_wins: np.ndarray, methods: int) -> tuple[Cells, np.ndarray]:
    """Cells of n judgments, and the cell of each. left, right: codes [n]; left_wins: 1, 0 or 0.5 [n]."""
    codes, keys = pd.factorize(left.astype(np.int64) * methods + right, sort=True)
    n = np.bincount(codes, minlength=len(keys)).astype(float)
    wins = np.bincount(codes, left_wins, len(keys))
    return Cells(keys // methods, keys % methods, wins, n, methods), codes


def beats_graph(cells: Cells) -> np.ndarray:
    """float [K, K]: votes for method i against method j."""
    beats = np.zeros((cells.size, cells.size))
    np.add.at(beats, (cells.left, cells.right), cells.wins)
    np.add.at(beats, (cells.right, cells.left), cells.n - cells.wins)
    return beats


def identifiability(cells: Cells, methods: Sequence[str]) -> str:
    """Why strengths and side bias have no finite unique estimate; empty if they have one."""
    beats = beats_graph(cells)
    if connected_components(beats, connection="weak")[0] > 1:
        return "not identifiable: some methods were never compared with the others, not even through a third"
    strong, groups = connected_components(beats, connection="strong")
    if strong > 1:
        apart = [methods[i] for i in np.flatnonzero(groups == groups[_extreme(beats, groups)])]
        return f"not identifiable: {', '.join(apart)} won or lost every comparison with the rest"
    if np.linalg.matrix_rank(cells.design()) < cells.design().shape[1]:
        return "not identifiable: the side shown and the methods compared are confounded"
    return "not identifiable: one side was always chosen (separation)" if separated(cells) else ""


def _extreme(beats: np.ndarray, groups: np.ndarray) -> int:
    """A method of the smallest group that the rest never beat or that never beats the rest."""
    def extreme(group: int) -> bool:
        inside = groups == group
        return not beats[~inside][:, inside].any() or not beats[inside][:, ~inside].any()

    found = min((group for group in np.unique(groups) if extreme(group)),
                key=lambda group: ((groups == group).sum(), np.flatnonzero(groups == group)[0]))
    return int(np.flatnonzero(groups == found)[0])


def separated(cells: Cells) -> bool:
    """Whether some direction of the parameters predicts no vote wrongly and some rightly (Albert & Anderson 1984)."""
    rows = np.concatenate([cells.design()[cells.wins > 0], -cells.design()[cells.wins < cells.n]])
    found = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1), method="highs")
    return bool(found.status == 0 and -found.fun > 1e-7)


def fit(cells: Cells, side: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood: parameters [p] and inverse information [p, p]. The cells must be identifiable.

    side: with the side bias as parameter 0.
    """
    votes = np.concatenate([np.ones(len(cells.n)), np.zeros(len(cells.n))])
    weights = np.concatenate([cells.wins, cells.n - cells.wins])
    design = np.vstack([cells.design(side)] * 2)
    seen = weights > 0
    model = sm.GLM(votes[seen], design[seen], family=sm.families.Binomial(), freq_weights=weights[seen])
    result = model.fit(tol=1e-10, maxiter=200)
    return np.asarray(result.params), np.asarray(result.normalized_cov_params)


def coded(frame: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Method names (sorted, those that occur), left and right method codes [n], votes for left (1, 0, 0.5) [n]."""
    left, right, names = method_codes(frame)
    present = np.unique(np.concatenate([left, right]))
    outcome = frame["chosen"].map({"left": 1.0, "right": 0.0, "tie": 0.5}).to_numpy(float)
    return tuple(names[i] for i in present), np.searchsorted(present, left), np.searchsorted(present, right), outcome


def rank(frame: pd.DataFrame) -> Ranking:
    """Bradley-Terry ranking of all methods in a table of judgments.

    frame: columns left_method, right_method, chosen (left, right or tie), participant, image_id.
    """
    methods, left, right, outcome = coded(frame)
    if len(methods) < 2:
        return Ranking(methods, problem="fewer than two methods")
    cells, codes = aggregate(left, right, outcome, len(methods))
    if problem := identifiability(cells, methods):
        return Ranking(methods, votes=len(frame), problem=problem)
    parameters, inverse = fit(cells)
    design = cells.design()
    expected = 1 / (1 + np.exp(-design @ parameters))
    influence = ((outcome - expected[codes])[:, None] * design[codes]) @ inverse
    parts = sandwich(influence, frame["participant"].to_numpy(), frame["image_id"].to_numpy())
    return ranking_of(methods, parameters, parts, int(cells.n.sum()))


def ranking_of(methods: tuple[str, ...], parameters: np.ndarray, parts: Sandwich, votes: int) -> Ranking:
    """Of parameters (side, methods 1..K-1) with their clustered covariance. Rank intervals are the 2.5 % and 97.5 %
    quantiles of the ranks of multivariate t draws with the positive semi-definite part of that covariance."""
    against_first = np.vstack([np.zeros(len(methods) - 1), np.eye(len(methods) - 1)])
    contrasts = np.column_stack([np.zeros(len(methods)), against_first - against_first.mean(axis=0)])  # sum to 0
    intervals: tuple[tuple[int, int], ...] = ()
    if not parts.missing:
        covariance = contrasts @ (parts.by_participant + parts.by_image - parts.by_both) @ contrasts.T
        values, vectors = np.linalg.eigh(covariance)
        rng = np.random.default_rng(0)
        normal = rng.standard_normal((RANK_DRAWS, len(values))) * np.sqrt(values.clip(0)) @ vectors.T
        draws = contrasts @ parameters + normal / np.sqrt(rng.chisquare(parts.df, (RANK_DRAWS, 1)) / parts.df)
        ranks = (-draws).argsort(axis=1).argsort(axis=1) + 1
        low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="nearest")
        intervals = tuple((int(a), int(b)) for a, b in zip(low, high, strict=True))
    strengths = tuple(estimate(float(c @ parameters), parts, c) for c in contrasts)
    return Ranking(methods, strengths, intervals, estimate(float(parameters[0]), parts), votes)
