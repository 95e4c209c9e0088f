"""Which trials everybody sees: pairs, scenes, sides, order, sentinels. Pure functions of the protocol and a seed.

Sides are balanced exactly: in every cell (condition x exposure) each method is on the left as often as on the right, to
within one trial in a HIT and one trial over all HITs of a table. A scene is never repeated silently: where the images
are too few, the protocol's rule applies, or an InputError names the number needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal

import numpy as np

from data.errors import InputError
from evaluation.run_directory import PHOTOS
from human_study.protocol import matlab
from human_study.protocol.protocols import PROTOCOLS, UNDER_TEST, Protocol
from human_study.responses.columns import condition_name
from human_study.trials.cast import Cast
from human_study.trials.rankings import rankings
from human_study.trials.singles import singles
from human_study.trials.trials import INSTRUCTION, Hit, Pair, Trial, generator, participants, shuffled

OF_TEST, OF_SENTINEL = ("baseline", "other", "real"), ("real", "other", "anchor")  # published roles, the first counted
PUBLISHED_COUNTS = ("test_trials", "sentinels", "hits", "exposures_ms", "sentinel_exposure_ms")


@dataclass
class Balance:
    """Deals sides so that, over everything dealt to a cell, left and right differ by at most one."""

    surplus: dict[tuple, int] = field(default_factory=dict)  # per cell: times left minus times right

    def deal(self, cell: tuple, n: int, rng: np.random.Generator) -> np.ndarray:
        """bool [n]: whether the first method of the pair is on the left."""
        surplus = self.surplus.get(cell, 0)
        extra_left = surplus < 0 or (surplus == 0 and rng.random() < 0.5)
        lefts = n // 2 + (n % 2 and int(extra_left))
        self.surplus[cell] = surplus + 2 * lefts - n
        return rng.permutation(n) < lefts


def draw(protocol: Protocol, cast: Cast, layouts: Sequence[str], study_id: str, seed: int = 0,
         rng: Literal["numpy", "matlab"] = "numpy") -> list[Hit]:
    """All HITs of a study. The same arguments give the same HITs.

    Raises InputError when the layouts are too few for the protocol, or `rng` is matlab and there are not exactly 500.
    """
    if not layouts:
        raise InputError("the run has no layouts to show; run its synthesis stage first")
    if rng == "matlab":
        return _matlab_hits(protocol, cast, layouts)
    design = TASKS.get(protocol.task) or DESIGNS[protocol.design]
    return design(protocol, cast, list(layouts), study_id, seed)


def comparisons(protocol: Protocol, cast: Cast) -> list[Pair]:
    """The pairs of methods compared by design `per-participant`: with the baseline, or all with all."""
    if protocol.pairs == "all":
        return list(combinations((cast.baseline, *cast.others), 2))
    return [(cast.baseline, other) for other in cast.others]


def seconds(protocol: Protocol, exposures_ms: Sequence[int | None], answer_seconds: float | None = None) -> float:
    """Estimated duration of trials: exposure and the delay before it (with a time limit), and the time to answer (the
    protocol's estimate unless another is given)."""
    waits = sum((ms + protocol.delay_ms) / 1000 for ms in exposures_ms if ms)
    return waits + len(exposures_ms) * (answer_seconds or protocol.answer_seconds)


# --- the study without time limit: one table per baseline, every image exactly once ---------------------------------

def unlimited_tables(protocol: Protocol, cast: Cast, layouts: list[str], study_id: str, seed: int) -> list[Hit]:
    """HITs of at most `test_trials`, as equal as possible; sentinels in proportion (rounded up), never first."""
    hits = []
    for other in cast.others:
        rng, balance = generator(seed, study_id, other), Balance()
        anchor = other if cast.anchor == UNDER_TEST else cast.anchor
        parts = np.array_split(rng.permutation(layouts), -(-len(layouts) // protocol.test_trials))
        for index, scenes in enumerate(parts):
            test = _trials((cast.baseline, other), scenes.tolist(), None, balance, rng)
            count = -(-len(test) * protocol.sentinels // protocol.test_trials)
            tested = set(scenes.tolist())
            untested = [layout for layout in layouts if layout not in tested]
            shown = rng.permutation(untested if len(untested) >= count else layouts)[:count].tolist()
            sentinels = _sentinels(anchor, shown, None, balance, rng)
            after = rng.choice(len(test), count, replace=False).tolist()  # test trials that a sentinel follows
            follow = dict(zip(after, sentinels, strict=True))
            ordered = (one for i, trial in enumerate(test) for one in (trial, follow.get(i)) if one is not None)
            hits.append(Hit(other, index, tuple(ordered)))
    return hits


# --- the study with limited time: three pairs x exposures, the same number of every cell in every HIT ----------------

def timed_tables(protocol: Protocol, cast: Cast, layouts: list[str], study_id: str, seed: int) -> list[Hit]:
    """Per cell as many trials as the protocol has, or as many as the layouts fill once (at least one).

    Scenes are used as evenly as possible within a HIT: with fewer layouts than trials some are shown again.
    """
    per_cell, count = timed_counts(protocol, len(layouts))
    hits = []
    for other in cast.others:
        balance = Balance()
        pairs = [(cast.baseline, PHOTOS), (other, PHOTOS), (cast.baseline, other)]
        for index in range(protocol.hits or 1):
            rng = generator(seed, study_id, other, index)
            cells = [(pair, ms) for pair in pairs for ms in protocol.exposures_ms]
            n = len(cells) * per_cell + count  # every scene is used floor or ceil of n / len(layouts) times
            rounds = [rng.permutation(layouts) for _ in range(-(-n // len(layouts)))]
            scenes = rng.permutation(np.concatenate(rounds)[:n]).tolist()
            trials = _sentinels(cast.anchor, [scenes.pop() for _ in range(count)],
                                protocol.sentinel_exposure_ms, balance, rng)
            for pair, ms in cells:
                trials += _trials(pair, [scenes.pop() for _ in range(per_cell)], ms, balance, rng)
            hits.append(Hit(other, index, shuffled(trials, rng)))
    return hits


def timed_counts(protocol: Protocol, layouts: int) -> tuple[int, int]:
    """(trials per cell, sentinels) of one HIT: the protocol's, reduced in proportion where the layouts are fewer."""
    cells = 3 * len(protocol.exposures_ms)
    if protocol.test_trials % cells:
        raise InputError(f"protocol {protocol.name}: test_trials={protocol.test_trials} is no multiple of the "
                         f"{cells} cells (3 pairs x {len(protocol.exposures_ms)} exposures)")
    full = protocol.test_trials // cells
    per_cell = max(1, min(full, layouts * full // (protocol.test_trials + protocol.sentinels)))
    return per_cell, -(-protocol.sentinels * per_cell // full)


# --- our own: every participant gets trials of his own, each scene once ----------------------------------------------

def per_participant(protocol: Protocol, cast: Cast, layouts: list[str], study_id: str, seed: int) -> list[Hit]:
    """One HIT per participant. K of them in a row see the same scenes with the K cells rotated: pairs stay comparable.

    Raises InputError when a participant's trials need more scenes than there are.
    """
    cells = [(pair, ms) for pair in comparisons(protocol, cast) for ms in protocol.exposures_ms or (None,)]
    n, hits, balance = tests_per_participant(protocol, len(cells)), [], Balance()
    exposure = protocol.sentinel_exposure_ms or max(protocol.exposures_ms, default=None)
    for number, scenes, rng in participants(protocol, layouts, n, len(cells), study_id, seed):
        of_cell: dict[tuple, list[str]] = {}
        for j, scene in enumerate(scenes[:n]):
            of_cell.setdefault(cells[(j + number) % len(cells)], []).append(scene)
        trials = [trial for (pair, ms), own in of_cell.items() for trial in _trials(pair, own, ms, balance, rng)]
        trials += _sentinels(cast.anchor, scenes[n:n + protocol.sentinels], exposure, balance, rng)
        trials += _instruction_checks(protocol.instruction_checks, exposure, balance, rng)
        ordered = _with_repeats(shuffled(trials, rng), protocol.repeats, rng)
        practice = _sentinels(cast.anchor, scenes[n + protocol.sentinels:][:protocol.practice], exposure, Balance(),
                              rng)
        hits.append(Hit("all", number, tuple(replace(one, block="practice") for one in practice) + ordered))
    return hits


def tests_per_participant(protocol: Protocol, cells: int) -> int:
    """Test trials per participant: the largest multiple of 2 x cells not above `test_trials`, so that every cell has as
    many trials with its first method left as right; with more cells, `test_trials`, balanced over participants."""
    whole = protocol.test_trials // (2 * cells) * 2 * cells
    return whole or protocol.test_trials


def _with_repeats(trials: tuple[Trial, ...], count: int, rng: np.random.Generator) -> tuple[Trial, ...]:
    """Test trials of the first half again, mirrored, at random places of the second half."""
    half = len(trials) // 2
    first = [trial for trial in trials[:half] if trial.sentinel == "none"]
    if count > len(first):
        raise InputError(f"repeats={count}, but the first half of a session has only {len(first)} test trials to "
                         "repeat")
    chosen = [first[i] for i in rng.choice(len(first), count, replace=False)] if count else []
    again = [replace(trial, methods=trial.methods[::-1], sentinel="repeat", trial_id=f"{trial.trial_id}/repeat")
             for trial in chosen]
    return trials[:half] + shuffled([*trials[half:], *again], rng)


# --- pieces ----------------------------------------------------------------------------------------------------------

def _trials(pair: Pair, scenes: Sequence[str], exposure_ms: int | None, balance: Balance,
            rng: np.random.Generator, sentinel: str = "none") -> list[Trial]:
    condition = condition_name(*pair)
    sides = balance.deal((condition, exposure_ms, sentinel), len(scenes), rng)
    return [_trial(pair, scene, exposure_ms, bool(first_left), sentinel)
            for scene, first_left in zip(scenes, sides, strict=True)]


def _trial(pair: Pair, scene: str, exposure_ms: int | None, first_left: bool, sentinel: str) -> Trial:
    condition = condition_name(*pair)
    answer = "" if sentinel == "none" else "left" if first_left else "right"
    name = "/".join([condition, scene, *([str(exposure_ms)] if exposure_ms else []),
                     *([sentinel] if sentinel != "none" else [])])
    return Trial(name, scene, pair, pair if first_left else pair[::-1], exposure_ms, "test", sentinel, answer)


def _sentinels(anchor: str, scenes: Sequence[str], exposure_ms: int | None, balance: Balance,
               rng: np.random.Generator) -> list[Trial]:
    """The photograph against the anchor: the photograph is the right answer."""
    return _trials((PHOTOS, anchor), scenes, exposure_ms, balance, rng, "perceptual")


def _instruction_checks(count: int, exposure_ms: int | None, balance: Balance,
                        rng: np.random.Generator) -> list[Trial]:
    """Both pictures show which side to choose; `image_id` names that side, so one pair of pictures serves each side."""
    trials = _trials(INSTRUCTION, [""] * count, exposure_ms, balance, rng, "instruction")
    return [replace(trial, image_id=f"choose-{trial.sentinel_answer}", trial_id=f"instruction/{i}")
            for i, trial in enumerate(trials)]


# --- the stream of the published tables ------------------------------------------------------------------------------

def _matlab_hits(protocol: Protocol, cast: Cast, layouts: Sequence[str]) -> list[Hit]:
    """The published order and sides on the layouts given; the same for every baseline, as in 2017."""
    if protocol.name not in matlab.PUBLISHED:
        raise InputError(f"rng matlab reproduces {' and '.join(matlab.PUBLISHED)} only, not '{protocol.name}'")
    if changed := [name for name in PUBLISHED_COUNTS
                   if getattr(protocol, name) != getattr(PROTOCOLS[protocol.name], name)]:
        raise InputError(f"rng matlab reproduces the published tables, which fix {changed[0]}; use rng numpy")
    if len(layouts) != matlab.IMAGES:
        raise InputError(f"rng matlab reproduces a study of exactly {matlab.IMAGES} layouts, the run has "
                         f"{len(layouts)}; use rng numpy")
    _, published, _ = matlab.PUBLISHED[protocol.name]
    hits = []
    for other in cast.others:
        anchor = other if cast.anchor == UNDER_TEST else cast.anchor
        names = {"baseline": cast.baseline, "other": other, "real": PHOTOS, "anchor": anchor}
        for index, rows in enumerate(published()):
            trials = []
            for row in rows:
                first, second = sorted((row.left, row.right), key=(OF_SENTINEL if row.sentinel else OF_TEST).index)
                trials.append(_trial((names[first], names[second]), layouts[row.image - 1], row.exposure_ms,
                                     row.left == first, "perceptual" if row.sentinel else "none"))
            hits.append(Hit(other, index, tuple(trials)))
    return hits


DESIGNS = {"unlimited-tables": unlimited_tables, "timed-tables": timed_tables, "per-participant": per_participant}
TASKS = {"real_or_fake": singles, "ranking": rankings}  # pairs have a choice of designs
