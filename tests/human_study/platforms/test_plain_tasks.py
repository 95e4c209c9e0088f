"""Plain tables of single pictures and of rankings are enough for the whole analysis of these tasks."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.analysis.results import analyse
from human_study.platforms.plain import read_plain
from human_study.responses.table import read_responses, write_responses

METHODS = ["ours", "pix2pix"]


def singles(participants: int = 8, images: int = 12) -> pd.DataFrame:
    """Every participant sees of every image a photograph and a picture; those of ours pass for real more often."""
    rng, rows = np.random.default_rng(0), []
    for participant in range(participants):
        for image in range(images):
            method = METHODS[(image + participant) % 2]
            for shown, share in ((method, {"ours": 0.5, "pix2pix": 0.1}[method]), ("photos", 0.8)):
                rows.append((f"ann{participant}@lab.org", f"scene {image}", shown,
                             "real" if rng.random() < share else "fake"))
    return pd.DataFrame(rows, columns=["participant", "image", "shown", "chosen"])


def rankings(participants: int = 8, images: int = 12) -> pd.DataFrame:
    """Three methods in any places; ours tends to be the best, spade the last."""
    rng, rows = np.random.default_rng(0), []
    strength = {"ours": 1.5, "pix2pix": 0.7, "spade": 0.0}
    for participant in range(participants):
        for image in range(images):
            shown = [str(name) for name in rng.permutation(list(strength))]
            ranked = sorted(shown, key=lambda name: -strength[name] - rng.gumbel())
            rows.append((f"ann{participant}@lab.org", f"scene {image}", ";".join(shown), ";".join(ranked)))
    return pd.DataFrame(rows, columns=["participant", "image", "shown", "ranked"])


def analysed(file, out) -> dict:
    main(["collect", "--plain", str(file), "--out", str(out)])
    main(["analyze", "--responses", str(out / "responses.csv"), "--baseline", "ours", "--out", str(out)])
    everything = "".join(file.read_text() for file in out.iterdir() if file.suffix in (".csv", ".md", ".json", ".txt"))
    assert "@lab.org" not in everything
    return json.loads((out / "analysis.json").read_text())


def test_single_pictures(plain_table, tmp_path):
    table = singles()
    found = analysed(plain_table(table), tmp_path / "out")
    rows = {row["method"]: row for row in found["realism"]}
    assert list(rows) == METHODS and found["task"] == "real_or_fake"
    assert found["participation"]["participants_used"] == 8
    for method, row in rows.items():
        own = table[table["shown"] == method]
        assert row["deceived"]["value"] == pytest.approx(own["chosen"].eq("real").mean()) and row["deceived"]["n"] == 48
        # every participant's photographs are dealt to the methods in turn: as many as pictures
        assert row["doubted"]["n"] == 48 and row["error"]["interval"][0] < row["error"]["value"]
    doubted = sum(row["doubted"]["value"] for row in rows.values()) / 2
    assert doubted == pytest.approx(table[table["shown"] == "photos"]["chosen"].eq("fake").mean())
    assert found["comparisons"] and not any("readily" in note for note in found["notes"])
    assert "Zhou et al. 2019" in (tmp_path / "out" / "report.md").read_text()


def test_rankings(plain_table, tmp_path):
    table = rankings()
    found = analysed(plain_table(table), tmp_path / "out")
    assert found["task"] == "ranking" and found["participation"]["used"] == 96
    for row in found["preferences"]:
        better = [r.index(row["a"]) < r.index(row["b"]) for r in table["ranked"].str.split(";")]
        assert (row["n"], row["wins"]) == (96, sum(better)) and row["clustered"][0] < row["share"]
    (strengths,) = found["rankings"]
    assert strengths["ranking"]["methods"] == ["ours", "pix2pix", "spade"] and not strengths["ranking"]["problem"]


def test_the_method_of_a_photograph_can_be_given(plain_table):
    table = singles()
    photo = table["shown"] == "photos"
    said = table.assign(against=np.where(photo, "pix2pix", ""))
    frame, refused = read_plain([plain_table(said)], "mine")
    assert not refused and set(frame["condition"][photo]) == {"photos_vs_pix2pix"}
    notes = analyse(frame, "ours").notes
    assert any(note.startswith("ours: 0 answers to photographs and 48 to its pictures") for note in notes)
    assert any(note.startswith("pix2pix: 96 answers") for note in notes)


def test_participants_who_judge_one_method_each_keep_their_photographs(plain_table):
    table = singles()
    first = table["participant"].isin([f"ann{i}@lab.org" for i in range(4)])
    table.loc[table["shown"] != "photos", "shown"] = np.where(first, *METHODS)[table["shown"] != "photos"]
    frame, _ = read_plain([plain_table(table)], "mine")
    for method, own in zip(METHODS, (first, ~first), strict=True):
        assert set(frame["condition"][own]) == {f"photos_vs_{method}"}


def test_exposures_times_and_staircases(plain_table):
    table = singles().assign(exposure=500, time=810.5, adaptive="true")
    with pytest.raises(InputError, match="in a staircase: give column against, one of ours, pix2pix"):
        read_plain([plain_table(table)], "mine")
    one = table[table["shown"] != "pix2pix"]
    frame, refused = read_plain([plain_table(one)], "mine")
    assert not refused and frame["adaptive"].all() and set(frame["layout"]) == {"single"}
    found = analyse(frame, "ours")
    assert found.realism == [] and found.thresholds[0].time_ms.value == 500


@pytest.mark.parametrize("table, row, change, message", [
    (singles, 0, {"chosen": "left"}, "chosen is 'left': expected real, fake or none"),
    (singles, 0, {"participant": ""}, "participant is empty"),
    (singles, 0, {"shown": "ours", "against": "spade"}, "against is 'spade', but the picture is one of 'ours'"),
    (rankings, 3, {"ranked": "ours;spade"}, "ranked is 'ours;spade': expected every method of"),
    (rankings, 3, {"shown": "ours;ours;spade"}, "expected two or more different methods"),
    (rankings, 3, {"task": "real_or_fake", "chosen": "real"}, "expected one method, or photos")])
def test_rows_that_are_no_answers_are_named(plain_table, table, row, change, message):
    frame = table()
    for name, value in change.items():
        frame[name] = frame.get(name, "")
        frame.loc[row, name] = value
    read, refused = read_plain([plain_table(frame)], "mine")
    assert len(read) == len(frame) - 1 and len(refused) == 1
    assert message in refused[0].reason and refused[0].source == f"answers.csv:{row + 2}"


@pytest.mark.parametrize("table, change, message", [
    (singles, lambda t: t.drop(columns="chosen"), "no column 'chosen'; a plain table has participant, image, left"),
    (rankings, lambda t: t.drop(columns="shown"), "no column 'shown'"),
    (singles, lambda t: t.assign(shown="photos"), "only photos in column shown"),
    (rankings, lambda t: t.assign(ranked="ours"), "no answer could be read.*ranked is 'ours'")])
def test_tables_that_cannot_be_read(plain_table, table, change, message):
    with pytest.raises(InputError, match=message):
        read_plain([plain_table(change(table()))], "mine")


def test_an_empty_answer_is_none(plain_table):
    for table, name in ((singles(), "chosen"), (rankings(), "ranked")):
        table.loc[0, name] = ""
        frame, refused = read_plain([plain_table(table)], "mine")
        assert not refused and frame["chosen"][0] == "none"


@pytest.mark.parametrize("table", [singles, rankings])
def test_the_tidy_table_and_jspsychs_data_come_back(table, plain_table, tmp_path):
    frame, _ = read_plain([plain_table(table())], "mine")
    for name in ("tidy.csv", "tidy.json"):
        write_responses(frame, tmp_path / name)
        pd.testing.assert_frame_equal(read_responses(tmp_path / name), frame)
        again, refused = read_plain([tmp_path / name], "mine")
        assert not refused
        pd.testing.assert_frame_equal(again, frame)
    trials = [{name: cell.split(";") if ";" in cell else cell for name, cell in row.items()}
              for row in table().to_dict("records")]
    (tmp_path / "data.json").write_text(json.dumps([{"trial_type": "instructions", "rt": 4000}, *trials]))
    again, refused = read_plain([tmp_path / "data.json"], "mine")
    assert [one.reason for one in refused] == ["no pictures: neither left and right nor shown"]
    pd.testing.assert_frame_equal(again, frame)


def test_the_report_of_the_import_holds_every_line(plain_table, tmp_path, capsys):
    table = singles()
    table.loc[1, "chosen"] = "maybe"
    main(["collect", "--plain", str(plain_table(table.assign(mood="good"))), "--out", str(tmp_path / "out")])
    assert "8 participants, 8 sessions, 191 answers" in capsys.readouterr().out
    with open(tmp_path / "out" / "import-report.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[1] == ["answers.csv", "mood", "column not used"] and rows[2][0] == "answers.csv:3" and len(rows) == 3
