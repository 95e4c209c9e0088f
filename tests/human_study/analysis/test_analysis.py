"""The human study's analysis as a whole: hand-made tables, invariances, notes, outputs, validation."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data.errors import InputError
from evaluation.statistics.preferences import read_preferences
from human_study.__main__ import main
from human_study.analysis.outputs import read_counts, write_analysis
from human_study.analysis.quality import apply_rules
from human_study.analysis.results import Analysis, analyse
from human_study.batch.write import write_batch
from human_study.commands import analyse_run
from human_study.protocol.rules import QualityRules
from human_study.responses.columns import condition_name
from human_study.responses.table import (
    make_responses,
    merge_responses,
    read_responses,
    validate_responses,
    write_responses,
)
from tests.human_study.analysis.rows import pair

TURN = {"left": "right", "right": "left"}


def study(participants: int = 12, trials: int = 24, images: int = 40, share: float = 0.75,
          exposures: Sequence[float | None] = (None,), others: Sequence[str] = ("pix2pix", "image_space"),
          platform: str = "local", sentinels: bool = True) -> pd.DataFrame:
    """crn against `others`, `share` of votes for crn; every sixth trial a sentinel, always answered rightly."""
    rng = np.random.default_rng(0)
    rows = []
    for w in range(participants):
        for t, image in enumerate(rng.permutation(images)[:trials]):
            check = sentinels and t % 6 == 5
            a, b = ("photos", "blurred-photos") if check else ("crn", others[t % len(others)])
            wins, first_left = check or rng.random() < share, bool(rng.random() < 0.5)
            left, right = (a, b) if first_left else (b, a)
            more = {"sentinel": "perceptual", "sentinel_answer": "left" if first_left else "right"} if check else {}
            exposure = exposures[t % len(exposures)]
            rows.append(pair(f"w{w:02d}", t, left, right, "left" if first_left == wins else "right",
                             image_id=f"{image:05d}", condition=condition_name(a, b), platform=platform,
                             exposure_req_ms=exposure, exposure_ms=exposure and exposure + 8.3, refresh_hz=60.0,
                             **more))
    return make_responses(rows)


def analysed(rows: list[dict], **more) -> Analysis:
    return analyse(make_responses(rows), "crn", **more)


# --- the whole analysis ----------------------------------------------------------------------------------------------

def test_a_study_by_hand():
    rows = [pair(f"w{w}", t, *(("crn", "pix2pix") if t % 2 else ("pix2pix", "crn")),
                 "left" if (t % 2 == 1) == (t + w != 3) else "right") for w in range(3) for t in range(4)]
    only, = analysed(rows).preferences
    assert (only.a, only.b, only.n, only.wins, only.share) == ("crn", "pix2pix", 12, 9, 0.75)
    assert (only.participants, only.images) == (3, 4)
    assert only.p_exact == pytest.approx(stats.binomtest(9, 12).pvalue)


def test_photographs_come_first_then_the_baseline_and_both_directions_are_one_pair():
    rows = [pair("w0", 0, "photos", "crn", "left"), pair("w1", 0, "crn", "photos", "left"),
            pair("w0", 1, "zeta", "crn", "left", condition="crn_vs_zeta"), pair("w0", 2, "alpha", "zeta", "left"),
            pair("w1", 1, "crn", "zeta", "left", condition="zeta_vs_crn")]
    assert [(one.a, one.b, one.n, one.wins) for one in analysed(rows).preferences] == [
        ("alpha", "zeta", 1, 1), ("crn", "zeta", 2, 1), ("photos", "crn", 2, 1)]


def shares(analysis: Analysis) -> dict:
    """(a, b, exposure, what) -> number."""
    return {(one.a, one.b, one.exposure_ms, name): value for one in analysis.preferences for name, value in
            (("share", one.share), ("n", one.n), ("low", one.clustered[0]), ("high", one.clustered[1]),
             ("p", one.p_clustered))}


def test_invariance_to_the_order_of_rows_and_to_names():
    frame = study(exposures=(125.0, 1000.0))
    names = {"crn": "x9", "pix2pix": "b", "image_space": "a", "photos": "photos", "blurred-photos": "q"}
    conditions = {one: condition_name(*(names[name] for name in one.split("_vs_"))) for one in set(frame["condition"])}
    swapped = frame.sample(frac=1, random_state=1).assign(
        condition=frame["condition"].map(conditions), participant="z" + frame["participant"].str[::-1],
        image_id=frame["image_id"].str[::-1],
        **{side: frame[side].map(names) for side in ("left_method", "right_method")})
    before, after = shares(analyse(frame, "crn")), shares(analyse(validate_responses(swapped), "x9"))
    assert {(names[a], names[b], *rest): value for (a, b, *rest), value in before.items()} == pytest.approx(after)


def test_swapping_left_and_right_everywhere_changes_only_the_side():
    frame = study()
    swapped = frame.assign(left_method=frame["right_method"], right_method=frame["left_method"],
                           chosen=frame["chosen"].map(TURN), sentinel_answer=frame["sentinel_answer"].map(TURN))
    one, other = analyse(frame, "crn"), analyse(validate_responses(swapped), "crn")
    assert shares(one) == pytest.approx(shares(other))
    assert one.side_bias.value == pytest.approx(1 - other.side_bias.value)
    assert one.rankings[0].ranking.side.value == pytest.approx(-other.rankings[0].ranking.side.value, abs=1e-6)


def test_ties_are_half_a_vote_or_dropped():
    rows = [pair(f"w{n}", n, "crn", "b", side) for n, side in enumerate(["left", "left", "right", "tie"])]
    half, drop = (analysed(rows, ties=rule).preferences[0] for rule in ("half", "drop"))
    assert (half.share, half.n, half.ties) == (0.625, 4, 1)
    assert (drop.share, drop.n, drop.ties) == (pytest.approx(2 / 3), 3, 1)
    assert half.p_exact == drop.p_exact == pytest.approx(1.0)
    only_ties = [one | {"chosen": "tie"} for one in rows]
    half, drop = (analysed(only_ties, ties=rule) for rule in ("half", "drop"))
    assert "All judgments are ties." in half.notes
    assert half.preferences[0].share == 0.5 and half.preferences[0].p_exact is None
    assert drop.preferences[0].naive is None and "no judgments but ties" in drop.preferences[0].note


def with_missed_sentinels() -> pd.DataFrame:
    frame = study()
    turned = frame["chosen"].map(TURN)
    return make_responses(frame.assign(chosen=frame["chosen"].where(frame["sentinel"].ne("perceptual"), turned)))


def with_a_stacked_session() -> pd.DataFrame:
    frame = study(participants=10)
    return frame.assign(layout=frame["layout"].where(frame["participant"].ne("w00"), "stacked"))


@pytest.mark.parametrize("frame, note", [
    (lambda: study(participants=1), "One participant"),
    (lambda: study(images=24).assign(image_id="00000"), "One image"),
    (lambda: study().assign(rt_ms=np.nan), "No response times"),
    (lambda: study(exposures=(125.0,)).assign(exposure_ms=np.nan, refresh_hz=np.nan), "Exposures were not measured"),
    (with_a_stacked_session, "10 % of the answers are not used: stacked 10 %."),
    (with_missed_sentinels, "100 % of the answers are not used: sentinels_failed 100 %"),
    (with_missed_sentinels, "No judgment is left")])
def test_notes_before_the_numbers(frame, note, tmp_path):
    analysis = analyse(validate_responses(frame()), "crn")
    assert any(one.startswith(note) for one in analysis.notes)
    if note.startswith("One"):
        assert all(one.clustered is None and one.verdict == "no clustered test" for one in analysis.preferences)
    if note.startswith("No judgment"):
        assert analysis.preferences == [] and len(analysis.preferences_all) == 2
        assert write_analysis(analysis, tmp_path)


def test_zero_responses_and_a_baseline_never_shown():
    for frame, baseline, ties, message in ((study().iloc[:0], "crn", "half", "no responses"),
                                           (study(), "spade", "half", "'spade' was never shown; methods in the table"),
                                           (study(), "crn", "third", "ties")):
        with pytest.raises(InputError, match=message):
            analyse(frame, baseline, ties=ties)


def test_perfect_preference_gives_no_strengths_but_shares():
    perfect = analyse(study(share=1), "crn")
    assert "won or lost every" in perfect.rankings[0].ranking.problem
    assert all(one.clustered[1] == 1.0 and one.clustered[0] < 0.9 for one in perfect.preferences)
    assert perfect.rankings[0].flip.votes > 0


def test_photographs_that_cannot_be_told_apart_are_called_equivalent():
    frame = study(participants=60, trials=48, images=400, share=0.5, others=("pix2pix",), sentinels=False)
    names = {"crn": "photos", "pix2pix": "crn"}
    real = frame.assign(left_method=frame["left_method"].map(names), right_method=frame["right_method"].map(names),
                        condition="photos_vs_crn")
    only = analyse(validate_responses(real), "crn").preferences[0]
    assert only.verdict == "equivalent within 5 points" and only.p_clustered > 0.05


def test_exposures_are_analysed_apart_and_reported_as_measured():
    timed, unlimited = (analyse(study(exposures=exposures, others=("b",)), "crn")
                        for exposures in ((125.0, 1000.0), (None,)))
    assert timed.notes == unlimited.notes == []
    assert [(one.requested_ms, one.median_ms) for one in timed.exposures] == [(125, 133.3), (1000, 1008.3)]
    for found in (timed.preferences, timed.split_half):
        assert [(one.a, one.b, one.exposure_ms) for one in found] == [("crn", "b", 125), ("crn", "b", 1000)]
    assert [(one.a, one.b, one.exposure_ms) for one in unlimited.split_half] == [("crn", "b", None)]
    assert [(one.a, one.b) for one in unlimited.alpha] == [(None, None), ("crn", "b")]


def test_minutes_come_from_sessions_whose_clock_ran_through():
    rows = [pair(f"w{w}", t, "crn", "b", "left", onset_ts=60000.0 * t * (w + 1),
                 response_ts=60000.0 * t * (w + 1) + 500) for w in range(2) for t in range(3)]
    assert analysed(rows).participation.median_minutes == pytest.approx((2 + 4) / 2 + 0.5 / 60)
    reloaded = [one | {"onset_ts": None, "response_ts": None} if one["session_id"] == "s-w1" and one["trial_index"]
                else one for one in rows]
    assert analysed(reloaded).participation.median_minutes == pytest.approx(2 + 0.5 / 60)


# --- outputs ---------------------------------------------------------------------------------------------------------

def test_outputs_carry_the_hash_and_the_mark_of_simulation_and_are_the_same_again(tmp_path):
    for platform in ("sim", "local", "local again"):
        frame = study(platform=platform.split()[0], exposures=(None, 500.0))
        files = write_analysis(analyse(frame, "crn"), tmp_path / platform)
        texts = [file for file in files if file.suffix not in (".pdf", ".png") and file.name != "preferences.json"]
        assert {file.name for file in texts} == {"report.md", "tables.tex", "preferences.csv", "analysis.json",
                                                 "participants.csv", "methods.txt"}
        assert {"preference-by-exposure.pdf", "preference-by-method.png"} < {file.name for file in files}
        assert all("a" * 16 in file.read_text() for file in texts)
        assert all("simulated" in file.read_text().lower() for file in texts) or platform != "sim"
        assert ("SIMULATED DATA" in (tmp_path / platform / "report.md").read_text()) == (platform == "sim")
        assert pd.read_csv(tmp_path / platform / "preferences.csv")["simulated"].eq(platform == "sim").all()
    content = json.loads((tmp_path / "sim" / "analysis.json").read_text())
    assert content["identity"]["simulated"] and content["preferences"][0]["n"] > 0
    for file in (tmp_path / "local").iterdir():
        assert file.read_bytes() == (tmp_path / "local again" / file.name).read_bytes(), file.name


def test_peoples_votes_are_written_for_the_scores(tmp_path):
    rows = [pair("w0", 0, "crn", "b", "left"), pair("w1", 0, "b", "crn", "right"), pair("w2", 0, "crn", "b", "right"),
            pair("w0", 1, "b", "crn", "tie"), pair("w1", 1, "crn", "b", "none"),
            pair("w2", 1, "photos", "blurred", "left", block="practice")]
    write_analysis(analysed(rows), tmp_path)
    found = [(one.layout, one.preferred, one.other, one.count) for one in read_preferences(
        tmp_path / "preferences.json")]
    assert found == [("i0", "b", "crn", 1), ("i0", "crn", "b", 2), ("i1", "b", "crn", 0.5), ("i1", "crn", "b", 0.5)]
    assert len(analysed(rows, ties="drop").votes) == 2
    write_analysis(analysed([one | {"platform": "sim"} for one in rows]), tmp_path)
    assert not (tmp_path / "preferences.json").exists()  # no person voted, and what was there is not this analysis


def test_simulated_data_is_never_merged_with_peoples(tmp_path):
    people, simulated = study(), study(platform="sim")
    with pytest.raises(InputError, match="never be merged"):
        merge_responses([people, simulated])
    with pytest.raises(InputError, match="simulated"):
        validate_responses(pd.concat([people, simulated.assign(session_id="z" + simulated["session_id"])]))
    for name, frame in (("p", people), ("s", simulated)):
        write_responses(frame, tmp_path / f"{name}.csv")
    with pytest.raises(SystemExit):
        main(["analyze", "--responses", str(tmp_path / "p.csv"), str(tmp_path / "s.csv"), "--out", str(tmp_path / "o")])
    assert not (tmp_path / "o").exists()


def test_counts_from_a_file(tmp_path, capsys):
    file = tmp_path / "c.csv"
    file.write_text("a,b,exposure_ms,wins,n\ncrn,pix2pix,,30,50\n")
    main(["analyze", "--counts", str(file), "--out", str(tmp_path / "o")])
    assert "60.0 %" in capsys.readouterr().out
    for text, message in (("a,b,wins,n\nx,y,1,2\n", "exposure_ms"),
                          ("a,b,exposure_ms,wins,n\nx,y,,3,2\n", "impossible"),
                          ("a,b,exposure_ms,wins,n\nx,y,,many,2\n", "not a table")):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            read_counts(str(file))


def test_analysis_of_a_run_checks_the_specification(tiny_run, tmp_path):
    batch = write_batch(tiny_run, "crn2017-unlimited", ["pix2pix", "image_space"], "crn")
    frame = study(trials=12, images=12).assign(study_id=batch.study_id, spec_sha256=batch.spec_sha256)
    write_responses(frame, tmp_path / "r.csv")
    analysis = analyse_run(tiny_run, None, [tmp_path / "r.csv"])
    assert analysis.identity.protocol == "crn2017-unlimited" and len(analysis.identity.images_sha256) == 64
    assert analysis.titles["image_space"] == "Image-space loss"
    write_responses(frame.assign(spec_sha256="b" * 64), tmp_path / "r.csv")
    with pytest.raises(InputError, match="other images or rules"):
        analyse_run(tiny_run, None, [tmp_path / "r.csv"])
    spec = batch.folder / "secret" / "spec.json"
    spec.write_text(spec.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(InputError, match="changed after it was written"):
        analyse_run(tiny_run, None, [tmp_path / "r.csv"])


# --- the table of responses ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_responses_round_trip(tmp_path, suffix):
    frame = apply_rules(study(exposures=(None, 125.0)), QualityRules())
    write_responses(frame, tmp_path / f"r.{suffix}")
    pd.testing.assert_frame_equal(read_responses(tmp_path / f"r.{suffix}"), frame)


@pytest.mark.parametrize("change, message", [
    ({"chosen": "middle"}, "none of left, right, tie, real, fake, ranked, none"), ({"platform": "paper"}, "platform"),
    ({"right_method": "crn", "left_method": "crn"}, "same method"), ({"condition": "a_vs_b"}, "condition"),
    ({"participant": None}, "participant is empty"), ({"rt_ms": "fast"}, "no number"),
    ({"focus_lost": "maybe"}, "maybe"), ({"sentinel_ok": True}, "sentinel_ok"), ({"trial_index": 0}, "twice"),
    ({"exposure_req_ms": -1.0}, "beyond 0"), ({"used": True, "exclude_reasons": "x"}, "exclude_reasons")])
def test_invalid_responses_are_refused_with_the_trial_named(change, message):
    good = make_responses([pair("w0", 0, "crn", "b", "left"), pair("w0", 1, "crn", "b", "left")]).astype(object)
    for name, value in change.items():
        good.loc[1, name] = value
    with pytest.raises(InputError, match=message):
        validate_responses(good)


def test_a_file_that_is_no_table(tmp_path):
    frame = study(participants=1)
    with pytest.raises(InputError, match="did you mean 'chosen'"):
        validate_responses(frame.rename(columns={"chosen": "choosen"}))
    with pytest.raises(InputError, match="column chosen is missing"):
        validate_responses(frame.drop(columns="chosen"))
    (tmp_path / "r.csv").write_text("")
    for name, message in (("r.csv", "not a readable table"), ("none.csv", "no such file")):
        with pytest.raises(InputError, match=message):
            read_responses(tmp_path / name)
