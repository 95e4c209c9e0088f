"""The plan of a study before it runs: cells, trials, minutes, cost, and the expected width of the interval."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from human_study.protocol.protocols import Protocol
from human_study.protocol.rules import pass_rate, sentinels_needed
from human_study.protocol.texts import untranslated
from human_study.trials.cast import Cast
from human_study.trials.draw import draw, seconds
from human_study.trials.trials import Hit, Trial

# defaults of plan and power; the spreads are those for which coverage was simulated
PREFERENCE = 0.6
PARTICIPANT_SD = 0.7  # of log-odds between participants
IMAGE_SD = 0.8  # between images
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
ENOUGH_POWER = 0.8  # the usual aim
OTHER_TIME = 0.25  # share by which a pilot's time differs so much that the announced duration should be changed
ENOUGH_STEPS = 150  # trials of a staircase, as in HYPE-time; from 500 to 100 ms it takes 40 in a row that are right
SMALL_HOURLY = 8.0  # US$; below it Prolific allows no study


@dataclass(frozen=True)
class Cell:
    """One cell: a comparison at one exposure. `width`: of the 95 % interval expected, naive and two-way clustered."""

    condition: str
    exposure_ms: int | None
    judgments: int
    participants: int
    images: int
    left_surplus: int  # times the first method is on the left minus on the right, over all HITs
    naive_width: float | None  # None: a staircase, which measures a time
    width: float | None
    power: float | None = None  # of the clustered test with Holm's adjustment over all cells, by simulation


@dataclass(frozen=True)
class StudyPlan:
    protocol: str
    protocol_sha256: str
    hits: int
    assignments: int
    participants: int
    trials_per_hit: tuple[int, int]  # smallest and largest
    kinds_per_hit: dict[str, int]  # of the largest HIT
    repeated_scenes_per_hit: int
    minutes_per_hit: float
    answer_seconds: float  # per trial, which the minutes rest on
    pay_per_hit: float | None
    pay_per_hour: float | None
    fee: float
    total_cost: float | None
    preference: float
    participant_sd: float
    image_sd: float
    cells: tuple[Cell, ...]
    sentinel_chance: float = 0.5  # of somebody guessing to get one right


def latent(preference: float, spread: float) -> float:
    """Log-odds with mean probability `preference` when a normal deviation of SD `spread` is added."""
    from scipy.optimize import brentq  # loaded late: the command line takes its defaults from this file
    from scipy.special import expit
    return brentq(lambda mu: WEIGHTS @ expit(mu + spread * NODES) - preference, -40, 40)


def variances(preference: float, participant_sd: float, image_sd: float) -> tuple[float, float]:
    """Variance of the probability of a choice between participants and between images, of spreads in log odds."""
    from scipy.special import expit
    mu = latent(preference, math.hypot(participant_sd, image_sd))
    grid = expit(mu + participant_sd * NODES[:, None] + image_sd * NODES[None, :])  # [participant, image]
    return float(WEIGHTS @ (grid @ WEIGHTS - preference) ** 2), float(WEIGHTS @ (WEIGHTS @ grid - preference) ** 2)


def expected_width(preference: float, judgments: int, participants: int, images: int,
                   participant_sd: float = PARTICIPANT_SD, image_sd: float = IMAGE_SD) -> float:
    """Width of the two-way clustered 95 % interval of a preference, 0..1.

    Log-odds are normal between participants and between images; judgments are spread evenly over both. The variance of
    the share is V_participant/participants + V_image/images + the rest/judgments, the quantile Student's t with
    min(participants, images) - 1 degrees of freedom. One participant or one image: no interval, so the width is 1.
    """
    from scipy.stats import t as student
    freedom = min(participants, images) - 1
    if freedom < 1:
        return 1.0
    by_participant, by_image = variances(preference, participant_sd, image_sd)
    rest = preference * (1 - preference) - by_participant - by_image
    variance = by_participant / participants + by_image / images + rest / judgments
    return float(min(1.0, 2 * student.ppf(0.975, freedom) * math.sqrt(variance)))


def naive_width(preference: float, judgments: int) -> float:
    """Width of the Wilson interval, as if all judgments were independent."""
    from scipy.stats import norm
    spread = norm.ppf(0.975) ** 2 / judgments
    return float(2 * math.sqrt(spread * (preference * (1 - preference) + spread / 4)) / (1 + spread))


def make_plan(protocol: Protocol, cast: Cast, layouts: Sequence[str], seed: int = 0, pay: float | None = None,
              pay_per_hour: float | None = None, fee: float = 0.0, preference: float = PREFERENCE,
              participant_sd: float = PARTICIPANT_SD, image_sd: float = IMAGE_SD,
              answer_seconds: float | None = None) -> StudyPlan:
    """Draw the design and summarise it. pay: per HIT, or pay_per_hour; fee: the platform's share on top;
    answer_seconds: a pilot's, instead of the protocol's estimate.

    Raises InputError as `draw` does.
    """
    hits = draw(protocol, cast, layouts, "plan", seed)
    longest = max(hits, key=lambda hit: len(hit.trials))
    answer_seconds = answer_seconds or protocol.answer_seconds
    minutes = seconds(protocol, [trial.exposure_ms for trial in longest.trials], answer_seconds) / 60
    if pay_per_hour is not None:
        pay = pay_per_hour * minutes / 60
    count = len(hits) * protocol.assignments

    def repeated(hit: Hit) -> int:  # trials whose scene was already shown in the HIT
        scenes = [trial.image_id for trial in hit.trials if trial.sentinel not in ("instruction", "repeat")]
        return len(scenes) - len(set(scenes))

    kinds = Counter("practice" if trial.block == "practice" else trial.sentinel for trial in longest.trials)
    return StudyPlan(
        protocol.name, protocol.sha256(), len(hits), protocol.assignments, count,
        (min(len(hit.trials) for hit in hits), len(longest.trials)),
        {"test" if kind == "none" else kind: n for kind, n in sorted(kinds.items())},
        max(map(repeated, hits)), minutes, answer_seconds, pay,
        pay / minutes * 60 if pay is not None else None, fee,
        pay * (1 + fee) * count if pay is not None else None, preference, participant_sd, image_sd,
        tuple(_cells(protocol, hits, preference, participant_sd, image_sd)),
        1 / max(2, len(longest.trials[0].methods)))


def shown_in_cells(hits: Sequence[Hit]) -> dict[tuple[str, int | None], list[tuple[int, Trial]]]:
    """(comparison, exposure) -> (number of the HIT, trial) of every judgment that counts; sorted."""
    found: dict[tuple[str, int | None], list] = {}
    for number, hit in enumerate(hits):
        for trial in hit.trials:
            for one in trial.implied() if trial.sentinel == "none" else ():
                found.setdefault((one.condition, one.exposure_ms), []).append((number, one))
    return dict(sorted(found.items(), key=lambda cell: (cell[0][0], cell[0][1] or 0)))


def _cells(protocol: Protocol, hits: list[Hit], preference: float, participant_sd: float, image_sd: float
           ) -> list[Cell]:
    cells = []
    for (condition, ms), shown in shown_in_cells(hits).items():
        judgments = len(shown) * protocol.assignments
        participants = len({number for number, _ in shown}) * protocol.assignments
        images = len({trial.image_id for _, trial in shown})
        first = sum(trial.methods[0] == trial.compared[0] for _, trial in shown)
        widths = (None, None) if protocol.staircase else (
            naive_width(preference, judgments),
            expected_width(preference, judgments, participants, images, participant_sd, image_sd))
        cells.append(Cell(condition, ms, judgments, participants, images, 2 * first - len(shown), *widths))
    return cells


def plan_text(plan: StudyPlan, protocol: Protocol) -> str:
    """The plan as text, with a warning where something is likely to disappoint."""
    low, high = plan.trials_per_hit
    lists = "sessions" if protocol.design == "per-participant" else "HITs"
    kinds = ", ".join(f"{n} {kind}" for kind, n in plan.kinds_per_hit.items())
    lines = [
        f"protocol {plan.protocol}, specification of the protocol {plan.protocol_sha256}",
        f"{plan.hits} {lists} x {plan.assignments} = {plan.participants} participants",
        f"{high if low == high else f'{low} to {high}'} trials per session ({kinds})",
        f"about {plan.minutes_per_hit:.1f} minutes per session ({plan.answer_seconds:.3g} s per answer"
        + (" after exposure and delay)" if protocol.timed else ")"),
        "cost: give --pay (per session) or --pay-per-hour" if plan.pay_per_hit is None else
        f"pay {plan.pay_per_hit:.2f} per session = {plan.pay_per_hour:.2f} per hour; total {plan.total_cost:.2f} with "
        f"{100 * plan.fee:.0f} % fees", "",
        f"{'comparison':<40} {'ms':>6} {'judgments':>9} {'people':>7} {'images':>6} "
        f"{'naive':>7} {'clustered':>9} {'power':>6}"]
    for cell in plan.cells:
        naive, width = ("-" if one is None else f"{100 * one:.1f}%" for one in (cell.naive_width, cell.width))
        lines.append(f"{cell.condition:<40} {cell.exposure_ms or '-':>6} {cell.judgments:>9} {cell.participants:>7} "
                     f"{cell.images:>6} {naive:>7} {width:>9} "
                     f"{'-' if cell.power is None else f'{cell.power:.2f}':>6}")
    lines += ["", *_assumptions(plan, protocol)]
    return "\n".join([*lines, *(f"warning: {text}" for text in warnings(plan, protocol))]) + "\n"


def _assumptions(plan: StudyPlan, protocol: Protocol) -> list[str]:
    """Meaning of the last columns of the table, and the assumptions behind them."""
    if protocol.staircase:
        return [f"staircases measure an exposure, {protocol.staircase.shortest_ms} to {protocol.staircase.longest_ms} "
                "ms, not a share: so there is neither width nor power"]
    truth = "share of right answers" if protocol.task == "real_or_fake" else "preference"
    return ["naive: width of Wilson's 95 % interval; clustered: of the interval to expect, by participant and image",
            f"power: share of studies whose clustered test, Holm-adjusted over {len(plan.cells)} rows, finds it",
            f"assumed: true {truth} {plan.preference:g}, spread (log odds) {round(plan.participant_sd, 2):g} between "
            f"participants and {round(plan.image_sd, 2):g} between images"]


def warnings(plan: StudyPlan, protocol: Protocol) -> list[str]:
    """Weak points of the plan, one sentence each."""
    found = []
    if plan.pay_per_hour is not None and plan.pay_per_hour < SMALL_HOURLY:
        found.append(f"{plan.pay_per_hour:.2f} per hour is below {SMALL_HOURLY:.2f}; pay by the pilot's median time")
    if plan.minutes_per_hit > protocol.limit_minutes:
        found.append(f"a session takes about {plan.minutes_per_hit:.0f} minutes, the limit is {protocol.limit_minutes}")
    if abs(plan.answer_seconds / protocol.answer_seconds - 1) > OTHER_TIME:
        found.append(f"the announced duration assumes {protocol.answer_seconds:g} s per answer, the pilot needed "
                     f"{plan.answer_seconds:.2g}: --set answer_seconds={plan.answer_seconds:.2g}")
    fewest = min(cell.participants for cell in plan.cells)
    if fewest < 10:
        found.append(f"{fewest} participants per comparison give an honest but very wide interval; more participants "
                     "help, more trials from each hardly do (--set assignments=N or hits=N)")
    weakest = min((cell.power for cell in plan.cells if cell.power is not None), default=1.0)
    if weakest < ENOUGH_POWER:
        truth = "share of right answers" if protocol.task == "real_or_fake" else "preference"
        found.append(f"a true {truth} of {plan.preference:g} is found in only {weakest:.0%} of such studies (the "
                     "weakest comparison); more participants help (--set assignments=N or hits=N)")
    if plan.repeated_scenes_per_hit:
        found.append(f"{plan.repeated_scenes_per_hit} trials of a session show a scene that was shown before in it")
    n, chance = plan.kinds_per_hit.get("perceptual", 0), plan.sentinel_chance
    alpha = protocol.rules.use_sentinel_guess_alpha
    needed = sentinels_needed(n, protocol.rules, chance)
    if alpha is not None and (guesser := pass_rate(n, needed, chance)) > alpha:
        found.append(f"{needed} of {n} sentinels must be right: somebody guessing passes with probability "
                     f"{guesser:.3f} (more than {alpha:g}), somebody careful with 2 % slips with "
                     f"{pass_rate(n, needed, 0.98):.3f}; more sentinels distinguish them better (--set sentinels=10)")
    per_staircase = min(cell.judgments // cell.participants for cell in plan.cells)
    if protocol.staircase and per_staircase < ENOUGH_STEPS:
        found.append(f"{per_staircase} trials per staircase, HYPE-time has {ENOUGH_STEPS}: fewer may not settle (--set "
                     "test_trials=N, or fewer methods)")
    if protocol.design == "per-participant" and (asked := protocol.test_trials) != plan.kinds_per_hit["test"]:
        found.append(f"{plan.kinds_per_hit['test']} of {asked} test trials: the largest number with exact balance")
    if any(ms <= 64 for ms in protocol.exposures_ms):
        found.append("exposures of 64 ms and less are 4 frames or fewer at 60 Hz: expect an error of a frame")
    return found + untranslated(protocol.texts, protocol.task)
