"""Spreads between people and between images, and time per answer, from a pilot; without one a plan assumes them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from data.errors import InputError
from human_study.analysis.mixed import LARGEST_SD
from human_study.analysis.plackett_luce import implied_pairs
from human_study.analysis.preference import by_exposure, judgments
from human_study.analysis.quality import apply_rules
from human_study.analysis.real_or_fake import judged
from human_study.protocol.protocols import Protocol
from human_study.protocol.rules import QualityRules
from human_study.responses.table import is_simulated
from human_study.responses.tasks import RANKING, REAL_OR_FAKE, TASKS, of_task
from human_study.trials.plan import variances


class NoSpreads(InputError):
    """A pilot from which spreads cannot be computed, and why."""


@dataclass(frozen=True)
class Spreads:
    """Spreads in log odds, as in StudyPlan, and the amount of data behind them.

    seconds: per trial, see `seconds_per_trial`. unknown: why there are no spreads, if a plan would use them.
    """

    participant_sd: float | None
    image_sd: float | None
    participants: int
    images: int
    judgments: int
    seconds: float | None
    simulated: bool = False
    unknown: str | None = None

    def line(self) -> str:
        found = [] if self.participant_sd is None else [
            f"spreads of {self.participant_sd:.2f} between participants and {self.image_sd:.2f} between images"]
        found += [] if self.seconds is None else [f"{self.seconds:.1f} s per answer"]
        mark = " (SIMULATED, no person judged)" if self.simulated else ""
        return (f"pilot{mark}: {self.judgments} judgments of {self.participants} participants and {self.images} images "
                f"give {' and '.join(found) or 'nothing that a plan needs'}"
                + (f"; {self.unknown}" if self.unknown else ""))


def pilot_spreads(frame: pd.DataFrame, protocol: Protocol, baseline: str) -> Spreads:
    """Spreads and time of a protocol's pilot, or the time alone if there are no spreads.

    Raises InputError for answers to another task, and of staircases to a protocol without.
    """
    if others := [task for task in TASKS if task != protocol.task and of_task(frame, task).any()]:
        raise InputError(f"the pilot holds answers of task {others[0]}, protocol {protocol.name} asks {protocol.task}: "
                         "give a pilot of the same task")
    if protocol.staircase:
        return _time_alone(frame, protocol)
    try:
        return spreads(frame, baseline, protocol.rules, protocol.delay_ms)
    except NoSpreads as why:
        return _time_alone(frame, protocol, str(why))


def _time_alone(frame: pd.DataFrame, protocol: Protocol, unknown: str | None = None) -> Spreads:
    used = apply_rules(frame, protocol.rules)
    used = used[used["used"]]
    return Spreads(None, None, used["participant"].nunique(), used["image_id"].nunique(), len(used),
                   seconds_per_trial(frame, protocol.delay_ms), is_simulated(frame), unknown)


def spreads(frame: pd.DataFrame, baseline: str, rules: QualityRules | None = None, delay_ms: float = 0) -> Spreads:
    """Spreads by the method of moments. delay_ms: the protocol's, before pictures with limited time.

    The covariance of two judgments of one participant of different images is the variance between participants, that of
    two judgments of one image by different participants the variance between images; pairs that share neither give the
    expected product without either. Both are then those of logit P = m + participant + image, the model of the plan.
    Raises NoSpreads where no participant judged two images, or no image was judged by two participants, and InputError
    for staircases.
    """
    used = _outcomes(apply_rules(frame, rules or QualityRules()), baseline)
    cells = [_moments(cell) for _, _, cell in by_exposure(used, "a", "b")]
    by_participant, by_image = (_pooled([cell[i] for cell in cells], what) for i, what in
                           enumerate(("participant judged two images", "image was judged by two participants")))
    share = np.average([max(cell[2], 1 - cell[2]) for cell in cells], weights=[cell[3] for cell in cells])
    likely = float(np.clip(share, 0.5, 0.99))
    wanted = np.clip([by_participant, by_image], 0, 0.9 * likely * (1 - likely))
    fit = optimize.least_squares(lambda sd: (np.array(variances(likely, *sd)) - wanted) * 10, (0.5, 0.5),
                                 bounds=(0, LARGEST_SD))
    return Spreads(*map(float, fit.x), used["participant"].nunique(), used["image_id"].nunique(), len(used),
                   seconds_per_trial(frame, delay_ms), is_simulated(frame))


def seconds_per_trial(frame: pd.DataFrame, delay_ms: float = 0) -> float | None:
    """Measured Protocol.answer_seconds: the median participant's mean time from one pair to the next, without
    pauses, exposure and the delay before it. Tables without the page's clock (published ones, other tools') have only
    the time of the answer itself; None if they lack that too.
    """
    rows = frame.sort_values(["session_id", "trial_index"])
    later = rows.groupby("session_id", observed=True)[["trial_index", "onset_ts"]].shift(-1)
    step = (later["onset_ts"] - rows["onset_ts"]).where(later["trial_index"] == rows["trial_index"] + 1)
    waits = (rows["exposure_req_ms"] + delay_ms).fillna(0)
    pauses = rows["paused_ms"].fillna(0) if "paused_ms" in rows else 0
    spent = step - waits - pauses
    if spent.isna().all():
        spent = rows["rt_from_offset_ms"].fillna(rows["rt_ms"])
    by_session = spent.groupby(rows["session_id"], observed=True).mean().dropna()
    return float(by_session.median() / 1000) if len(by_session) else None


def _outcomes(frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Judgments with 0..1 outcomes by condition: of pairs, also those that rankings decide, or errors."""
    if of_task(frame, REAL_OR_FAKE).any():
        used = judged(frame)
        if used["adaptive"].any():
            raise InputError("a pilot with staircases has no spreads: they keep the share of errors constant")
        return used
    return judgments(implied_pairs(frame) if of_task(frame, RANKING).any() else frame, baseline)


def _moments(cell: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float], float, int]:
    """(variance between participants, pairs it rests on), the same of images, share, judgments of one cell."""
    share = float(cell["outcome"].mean())
    sums = [_squares(cell.assign(outcome=cell["outcome"] - share), keys) for keys in
            (["participant", "image_id"], ["participant"], ["image_id"], [])]
    both, participant, image, everything = (np.array(one) for one in sums)  # each: sum of products, number of pairs
    neither = everything - participant - image + both
    found = []
    for product, pairs in (participant - both, image - both):
        known = pairs > 0 and neither[1] > 0
        found.append((product / pairs - neither[0] / neither[1] if known else 0.0, float(pairs if known else 0)))
    return found[0], found[1], share, len(cell)


def _squares(cell: pd.DataFrame, keys: list[str]) -> tuple[float, float]:
    """Sum of the products, and number, of all ordered pairs (also of one with itself) within a group of `keys`."""
    if not keys:
        return float(cell["outcome"].sum() ** 2), float(len(cell) ** 2)
    groups = cell.groupby(keys)["outcome"].agg(["sum", "size"])
    return float((groups["sum"] ** 2).sum()), float((groups["size"] ** 2).sum())


def _pooled(found: list[tuple[float, float]], what: str) -> float:
    """Mean over the cells, by their pairs."""
    pairs = [count for _, count in found]
    if not sum(pairs):
        raise NoSpreads(f"no spreads (the assumed ones stay): no {what} in one comparison")
    return float(np.average([value for value, _ in found], weights=pairs))
