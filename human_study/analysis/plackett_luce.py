"""Rankings: the pairs that they decide, and Plackett-Luce strengths.

A ranking of n pictures decides n (n - 1) / 2 pairs, which are not independent: they share a participant and an image,
by which everything here is clustered. Plackett-Luce: the best of the pictures is chosen, then the best of the rest, and
so on, each time with odds exp(strength - bias * place), so that an earlier place may help. With two pictures that is
Bradley-Terry with a side bias.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from human_study.analysis.bradley_terry import Ranking, counted, identifiability, ranking_of
from human_study.responses.columns import SEPARATOR

STEPS, TOLERANCE = 100, 1e-10  # of Newton's method


def implied_pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per pair that a ranking decides, with the columns of the table; `left` is the earlier place.

    frame: table of responses; rows without a ranking give none.
    """
    rows = frame[frame["chosen"].eq("ranked").to_numpy(bool)]
    found = [(i, a, b, "left" if ranked.index(a) < ranked.index(b) else "right")
             for i, (shown, ranked) in enumerate(_methods(rows)) for a, b in combinations(shown, 2)]
    source, left, right, chosen = zip(*found, strict=True) if found else ((), (), (), ())
    pairs = rows.iloc[list(source)].reset_index(drop=True)
    return pairs.assign(left_method=pd.Series(left, dtype="str"), right_method=pd.Series(right, dtype="str"),
                        chosen=pd.Series(chosen, dtype="str"))


def _methods(rows: pd.DataFrame) -> Iterator[tuple[list[str], list[str]]]:
    """(methods by place, methods from the best to the last) of every ranking."""
    for shown, ranked in zip(rows["shown"], rows["ranked"], strict=True):
        yield shown.split(SEPARATOR), ranked.split(SEPARATOR)


def rank(frame: pd.DataFrame) -> Ranking:
    """Plackett-Luce ranking of all methods. frame: rankings, columns shown, ranked, chosen, participant, image_id."""
    cells, _, _ = counted(implied_pairs(frame))
    # the likelihood has a maximum under the same conditions as that of the implied pairs
    if problem := identifiability(cells):
        return Ranking(cells.methods, votes=len(frame), problem=problem)
    rows = frame[frame["chosen"].eq("ranked").to_numpy(bool)]
    parameters, inverse, scores = fit([_design(shown, ranked, cells.methods) for shown, ranked in _methods(rows)])
    return ranking_of(cells.methods, parameters, scores @ inverse, rows)


def _design(shown: list[str], ranked: list[str], methods: tuple[str, ...]) -> np.ndarray:
    """float [n, 1 + K - 1] of one ranking, the best first: minus the place, then methods 1..K-1 against method 0."""
    codes = [methods.index(method) for method in ranked]
    places = [-shown.index(method) for method in ranked]
    return np.column_stack([places, np.eye(len(methods))[codes, 1:]]).astype(float)


def fit(designs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maximum likelihood: parameters [p], inverse information [p, p], scores of every ranking [R, p] at the maximum,
    which must exist. designs: one [n, p] per ranking, the best picture first; n may differ."""
    sizes = np.array([len(one) for one in designs])
    groups = {n: np.stack([designs[i] for i in np.flatnonzero(sizes == n)]) for n in np.unique(sizes)}
    parameters = np.zeros(designs[0].shape[1])
    value, scores, information = _likelihood(groups, parameters)
    for _ in range(STEPS):
        step = np.linalg.solve(information, sum(one.sum(axis=0) for one in scores.values()))
        while True:  # the likelihood is concave: a step that is short enough goes up
            new = _likelihood(groups, parameters + step)
            if new[0] >= value - TOLERANCE or np.abs(step).max() < TOLERANCE:
                break
            step = step / 2
        parameters, (value, scores, information) = parameters + step, new
        if np.abs(step).max() < TOLERANCE:
            break
    ordered = np.empty((len(designs), len(parameters)))
    for n, own in scores.items():
        ordered[sizes == n] = own
    return parameters, np.linalg.inv(information), ordered


def _likelihood(groups: dict[int, np.ndarray], parameters: np.ndarray
                ) -> tuple[float, dict[int, np.ndarray], np.ndarray]:
    """Log likelihood, scores [R, p] by number of pictures, information [p, p]."""
    value, scores = 0.0, {}
    information = np.zeros((len(parameters), len(parameters)))
    for n, design in groups.items():  # [R, n, p]
        utility = design @ parameters
        own = np.zeros((len(design), len(parameters)))
        for k in range(n - 1):  # the picture of rank k is chosen among those that are left
            left, u = design[:, k:], utility[:, k:]
            odds = np.exp(u - u.max(axis=1, keepdims=True))
            share = odds / odds.sum(axis=1, keepdims=True)
            mean = np.einsum("rn,rnp->rp", share, left)
            value += float(np.log(share[:, 0]).sum())
            own += left[:, 0] - mean
            information += np.einsum("rn,rnp,rnq->pq", share, left, left) - mean.T @ mean
        scores[n] = own
    return value, scores, information
