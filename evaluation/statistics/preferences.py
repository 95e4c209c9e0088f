"""People's preferences between two images of a layout, and the order of the methods that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse.csgraph import connected_components

from data.errors import InputError
from data.files import list_folder, read_json
from evaluation.run_directory import RunDirectory

STUDY = "human-study"
PSEUDO = 0.1  # wins added both ways to every pair that was compared: a method that always wins stays finite
SWEEPS, TOLERANCE, DIGITS = 1000, 1e-8, 6  # of log odds; what differs beyond DIGITS is a tie


@dataclass(frozen=True)
class Preference:
    """`count` people preferred the image of one method to the other's, of the same layout."""

    layout: str
    preferred: str
    other: str
    count: float = 1.0


@dataclass(frozen=True)
class HumanOrder:
    """Methods as people put them: `realism`, higher is more realistic.

    wins: [N, M, M] by layout, how often method i (of the M of `realism`) was preferred to j; None for a published
    order. notes: what of the preferences is not in it. title: for readers.
    """

    name: str
    source: str
    realism: dict[str, float]
    wins: np.ndarray | None = field(default=None, repr=False)
    preferences: Sequence[Preference] = field(default=(), repr=False)
    notes: Sequence[str] = ()
    title: str = ""

    def resampled(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Realism [R] of each method in resamples of the layouts, counts [R, N]; empty for a published order."""
        if self.wins is None:
            return {}
        n, m, _ = self.wins.shape
        found = strengths((counts @ self.wins.reshape(n, -1)).reshape(-1, m, m), compared(self.wins))
        return dict(zip(self.realism, found.T, strict=True))


def preference_files(run: RunDirectory, given: str | None) -> dict[str, Path]:
    """Name of the order -> file: the file given, or those of the run's own studies, without simulated participants.
    Raises InputError when the given file is of simulated ones."""
    if given:
        if _simulated(Path(given)):
            raise InputError(f"{given}: simulated participants chose, no person judged; score.preferences are people's")
        return {STUDY: Path(given)}
    files = list_folder(run.study, "*/analysis/preferences.json")
    return {f"{STUDY}-{file.parents[1].name}": file for file in files if not _simulated(file)}


def _simulated(preferences: Path) -> bool:
    """Whether the analysis that the file is part of is of simulated participants."""
    file = preferences.parent / "analysis.json"
    return file.exists() and read_json(file).get("identity", {}).get("simulated", False)


def read_preferences(file: Path) -> list[Preference]:
    """A JSON list of {"layout", "preferred", "other"[, "count"]}. Raises InputError naming the first bad entry."""
    entries = read_json(file)
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{file}: a list of preferences is expected, [{{layout, preferred, other}}, ...]")
    found = []
    for i, entry in enumerate(entries):
        try:
            found.append(Preference(str(entry["layout"]), str(entry["preferred"]), str(entry["other"]),
                                    float(entry.get("count", 1))))
        except (TypeError, KeyError, ValueError, AttributeError):
            raise InputError(f"{file}: entry {i} needs layout, preferred and other, and a number as count if any, got "
                             f"{entry}") from None
    return found


def order_of(name: str, source: str, preferences: Sequence[Preference], layouts: Sequence[str],
             methods: Sequence[str]) -> HumanOrder:
    """The order of `methods` by Bradley-Terry strengths (log odds, mean 0): a share of wins would depend on whom a
    method was compared with. Everything that was compared counts, the photographs too; methods that no comparison ties
    to the others have no place in the order."""
    row = {layout: i for i, layout in enumerate(layouts)}
    here = [p for p in preferences if p.layout in row]
    names = list(dict.fromkeys([*methods, *(name for p in here for name in (p.preferred, p.other))]))
    index = {name: i for i, name in enumerate(names)}
    wins = np.zeros((len(layouts), len(names), len(names)))
    for p in here:
        wins[row[p.layout], index[p.preferred], index[p.other]] += p.count
    kept = _tied(compared(wins), len(methods))
    wins = wins[:, kept][:, :, kept]
    found = strengths(wins.sum(0), compared(wins))
    realism = {names[i]: float(value) for i, value in zip(kept, found, strict=True)}
    return HumanOrder(name, source, realism, wins, here, _notes(realism, methods, len(preferences) - len(here)))


def _notes(realism: dict[str, float], methods: Sequence[str], elsewhere: int) -> list[str]:
    apart = [method for method in methods if method not in realism]
    notes = [f"{', '.join(apart)}: no comparison ties them to the others"] if apart else []
    return notes + ([f"{elsewhere} preferences: about layouts that this run does not have"] if elsewhere else [])


def compared(wins: np.ndarray) -> np.ndarray:
    """bool [M, M]: whether two methods were compared, from wins [N, M, M]."""
    total = wins.sum(0)
    return total + total.T > 0


def _tied(pairs: np.ndarray, methods: int) -> np.ndarray:
    """Indices of the largest part that comparisons hold together; of the first `methods` it has most, then pairs."""
    part = connected_components(pairs, directed=False)[1]
    own, all_pairs = np.bincount(part[:methods], minlength=part.max() + 1), np.bincount(part, pairs.sum(1))
    return np.flatnonzero(part == np.lexsort((all_pairs, own))[-1])


def strengths(wins: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Bradley-Terry log odds [..., M] with mean 0, of wins [..., M, M] (row preferred to column), for many at once.

    pairs: bool [M, M], who was compared with whom. The iteration of Newman, JMLR 24 (2023) 238, one method after
    another: the same maximum as Zermelo's and Hunter's (MM), in a tenth of the sweeps or fewer.
    """
    wins = wins + PSEUDO * pairs
    odds = np.ones(wins.shape[:-1])
    for _ in range(SWEEPS if pairs.any() else 0):
        before = odds.copy()
        for i in range(wins.shape[-1]):
            both = odds + odds[..., i, None]
            odds[..., i] = (wins[..., i, :] * odds / both).sum(-1) / (wins[..., :, i] / both).sum(-1)
        odds /= np.exp(np.log(odds).mean(-1, keepdims=True))
        if np.abs(np.log(odds / before)).max() < TOLERANCE:
            break
    return np.log(odds).round(DIGITS)
