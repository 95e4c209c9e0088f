"""The rules of a study, part of its specification: whom to pay and whose answers to analyse, fixed before it begins."""

import math

from pydantic import BaseModel, ConfigDict, Field


class QualityRules(BaseModel):
    """Rules of one study. A rule set to None is switched off; a rule without the data it needs excludes nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pay_min_answered: float = Field(1.0, ge=0, le=1)  # share of a session's trials answered or excused
    pay_max_instruction_failures: int | None = Field(1, ge=0)  # explicit instructions answered wrongly
    use_min_sentinels: float = Field(0.9, ge=0, le=1)  # share of perceptual sentinels answered rightly, and
    use_sentinel_guess_alpha: float | None = Field(0.05, gt=0, lt=1)  # so many that a guesser passes at most so often
    use_min_repeats_alike: float | None = Field(0.5, ge=0, le=1)  # share of mirrored repeats answered consistently
    use_min_median_rt_ms: float | None = Field(300.0, ge=0)
    use_fast_rt_ms: float = Field(200.0, ge=0)  # an answer sooner after onset is no judgment
    use_max_fast: float | None = Field(0.2, ge=0, le=1)  # share of such answers in a session
    use_max_one_side: float | None = Field(0.9, gt=0.5, le=1)  # share of answers on one side
    use_max_streak: int | None = Field(25, ge=2)  # answers on one side in a row; by chance 3e-6 in 110 trials
    use_exposure_tolerance_frames: float | None = Field(1.0, gt=0)  # shown against requested, either way
    use_drop_focus_lost: bool = True  # timed trials only: an untimed one can be looked at again
    use_one_session_per_participant: bool = True  # the first finished one counts
    use_incomplete: bool = False  # sessions that were not submitted
    use_stacked: bool = False  # pictures one above the other; follows the protocol's `stacked` unless set
    use_rejected: bool = False  # work that was rejected on the platform


def sentinel_threshold(n: int, alpha: float, chance: float = 0.5) -> int:
    """Fewest right answers of n sentinels that a guesser reaches with probability <= alpha; n if none does. chance: of
    a guess to be right.

    >>> sentinel_threshold(10, 0.05), sentinel_threshold(5, 0.05)
    (9, 5)
    """
    return next((k for k in range(n + 1) if pass_rate(n, k, chance) <= alpha), n)


def pass_rate(n: int, threshold: int, right: float) -> float:
    """Probability to pass: >= threshold of n sentinels, each answered rightly with probability `right`."""
    from scipy import stats  # half a second to load; a protocol is read without it
    return float(stats.binom.sf(threshold - 1, n, right))


def sentinels_needed(n: int, rules: QualityRules, chance: float = 0.5) -> int:
    """Right answers out of n perceptual sentinels that both sentinel rules ask for."""
    by_share = math.ceil(rules.use_min_sentinels * n - 1e-9)
    alpha = rules.use_sentinel_guess_alpha
    return by_share if alpha is None else max(by_share, sentinel_threshold(n, alpha, chance))
