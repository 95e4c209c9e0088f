"""Bradley-Terry strengths with a side bias: logit P(left is chosen) = side + strength(left) - strength(right).

Whether the strengths exist at all is checked first: without a strongly connected "beats" graph, or under separation,
the likelihood has no maximum and a fitting routine returns an arbitrary large number instead of an error.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.optimize import linprog
from scipy.sparse.csgraph import connected_components

from human_study.analysis.clustered import Estimate, estimate, sandwich
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

    methods: tuple[str, ...]
    left: np.ndarray
    right: np.ndarray
    wins: np.ndarray
    n: np.ndarray

    def design(self, side: bool = True) -> np.ndarray:
        """float [cells, 1 + K - 1]: intercept, then methods 1..K-1 against method 0."""
        rows = np.arange(len(self.left))
        matrix = np.zeros((len(rows), len(self.methods)))
        matrix[rows, self.left] += 1
        matrix[rows, self.right] -= 1
        return np.column_stack([np.ones(len(rows)), matrix[:, 1:]]) if side else matrix[:, 1:]


def counted(frame: pd.DataFrame) -> tuple[Cells, np.ndarray, np.ndarray]:
    """Cells of a table of judgments, the cell of each judgment [n], and its vote for left (1, 0, tie 0.5) [n]."""
    left, right, names = method_codes(frame)
    present = np.unique(np.concatenate([left, right]))
    pairs = np.searchsorted(present, left) * len(present) + np.searchsorted(present, right)
    outcome = frame["chosen"].map({"left": 1.0, "right": 0.0, "tie": 0.5}).to_numpy(float)
    codes, keys = pd.factorize(pairs, sort=True)
    n, wins = np.bincount(codes, minlength=len(keys)).astype(float), np.bincount(codes, outcome, len(keys))
    return Cells(tuple(names[i] for i in present), *np.divmod(keys, max(len(present), 1)), wins, n), codes, outcome


def beats_graph(cells: Cells) -> np.ndarray:
    """float [K, K]: votes for method i against method j."""
    beats = np.zeros((len(cells.methods),) * 2)
    np.add.at(beats, (cells.left, cells.right), cells.wins)
    np.add.at(beats, (cells.right, cells.left), cells.n - cells.wins)
    return beats


def identifiability(cells: Cells) -> str:
    """Why strengths and side bias have no finite unique estimate; empty if they have one."""
    if len(cells.methods) < 2:
        return "fewer than two methods"
    beats = beats_graph(cells)
    if connected_components(beats, connection="weak")[0] > 1:
        return "not identifiable: some methods were never compared with the others, not even through a third"
    strong, groups = connected_components(beats, connection="strong")
    if strong > 1:  # the smallest group that the rest never beat, or that never beats the rest
        insides = [groups == group for group in range(strong)]
        apart = min((inside for inside in insides if not (beats[~inside][:, inside].any()
                                                          and beats[inside][:, ~inside].any())),
                    key=lambda inside: (inside.sum(), inside.argmax()))
        names = [cells.methods[i] for i in np.flatnonzero(apart)]
        return f"not identifiable: {', '.join(names)} won or lost every comparison with the rest"
    if np.linalg.matrix_rank(cells.design()) < cells.design().shape[1]:
        return "not identifiable: the side shown and the methods compared are confounded"
    return "not identifiable: one side was always chosen (separation)" if separated(cells) else ""


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


def rank(frame: pd.DataFrame) -> Ranking:
    """Bradley-Terry ranking of all methods in a table of judgments.

    frame: columns left_method, right_method, chosen (left, right or tie), participant, image_id.
    """
    cells, codes, outcome = counted(frame)
    if problem := identifiability(cells):
        return Ranking(cells.methods, votes=len(frame), problem=problem)
    parameters, inverse = fit(cells)
    design = cells.design()
    expected = 1 / (1 + np.exp(-design @ parameters))
    influence = ((outcome - expected[codes])[:, None] * design[codes]) @ inverse
    return ranking_of(cells.methods, parameters, influence, frame)


def ranking_of(methods: tuple[str, ...], parameters: np.ndarray, influence: np.ndarray, frame: pd.DataFrame) -> Ranking:
    """Of parameters (side, methods 1..K-1) and the influence [n, p] of every row on them, clustered by participant and
    image. Rank intervals are the 2.5 % and 97.5 % quantiles of the ranks of multivariate t draws with the positive
    semi-definite part of that covariance."""
    parts = sandwich(influence, frame["participant"].to_numpy(), frame["image_id"].to_numpy())
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
    return Ranking(methods, strengths, intervals, estimate(float(parameters[0]), parts), len(frame))
