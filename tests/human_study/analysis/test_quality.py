"""Which sessions are paid and which answers analysed: every rule by itself, and all of them on mixed participants."""

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from human_study.analysis.effects import participant_report
from human_study.analysis.quality import (
    apply_rules,
    longest_streaks,
    session_checks,
)
from human_study.analysis.results import analyse
from human_study.protocol.protocols import PROTOCOLS, validate
from human_study.protocol.rules import QualityRules, pass_rate, sentinel_threshold, sentinels_needed
from human_study.responses.table import make_responses

RULES = QualityRules()


def session(participant: str = "w", trials: int = 30, seed: int = 0, **columns) -> list[dict]:
    """A careful participant's session: trial 5, 15 and 25 are sentinels, answered rightly; sides and answers vary."""
    rng = np.random.default_rng([seed, *participant.encode()])
    rows = []
    for t in range(trials):
        check = t % 10 == 5
        a, b = ("photos", "blurred-photos") if check else ("crn", "pix2pix")
        left, right = (a, b) if rng.random() < 0.5 else (b, a)
        wins = check or rng.random() < 0.7
        rows.append({
            "study_id": "study", "spec_sha256": "a" * 64, "platform": "local", "session_id": f"s-{participant}",
            "participant": participant, "trial_index": t, "trial_id": f"t{t}", "block": "test", "image_id": f"i{t}",
            "condition": f"{a}_vs_{b}", "layout": "side_by_side", "left_method": left, "right_method": right,
            "chosen": "left" if (left == a) == wins else "right", "sentinel": "perceptual" if check else "none",
            "sentinel_answer": ("left" if left == a else "right") if check else None, "rt_ms": 800.0 + 10 * t,
            "submit_status": "submitted", **columns})
    return rows


def ruled(rows: list[dict], rules: QualityRules = RULES) -> pd.DataFrame:
    return apply_rules(make_responses(rows), rules)


def reasons(frame: pd.DataFrame) -> set[str]:
    return {name for text in frame["exclude_reasons"].dropna() for name in text.split(";")} - {"sentinel"}


def changed(rows: list[dict], where, **columns) -> list[dict]:
    return [row | columns if where(row) else row for row in rows]


TURN = {"left": "right", "right": "left"}


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


def test_a_careful_participant_is_paid_and_used():
    frame = ruled(session())
    assert frame["accepted"].all() and frame["used"].sum() == 27 and reasons(frame) == set()


def test_failed_sentinels_cost_the_use_but_not_the_pay():
    rows = [row | {"chosen": TURN[row["chosen"]]} if row["sentinel"] == "perceptual" else row for row in session()]
    frame = ruled(rows)
    assert not frame["used"].any() and frame["accepted"].all() and reasons(frame) == {"sentinels_failed"}


def test_ignored_instructions_cost_both():
    rows = changed(session(), lambda row: row["trial_index"] in (3, 7, 11), sentinel="instruction",
                   left_method="instruction-obeyed", right_method="instruction-ignored",
                   condition="instruction-obeyed_vs_instruction-ignored", sentinel_answer="left", chosen="right")
    frame = ruled(rows)
    assert not frame["accepted"].any() and "instructions_ignored" in reasons(frame)
    one = [row if row["trial_index"] != 3 else row | {"chosen": "left"} for row in rows[:10]] + rows[12:]
    assert ruled(one)["accepted"].all()  # one slip costs nothing


def test_repeats_answered_the_other_way():
    first = [row for row in session() if row["sentinel"] == "none"][:4]
    again = [row | {"trial_index": 100 + i, "sentinel": "repeat", "left_method": row["right_method"],
                    "right_method": row["left_method"], "chosen": TURN[row["chosen"]]} for i, row in enumerate(first)]
    assert reasons(ruled(session() + again)) == set()
    against = [row | {"chosen": TURN[row["chosen"]]} for row in again]
    assert reasons(ruled(session() + against)) == {"repeats_inconsistent"}


def test_too_fast_by_share_and_by_median():
    quick = changed(session(), lambda row: row["trial_index"] % 3 == 0, rt_ms=120.0)
    assert reasons(ruled(quick)) == {"too_fast"}
    assert reasons(ruled(session(rt_ms=290.0))) == {"too_fast"}
    assert reasons(ruled(session(rt_ms=310.0))) == set()
    assert reasons(ruled(session(rt_ms=None))) == set()  # platforms without times exclude nobody


@pytest.mark.parametrize("rt", [0.0, -5.0])
def test_times_that_cannot_be_drop_the_trial_only(rt):
    frame = ruled(changed(session(), lambda row: row["trial_index"] == 2, rt_ms=rt))
    assert reasons(frame) == {"rt_invalid"} and frame["used"].sum() == 26


def test_a_left_only_clicker_and_streaks():
    frame = ruled(session(chosen="left"))
    assert {"one_side", "side_streak"} <= reasons(frame) and not frame["used"].any()
    sides = ["left"] * 3 + ["right"] * 4 + ["left"] * 2
    rows = [row | {"chosen": side, "trial_index": 8 - i} for i, (row, side) in enumerate(
        zip(session()[:9], sides, strict=True))]
    assert longest_streaks(make_responses(rows))["s-w"] == 4


def test_focus_loss_counts_for_timed_trials_only():
    lost = changed(session(), lambda row: row["trial_index"] == 2, focus_lost=True)
    assert reasons(ruled(lost)) == set()
    timed = [row | {"exposure_req_ms": 500.0, "exposure_ms": 500.0, "refresh_hz": 60.0} for row in lost]
    assert reasons(ruled(timed)) == {"focus_lost"}


@pytest.mark.parametrize("shown, hz, reason", [
    (133.3, 60.0, set()), (116.7, 60.0, set()), (150.1, 60.0, {"exposure_wrong"}), (133.3, 120.0, set()),
    (142.0, 120.0, {"exposure_wrong"}), (None, 60.0, {"exposure_unknown"})])
def test_exposure_may_be_off_by_a_frame(shown, hz, reason):
    assert reasons(ruled(session(exposure_req_ms=125.0, exposure_ms=shown, refresh_hz=hz))) == reason


@pytest.mark.parametrize("columns, reason", [
    ({"asset_error": True}, "asset_error"), ({"layout": "stacked"}, "stacked"), ({"block": "practice"}, "practice"),
    ({"submit_status": "withdrawn"}, "withdrawn"), ({"submit_status": "returned"}, "returned"),
    ({"submit_status": "incomplete"}, "incomplete"), ({"submit_status": "rejected"}, "rejected"),
    ({"mask_shown": False, "exposure_req_ms": 500.0, "exposure_ms": 500.0}, "mask_missing")])
def test_rows_that_are_never_or_not_used(columns, reason):
    frame = ruled(session(**columns))
    assert not frame["used"].any() and reason in reasons(frame)


def test_answers_missing_cost_the_pay():
    frame = ruled(changed(session(), lambda row: row["trial_index"] == 2, chosen="none"))
    assert not frame["accepted"].any() and reasons(frame) == {"no_answer"}
    lenient = ruled(changed(session(), lambda row: row["trial_index"] == 2, chosen="none"),
                    QualityRules(pay_min_answered=0.9))
    assert lenient["accepted"].all()


TIMED = {"exposure_req_ms": 500.0, "exposure_ms": 500.0, "refresh_hz": 60.0}


@pytest.mark.parametrize("why", [{"asset_error": True}, {"focus_lost": True} | TIMED])
def test_what_could_not_be_judged_costs_nobody_the_pay(why):
    gone = why | {"chosen": "none"}
    frame = ruled(changed(session(), lambda row: row["trial_index"] in (2, 5), **gone))  # 5 is a sentinel
    assert frame["accepted"].all() and frame["used"].sum() == 26 and "sentinels_failed" not in reasons(frame)
    check = {"sentinel": "instruction", "left_method": "instruction-obeyed", "right_method": "instruction-ignored",
             "condition": "instruction-obeyed_vs_instruction-ignored", "sentinel_answer": "left"}
    assert ruled(changed(session(), lambda row: row["trial_index"] in (3, 7), **check, **gone))["accepted"].all()


@pytest.mark.parametrize("why", [{"focus_lost": True}, {"asset_error": True}, {"focus_lost": True} | TIMED])
def test_whoever_judges_nothing_is_not_paid(why):
    assert not ruled(session(chosen="none", **why))["accepted"].any()


def test_what_a_platform_has_decided_stays():
    wrong = {"chosen": "none"}
    assert ruled(session(submit_status="approved", **wrong))["accepted"].all()
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


def test_rules_can_be_switched_off_and_applied_again():
    off = QualityRules(use_min_sentinels=0, use_sentinel_guess_alpha=None, use_max_one_side=None, use_max_streak=None)
    frame = make_responses(session(chosen="left"))
    assert apply_rules(frame, off)["used"].sum() == 27
    twice = apply_rules(apply_rules(frame, RULES), off)
    pd.testing.assert_frame_equal(twice, apply_rules(frame, off))


def test_reasons_of_the_import_stay():
    rows = changed(session(), lambda row: row["trial_index"] == 2, exclude_reasons="import_log_disagrees")
    frame = apply_rules(ruled(rows), RULES)
    assert reasons(frame) == {"import_log_disagrees"} and not frame.loc[2, "used"]
    analysis = analyse(frame, "crn")
    assert analysis.preferences_all[0].n == 26  # what the import refuses is no judgment under any rules


def test_order_of_rows_does_not_matter():
    frame = make_responses(session("a") + session("b", chosen="left"))
    shuffled = frame.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(apply_rules(shuffled, RULES).sort_index(), apply_rules(frame, RULES))


def test_unknown_rules_are_named():
    protocol = PROTOCOLS["lab"].model_dump()
    with pytest.raises(InputError, match="'rules.use_max_fats': did you mean 'use_max_fast'"):
        validate({**protocol, "rules": {"use_max_fats": 0.1}}, "spec.json")
    with pytest.raises(InputError, match="spec.json: key 'rules.use_max_fast'"):
        validate({**protocol, "rules": {"use_max_fast": 2}}, "spec.json")


def test_the_rules_of_every_protocol_can_be_read():
    for protocol in PROTOCOLS.values():
        assert validate(protocol.model_dump(mode="json"), protocol.name).rules == protocol.rules


def test_bots_and_careless_participants_are_told_from_careful_ones():
    rng = np.random.default_rng(0)
    rows = [row for n in range(12) for row in session(f"good{n:02d}", 50)]
    for n in range(6):
        rows += [row | {"chosen": rng.choice(["left", "right"]), "rt_ms": 150.0} for row in session(f"bot{n}", 50)]
    rows += session("lefty", 50, chosen="left")
    frame = ruled(rows)
    used = set(frame.loc[frame["used"], "participant"])
    assert used == {f"good{n:02d}" for n in range(12)}
    analysis = analyse(frame, "crn")
    assert analysis.preferences[0].share > analysis.preferences_all[0].share  # results with and without exclusions
    assert analysis.participation.participants == 19 and analysis.participation.participants_used == 12


def test_participant_report():
    frame = make_responses(session("a") + session("b", chosen="left"))
    summary = session_checks(frame, RULES)["summary"]
    report = participant_report(apply_rules(frame, RULES), summary).set_index("participant")
    assert report.loc["b", "left_share"] == 1 and report.loc["b", "longest_streak"] == 30
    assert report.loc["a", "used"] == 27 and report.loc["b", "used"] == 0
    assert "one_side" in report.loc["b", "reasons"] and report.loc["a", "reasons"] == ""
    assert report.loc["a", "sentinels_right"] == 3
