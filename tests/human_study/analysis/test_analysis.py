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
from human_study.analysis.results import analyse
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

SPEC = "a" * 64


def row(participant: str, trial: int, image: str, left: str, right: str, chosen: str, **more) -> dict:
    return {"study_id": "study", "spec_sha256": SPEC, "platform": "local", "session_id": f"s-{participant}",
            "participant": participant, "trial_index": trial, "trial_id": f"{image}/{left}/{right}", "block": "test",
            "image_id": image, "condition": condition_name(*sorted((left, right))), "layout": "side_by_side",
            "left_method": left, "right_method": right, "chosen": chosen, "sentinel": "none", "rt_ms": 900.0 + trial,
            "submit_status": "submitted", **more}


def table(rows: Sequence[dict]) -> pd.DataFrame:
    return make_responses(list(rows))


def study(participants: int = 12, trials: int = 24, images: int = 40, share: float = 0.75, seed: int = 0,
          exposures: Sequence[float | None] = (None,), others: Sequence[str] = ("pix2pix", "image_space"),
          participant_sd: float = 0.0, platform: str = "local", sentinels: bool = True) -> pd.DataFrame:
    """crn against `others`, `share` of votes for crn; every sixth trial a sentinel, always answered rightly."""
    rng = np.random.default_rng(seed)
    rows = []
    for w in range(participants):
        p = 1 / (1 + np.exp(-np.log(share / (1 - share)) - rng.normal(0, participant_sd)))
        for t, image in enumerate(rng.permutation(images)[:trials]):
            check = sentinels and t % 6 == 5
            a, b = ("photos", "blurred-photos") if check else ("crn", others[t % len(others)])
            wins, first_left = check or rng.random() < p, bool(rng.random() < 0.5)
            left, right = (a, b) if first_left else (b, a)
            more = {"sentinel": "perceptual", "sentinel_answer": "left" if first_left else "right"} if check else {}
            exposure = exposures[t % len(exposures)]
            rows.append(row(f"w{w:02d}", t, f"{image:05d}", left, right, "left" if first_left == wins else "right",
                            condition=condition_name(a, b), platform=platform, exposure_req_ms=exposure,
                            exposure_ms=exposure and exposure + 8.3, refresh_hz=60.0, **more))
    return table(rows)


# --- the whole analysis ----------------------------------------------------------------------------------------------

def shares(analysis) -> dict:
    """(a, b, exposure, what) -> number."""
    return {(one.a, one.b, one.exposure_ms, name): value for one in analysis.preferences for name, value in
            (("share", one.share), ("n", one.n), ("low", one.clustered[0]), ("high", one.clustered[1]),
             ("p", one.p_clustered))}


def test_a_study_by_hand():
    rows = [row(f"w{w}", t, f"i{t}", *(("crn", "pix2pix") if t % 2 else ("pix2pix", "crn")),
                "left" if (t % 2 == 1) == (t + w != 3) else "right") for w in range(3) for t in range(4)]
    only = analyse(table(rows), "crn").preferences
    assert len(only) == 1 and (only[0].a, only[0].b, only[0].n, only[0].wins) == ("crn", "pix2pix", 12, 9)
    assert only[0].share == 0.75 and (only[0].participants, only[0].images) == (3, 4)
    assert only[0].p_exact == pytest.approx(stats.binomtest(9, 12).pvalue)


def test_photographs_come_first_then_the_baseline():
    rows = [row("w0", 0, "i0", "photos", "crn", "left"), row("w1", 0, "i0", "crn", "photos", "left"),
            row("w0", 1, "i1", "zeta", "crn", "left"), row("w0", 2, "i2", "alpha", "zeta", "left")]
    assert [(one.a, one.b) for one in analyse(table(rows), "crn").preferences] == [
        ("alpha", "zeta"), ("crn", "zeta"), ("photos", "crn")]


def test_invariance_to_row_order():
    frame = study(exposures=(125.0, 1000.0))
    shuffled = frame.sample(frac=1, random_state=1)
    assert shares(analyse(frame, "crn")) == pytest.approx(shares(analyse(shuffled, "crn")))


def test_invariance_to_renaming_methods_participants_and_images():
    frame = study()
    names = {"crn": "x9", "pix2pix": "b", "image_space": "a", "photos": "photos", "blurred-photos": "q"}
    swapped = frame.assign(
        left_method=frame["left_method"].map(names), right_method=frame["right_method"].map(names),
        condition=[f"{names[one.split('_vs_')[0]]}_vs_{names[one.split('_vs_')[1]]}" for one in frame["condition"]],
        participant="z" + frame["participant"].str[::-1], image_id=frame["image_id"].str[::-1])
    before, after = shares(analyse(frame, "crn")), shares(analyse(validate_responses(swapped), "x9"))
    assert {(names[a], names[b], *rest): value for (a, b, *rest), value in before.items()} == pytest.approx(after)


def test_swapping_left_and_right_everywhere_changes_only_the_side():
    frame = study()
    turn = {"left": "right", "right": "left"}
    swapped = frame.assign(left_method=frame["right_method"], right_method=frame["left_method"],
                           chosen=frame["chosen"].map(turn), sentinel_answer=frame["sentinel_answer"].map(turn))
    one, other = analyse(frame, "crn"), analyse(validate_responses(swapped), "crn")
    assert shares(one) == pytest.approx(shares(other))
    assert one.side_bias.value == pytest.approx(1 - other.side_bias.value)
    assert one.rankings[0].ranking.side.value == pytest.approx(-other.rankings[0].ranking.side.value, abs=1e-6)


def test_both_directions_of_a_condition_are_one_pair():
    rows = [row("w0", 0, "i0", "crn", "b", "left", condition="crn_vs_b"),
            row("w1", 0, "i1", "crn", "b", "left", condition="b_vs_crn")]
    frame = table(rows)
    assert frame["outcome"].tolist() == [1, 0]
    assert [(one.a, one.n, one.wins) for one in analyse(frame, "crn").preferences] == [("crn", 2, 2)]


def test_ties_half_or_dropped():
    rows = [row(f"w{n}", 0, f"i{n}", "crn", "b", side) for n, side in enumerate(["left", "left", "right", "tie"])]
    half, drop = (analyse(table(rows), "crn", ties=rule).preferences[0] for rule in ("half", "drop"))
    assert (half.share, half.n, half.ties) == (0.625, 4, 1)
    assert (drop.share, drop.n, drop.ties) == (pytest.approx(2 / 3), 3, 1)
    assert half.p_exact == drop.p_exact == pytest.approx(1.0)


def test_all_ties():
    rows = [row(f"w{n}", t, f"i{t}", "crn", "b", "tie") for n in range(3) for t in range(3)]
    analysis = analyse(table(rows), "crn")
    assert "All judgments are ties." in analysis.notes
    assert analysis.preferences[0].share == 0.5 and analysis.preferences[0].p_exact is None
    dropped = analyse(table(rows), "crn", ties="drop").preferences[0]
    assert dropped.n == 0 and dropped.naive is None and "no judgments but ties" in dropped.note


@pytest.mark.parametrize("frame, note", [
    (lambda: study(participants=1), "One participant"),
    (lambda: study(images=24).assign(image_id="00000"), "One image"),
    (lambda: study().assign(rt_ms=np.nan), "No response times"),
    (lambda: study(exposures=(125.0,)).assign(exposure_ms=np.nan, refresh_hz=np.nan), "Exposures were not measured")])
def test_notes_before_numbers(frame, note):
    analysis = analyse(frame(), "crn")
    assert any(note in one for one in analysis.notes)
    if note.startswith("One"):
        assert all(one.clustered is None and one.verdict == "no clustered test" for one in analysis.preferences)


def test_nobody_passes_the_rules(tmp_path):
    frame = study()
    wrong = frame["sentinel"].eq("perceptual")
    turned = frame["chosen"].map({"left": "right", "right": "left"})
    analysis = analyse(table(frame.assign(chosen=frame["chosen"].where(~wrong, turned)).to_dict("records")), "crn")
    assert analysis.preferences == [] and len(analysis.preferences_all) == 2
    assert analysis.notes[0].startswith("100 % of the answers are not used: sentinels_failed 100 %")
    assert "No judgment is left" in analysis.notes[1]
    assert write_analysis(analysis, tmp_path)


def test_many_exclusions_are_noted_before_the_numbers():
    frame = study(participants=10)
    assert analyse(frame, "crn").notes == []
    few = frame.assign(layout=frame["layout"].where(frame["participant"].ne("w00"), "stacked"))
    assert analyse(validate_responses(few), "crn").notes[0] == "10 % of the answers are not used: stacked 10 %."


def test_zero_responses_and_a_baseline_never_shown():
    with pytest.raises(InputError, match="no responses"):
        analyse(study().iloc[:0], "crn")
    with pytest.raises(InputError, match="'spade' was never shown; methods in the table: "):
        analyse(study(), "spade")
    with pytest.raises(InputError, match="ties"):
        analyse(study(), "crn", ties="third")


def test_perfect_preference_and_disconnected_methods_give_no_ranking_but_shares():
    perfect = analyse(study(share=1 - 1e-12), "crn")
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
    analysis = analyse(study(exposures=(125.0, 1000.0)), "crn")
    assert {one.exposure_ms for one in analysis.preferences} == {125.0, 1000.0}
    assert [(one.requested_ms, one.median_ms) for one in analysis.exposures] == [(125, 133.3), (1000, 1008.3)]


def test_minutes_come_from_sessions_whose_clock_ran_through():
    rows = [row(f"w{w}", t, f"i{t}", "crn", "b", "left", onset_ts=60000.0 * t * (w + 1),
                response_ts=60000.0 * t * (w + 1) + 500) for w in range(2) for t in range(3)]
    both = analyse(table(rows), "crn").participation.median_minutes
    assert both == pytest.approx((2 + 4) / 2 + 0.5 / 60)
    reloaded = [one | {"onset_ts": None, "response_ts": None} if one["session_id"] == "s-w1" and one["trial_index"]
                else one for one in rows]
    assert analyse(table(reloaded), "crn").participation.median_minutes == pytest.approx(2 + 0.5 / 60)


# --- outputs ---------------------------------------------------------------------------------------------------------

def test_every_output_carries_the_hash_and_the_mark_of_simulation(tmp_path):
    frame = study(platform="sim", exposures=(None, 500.0))
    files = write_analysis(analyse(frame, "crn"), tmp_path)
    names = {file.name for file in files}
    assert names >= {"report.md", "tables.tex", "preferences.csv", "analysis.json", "participants.csv", "methods.txt",
                     "preference-by-exposure.pdf", "preference-by-method.png"}
    for name in ("report.md", "tables.tex", "preferences.csv", "analysis.json", "participants.csv", "methods.txt"):
        text = (tmp_path / name).read_text()
        assert "a" * 16 in text, name
        assert "simulated" in text.lower(), name
    assert "SIMULATED DATA" in (tmp_path / "report.md").read_text()
    content = json.loads((tmp_path / "analysis.json").read_text())
    assert content["identity"]["simulated"] and content["preferences"][0]["n"] > 0
    assert pd.read_csv(tmp_path / "preferences.csv")["simulated"].all()


def test_people_are_not_marked_and_equal_analyses_are_equal_files(tmp_path):
    for folder in ("1", "2"):
        write_analysis(analyse(study(), "crn"), tmp_path / folder)
    assert "SIMULATED" not in (tmp_path / "1" / "report.md").read_text()
    for file in sorted((tmp_path / "1").iterdir()):
        assert file.read_bytes() == (tmp_path / "2" / file.name).read_bytes(), file.name


def test_peoples_votes_are_written_for_the_scores(tmp_path):
    rows = [row("w0", 0, "i0", "crn", "b", "left"), row("w1", 0, "i0", "b", "crn", "right"),
            row("w2", 0, "i0", "crn", "b", "right"), row("w0", 1, "i1", "b", "crn", "tie"),
            row("w1", 1, "i1", "crn", "b", "none"), row("w2", 1, "i1", "photos", "blurred", "left", block="practice")]
    write_analysis(analyse(table(rows), "crn"), tmp_path)
    found = [(one.layout, one.preferred, one.other, one.count) for one in read_preferences(
        tmp_path / "preferences.json")]
    assert found == [("i0", "b", "crn", 1), ("i0", "crn", "b", 2), ("i1", "b", "crn", 0.5), ("i1", "crn", "b", 0.5)]
    assert len(analyse(table(rows), "crn", ties="drop").votes) == 2
    simulated = analyse(table([one | {"platform": "sim"} for one in rows]), "crn")
    write_analysis(simulated, tmp_path)
    assert not (tmp_path / "preferences.json").exists()  # no person voted, and what was there is not this analysis


def test_split_half_takes_every_exposure_apart():
    found = analyse(study(exposures=(125.0, 1000.0), others=("b",)), "crn").split_half
    assert [(one.a, one.b, one.exposure_ms) for one in found] == [("crn", "b", 125), ("crn", "b", 1000)]
    only = analyse(study(others=("b",)), "crn")
    assert [(one.a, one.b, one.exposure_ms) for one in only.split_half] == [("crn", "b", None)]
    assert [(one.a, one.b) for one in only.alpha] == [(None, None), ("crn", "b")]


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
    (tmp_path / "c.csv").write_text("a,b,exposure_ms,wins,n\ncrn,pix2pix,,30,50\n")
    main(["analyze", "--counts", str(tmp_path / "c.csv"), "--out", str(tmp_path / "o")])
    assert "60.0 %" in capsys.readouterr().out
    for text, message in (("a,b,wins,n\nx,y,1,2\n", "exposure_ms"),
                          ("a,b,exposure_ms,wins,n\nx,y,,3,2\n", "impossible"),
                          ("a,b,exposure_ms,wins,n\nx,y,,many,2\n", "not a table")):
        (tmp_path / "c.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_counts(str(tmp_path / "c.csv"))


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
    ({"focus_lost": "maybe"}, "maybe"),
    ({"exposure_req_ms": -1.0}, "beyond 0"), ({"used": True, "exclude_reasons": "x"}, "exclude_reasons")])
def test_invalid_responses_are_refused_with_the_trial_named(change, message):
    with pytest.raises(InputError, match=message):
        table([row("w0", 0, "i0", "crn", "b", "left"), row("w1", 0, "i0", "crn", "b", "left") | change])


def test_sentinel_verdict_exactly_where_there_is_a_sentinel_and_no_trial_twice():
    frame = study()
    with pytest.raises(InputError, match="sentinel_ok"):
        validate_responses(frame.assign(sentinel_ok=True))
    with pytest.raises(InputError, match="twice"):
        validate_responses(pd.concat([frame, frame.iloc[:1]]))
    with pytest.raises(InputError, match="did you mean 'chosen'"):
        validate_responses(frame.rename(columns={"chosen": "choosen"}))
    with pytest.raises(InputError, match="column chosen is missing"):
        validate_responses(frame.drop(columns="chosen"))


def test_a_file_that_is_no_table(tmp_path):
    (tmp_path / "r.csv").write_text("")
    with pytest.raises(InputError, match="not a readable table"):
        read_responses(tmp_path / "r.csv")
    with pytest.raises(InputError, match="no such file"):
        read_responses(tmp_path / "none.csv")
