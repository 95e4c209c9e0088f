"""Which sessions are paid and which answers analysed: every rule by itself, and all of them on mixed participants."""

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from human_study.analysis.effects import participant_report
from human_study.analysis.quality import apply_rules, longest_streaks, session_checks
from human_study.analysis.results import analyse
from human_study.protocol.protocols import PROTOCOLS, validate
from human_study.protocol.rules import QualityRules, pass_rate, sentinel_threshold, sentinels_needed
from human_study.responses.table import make_responses
from tests.human_study.analysis.rows import pair, ranked, single

RULES = QualityRules()
TURN = {"left": "right", "right": "left"}
TIMED = {"exposure_req_ms": 500.0, "exposure_ms": 500.0, "refresh_hz": 60.0}
CHECK = {"sentinel": "instruction", "left_method": "instruction-obeyed", "right_method": "instruction-ignored",
         "condition": "instruction-obeyed_vs_instruction-ignored", "sentinel_answer": "left"}


def session(participant: str = "w", trials: int = 30, **columns) -> list[dict]:
    """A careful participant's session: trial 5, 15 and 25 are sentinels, answered rightly; sides and answers vary."""
    rng = np.random.default_rng([0, *participant.encode()])
    rows = []
    for t in range(trials):
        check = t % 10 == 5
        a, b = ("photos", "blurred-photos") if check else ("crn", "pix2pix")
        left, right = (a, b) if rng.random() < 0.5 else (b, a)
        wins = check or rng.random() < 0.7
        rows.append(pair(participant, t, left, right, **{
            "chosen": "left" if (left == a) == wins else "right", "condition": f"{a}_vs_{b}", "rt_ms": 800.0 + 10 * t,
            "sentinel": "perceptual" if check else "none",
            "sentinel_answer": ("left" if left == a else "right") if check else None, **columns}))
    return rows


def ruled(rows: list[dict], rules: QualityRules = RULES) -> pd.DataFrame:
    return apply_rules(make_responses(rows), rules)


def reasons(frame: pd.DataFrame) -> set[str]:
    return {name for text in frame["exclude_reasons"].dropna() for name in text.split(";")} - {"sentinel"}


def changed(rows: list[dict], trials, **columns) -> list[dict]:
    return [row | columns if row["trial_index"] in trials else row for row in rows]


def turned(rows: list[dict], sentinel: str) -> list[dict]:
    return [row | {"chosen": TURN[row["chosen"]]} if row["sentinel"] == sentinel else row for row in rows]


@pytest.mark.parametrize("n, alpha, needed", [(10, 0.05, 9), (5, 0.05, 5), (4, 0.05, 4), (20, 0.05, 15), (0, 0.05, 0)])
def test_threshold_from_the_binomial_tail(n, alpha, needed):
    assert sentinel_threshold(n, alpha) == needed


@pytest.mark.parametrize("n, needed, right, rate", [
    (5, 5, 0.5, .031), (10, 10, 0.5, .001), (10, 9, 0.5, .011), (10, 9, 0.98, .984), (10, 10, 0.98, .817),
    (10, 10, 0.95, .599)])
def test_pass_rates_of_guessers_and_honest_participants(n, needed, right, rate):
    assert pass_rate(n, needed, right) == pytest.approx(rate, abs=0.0006)


def test_both_sentinel_rules_hold():
    assert sentinels_needed(20, QualityRules(use_min_sentinels=0.9)) == 18
    assert sentinels_needed(20, QualityRules(use_min_sentinels=0.5)) == 15
    assert sentinels_needed(20, QualityRules(use_min_sentinels=0.5, use_sentinel_guess_alpha=None)) == 10


EVERY = range(30)


@pytest.mark.parametrize("trials, columns, broken, used", [
    ([], {}, set(), 27),
    (EVERY[::3], {"rt_ms": 120.0}, {"too_fast"}, 0),
    (EVERY, {"rt_ms": 290.0}, {"too_fast"}, 0), (EVERY, {"rt_ms": 310.0}, set(), 27),
    (EVERY, {"rt_ms": None}, set(), 27),  # platforms without times exclude nobody
    ([2], {"rt_ms": 0.0}, {"rt_invalid"}, 26), ([2], {"rt_ms": -5.0}, {"rt_invalid"}, 26),
    ([2], {"focus_lost": True}, set(), 27), ([2], {"focus_lost": True} | TIMED, {"focus_lost"}, 26),
    (EVERY, TIMED | {"exposure_ms": 516.7}, set(), 27), (EVERY, TIMED | {"exposure_ms": 483.3}, set(), 27),
    (EVERY, TIMED | {"exposure_ms": 525.1}, {"exposure_wrong"}, 0),
    (EVERY, TIMED | {"exposure_ms": 508.3, "refresh_hz": 120.0}, set(), 27),
    (EVERY, TIMED | {"exposure_ms": 517.0, "refresh_hz": 120.0}, {"exposure_wrong"}, 0),
    (EVERY, TIMED | {"exposure_ms": None}, {"exposure_unknown"}, 0),
    (EVERY, TIMED | {"mask_shown": False}, {"mask_missing"}, 0),
    (EVERY, {"asset_error": True}, {"asset_error"}, 0), (EVERY, {"layout": "stacked"}, {"stacked"}, 0),
    (EVERY, {"block": "practice"}, {"practice"}, 0), (EVERY, {"submit_status": "withdrawn"}, {"withdrawn"}, 0),
    (EVERY, {"submit_status": "returned"}, {"returned"}, 0),
    (EVERY, {"submit_status": "incomplete"}, {"incomplete"}, 0),
    (EVERY, {"submit_status": "rejected"}, {"rejected"}, 0)])
def test_rules_on_trials_and_on_speed(trials, columns, broken, used):
    frame = ruled(changed(session(), trials, **columns))
    assert reasons(frame) == broken and frame["used"].sum() == used
    if "submit_status" not in columns and "block" not in columns:
        assert frame["accepted"].all()  # none of these costs the pay


def test_failed_sentinels_cost_the_use_but_not_the_pay():
    frame = ruled(turned(session(), "perceptual"))
    assert not frame["used"].any() and frame["accepted"].all() and reasons(frame) == {"sentinels_failed"}


def test_ignored_instructions_cost_both_and_one_slip_nothing():
    rows = changed(session(), (3, 7, 11), **CHECK, chosen="right")
    frame = ruled(rows)
    assert not frame["accepted"].any() and "instructions_ignored" in reasons(frame)
    assert ruled(changed(rows, (3, 11), chosen="left"))["accepted"].all()


def test_repeats_answered_the_other_way():
    first = [row for row in session() if row["sentinel"] == "none"][:4]
    again = [row | {"trial_index": 100 + i, "sentinel": "repeat", "left_method": row["right_method"],
                    "right_method": row["left_method"], "chosen": TURN[row["chosen"]]} for i, row in enumerate(first)]
    assert reasons(ruled(session() + again)) == set()
    assert reasons(ruled(session() + turned(again, "repeat"))) == {"repeats_inconsistent"}


def test_a_left_only_clicker_and_streaks():
    frame = ruled(session(chosen="left"))
    assert {"one_side", "side_streak"} <= reasons(frame) and not frame["used"].any()
    sides = ["left"] * 3 + ["right"] * 4 + ["left"] * 2
    rows = [row | {"chosen": side, "trial_index": 8 - i} for i, (row, side) in enumerate(
        zip(session()[:9], sides, strict=True))]
    assert longest_streaks(make_responses(rows))["s-w"] == 4


def test_missing_answers_cost_the_pay():
    rows = changed(session(), [2], chosen="none")
    assert not ruled(rows)["accepted"].any() and reasons(ruled(rows)) == {"no_answer"}
    assert ruled(rows, QualityRules(pay_min_answered=0.9))["accepted"].all()


@pytest.mark.parametrize("why", [{"asset_error": True}, {"focus_lost": True} | TIMED])
def test_what_could_not_be_judged_costs_nobody_the_pay(why):
    gone = why | {"chosen": "none"}
    frame = ruled(changed(session(), (2, 5), **gone))  # 5 is a sentinel
    assert frame["accepted"].all() and frame["used"].sum() == 26 and "sentinels_failed" not in reasons(frame)
    assert ruled(changed(session(), (3, 7), **CHECK, **gone))["accepted"].all()
    assert not ruled(session(**gone))["accepted"].any()  # but whoever judges nothing is not paid


def test_what_a_platform_has_decided_stays():
    assert ruled(session(submit_status="approved", chosen="none"))["accepted"].all()
    assert not ruled(session(submit_status="rejected"))["accepted"].any()


def test_the_first_finished_session_of_a_participant_counts():
    rows = session(session_started="2025-01-02T00:00:00+00:00") + \
        session(session_id="s-0", session_started="2025-01-03T00:00:00+00:00")
    frame = ruled(rows)
    later = frame[frame["session_id"] == "s-0"]
    assert not later["used"].any() and later["accepted"].all() and frame["used"].sum() == 27
    assert ruled(rows, QualityRules(use_one_session_per_participant=False))["used"].sum() == 54
    unfinished = [row | {"submit_status": "incomplete"} if row["session_id"] == "s-w" else row for row in rows]
    assert ruled(unfinished).query("session_id == 's-0'")["used"].sum() == 27


def test_rules_are_applied_again_in_any_order_of_rows():
    off = QualityRules(use_min_sentinels=0, use_sentinel_guess_alpha=None, use_max_one_side=None, use_max_streak=None)
    frame = make_responses(session("a") + session("b", chosen="left"))
    assert apply_rules(frame, off)["used"].sum() == 54 and apply_rules(frame, RULES)["used"].sum() == 27
    pd.testing.assert_frame_equal(apply_rules(apply_rules(frame, RULES), off), apply_rules(frame, off))
    shuffled = frame.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(apply_rules(shuffled, RULES).sort_index(), apply_rules(frame, RULES))


def test_reasons_of_the_import_stay():
    frame = apply_rules(ruled(changed(session(), [2], exclude_reasons="import_log_disagrees")), RULES)
    assert reasons(frame) == {"import_log_disagrees"} and not frame.loc[2, "used"]
    assert analyse(frame, "crn").preferences_all[0].n == 26  # no judgment under any rules


def test_rules_in_a_specification():
    for protocol in PROTOCOLS.values():
        assert validate(protocol.model_dump(mode="json"), protocol.name).rules == protocol.rules
    for rules, message in (({"use_max_fats": 0.1}, "'rules.use_max_fats': did you mean 'use_max_fast'"),
                           ({"use_max_fast": 2}, "spec.json: key 'rules.use_max_fast'")):
        with pytest.raises(InputError, match=message):
            validate({**PROTOCOLS["lab"].model_dump(), "rules": rules}, "spec.json")


def test_bots_and_careless_participants_are_recognised_and_reported():
    rng = np.random.default_rng(0)
    rows = [row for n in range(12) for row in session(f"good{n:02d}", 50)]
    for n in range(6):
        rows += [row | {"chosen": rng.choice(["left", "right"]), "rt_ms": 150.0} for row in session(f"bot{n}", 50)]
    frame = ruled(rows + session("lefty", 50, chosen="left"))
    assert set(frame.loc[frame["used"], "participant"]) == {f"good{n:02d}" for n in range(12)}
    analysis = analyse(frame, "crn")
    assert analysis.preferences[0].share > analysis.preferences_all[0].share  # results with and without exclusions
    assert analysis.participation.participants == 19 and analysis.participation.participants_used == 12
    report = participant_report(frame, session_checks(frame, RULES)["summary"]).set_index("participant")
    lefty, good = report.loc["lefty"], report.loc["good00"]
    assert (lefty["left_share"], lefty["longest_streak"], lefty["used"]) == (1, 50, 0)
    assert (good["used"], good["sentinels_right"], good["reasons"]) == (45, 5, "") and "one_side" in lefty["reasons"]


def test_quality_of_rankings_and_single_pictures():
    orders = [["a", "b", "c"], ["b", "a", "c"], ["c", "b", "a"]]
    lazy = [ranked("lazy", i, orders[i % 3], orders[i % 3]) for i in range(12)]  # A, B, C whatever is there
    keen = [ranked("keen", i, orders[i % 3], ["a", "b", "c"]) for i in range(12)]
    checks = [ranked(w, 12 + i, ["a", "x", "b"], ["a", "b", "x"] if w == "keen" else ["a", "x", "b"], image_id=f"c{i}",
                     condition="a_vs_b_vs_x", sentinel="perceptual", sentinel_answer="x")
              for w in ("lazy", "keen") for i in range(3)]
    frame = make_responses([*lazy, *keen, *checks])
    assert frame.groupby("participant")["sentinel_ok"].sum().to_dict() == {"lazy": 0, "keen": 3}
    broken = session_checks(frame, RULES)["reasons"]
    assert broken["one_side"] == {"s-lazy"} and broken["sentinels_failed"] == {"s-lazy"}
    used = apply_rules(frame, RULES)
    assert used[used["used"].astype(bool)]["participant"].unique().tolist() == ["keen"]
    always_fake = make_responses([single("w", i, "photos" if i % 2 else "crn", "fake") for i in range(30)])
    assert session_checks(always_fake, RULES)["reasons"]["one_side"] == {"s-w"}
