"""Plain tables and jsPsych's data are enough for the whole analysis; the tidy table is read by others."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.analysis.results import analyse, identify
from human_study.platforms.plain import read_plain
from human_study.responses.codebook import codebook
from human_study.responses.columns import COLUMNS, NAMES
from human_study.responses.table import like_jspsych, read_responses, write_responses

NEEDED = ["participant", "image", "left", "right", "chosen"]


def answers(participants: int = 8, images: int = 12) -> pd.DataFrame:
    """Every participant judges every image once against either method; ours is preferred three times in four."""
    rng = np.random.default_rng(0)
    rows = []
    for participant in range(participants):
        for image in range(images):
            pair = ["ours", ("pix2pix", "spade")[image % 2]]
            left, right = pair if rng.random() < 0.5 else pair[::-1]
            better = "ours" if rng.random() < 0.75 else pair[1]
            chosen = "left" if left == better else "right"
            rows.append((f"ann{participant}@lab.org", f"scene {image}", left, right, chosen))
    return pd.DataFrame(rows, columns=NEEDED)


def refusals(refused) -> dict[str, str]:
    return {one.source: one.reason for one in refused}


def test_five_columns_are_enough_for_the_whole_analysis(plain_table, tmp_path, capsys):
    table, out = answers(), tmp_path / "out"
    main(["collect", "--plain", str(plain_table(table)), "--out", str(out)])
    assert "8 participants, 8 sessions, 96 answers, 96 used" in capsys.readouterr().out
    main(["analyze", "--responses", str(out / "responses.csv"), "--baseline", "ours", "--out", str(out)])
    found = json.loads((out / "analysis.json").read_text())
    for row in found["preferences"]:
        own = table[(table["left"] == row["b"]) | (table["right"] == row["b"])]
        wins = np.where(own["chosen"] == "left", own["left"], own["right"]) == "ours"
        assert (row["a"], row["n"], row["wins"], row["participants"], row["images"]) == ("ours", 48, wins.sum(), 8, 6)
        assert row["clustered"][0] < row["share"] < row["clustered"][1]
    assert found["rankings"] and found["participation"]["participants_used"] == 8
    report = (out / "report.md").read_text()
    assert "specification sha256 none, images sha256 none" in report
    everything = "".join(file.read_text() for file in out.iterdir() if file.suffix in (".csv", ".md", ".json", ".txt"))
    assert "@lab.org" not in everything and "w0001" in everything  # ids of people stay where they were
    assert pd.read_csv(out / "codebook.csv")["column"].tolist() == list(NAMES)


def test_exposure_time_and_ties(plain_table):
    table = answers().assign(exposure="250", time="812.5", tie="")
    table.loc[0, "tie"], table.loc[1, ["chosen", "exposure"]] = "TRUE", ["tie", ""]
    frame, refused = read_plain([plain_table(table)], "mine")
    assert not refused and frame["chosen"].tolist()[:2] == ["tie", "tie"] and frame["outcome"][0] == 0.5
    assert frame["exposure_req_ms"][0] == 250 and pd.isna(frame["exposure_req_ms"][1]) and frame["rt_ms"][0] == 812.5
    analysis = analyse(frame, "ours")
    assert sorted(row.exposure_ms or 0 for row in analysis.preferences) == [0, 250, 250]
    assert sum(row.ties for row in analysis.preferences) == 2
    assert identify(frame).spec_sha256 == () and not identify(frame).simulated


def test_the_chosen_methods_name_is_an_answer_and_a_tab_separates(plain_table):
    table = answers()
    named = table.assign(chosen=np.where(table["chosen"] == "left", table["left"], table["right"]))
    by_side, _ = read_plain([plain_table(table)], "mine")
    by_name, _ = read_plain([plain_table(named, "named.tsv", sep="\t")], "mine")
    pd.testing.assert_frame_equal(by_side, by_name)


def test_rows_that_are_no_answers_are_reported(plain_table, tmp_path):
    table = answers()
    table.loc[0, "chosen"], table.loc[1, "participant"], table.loc[2, "right"] = "both", "", table.loc[2, "left"]
    table = table.assign(time="500", mood="good")
    table.loc[3, "time"] = "slow"
    file = plain_table(table)
    file.write_text(file.read_text() + "ann0@lab.org,scene 1,ours,pi")
    frame, refused = read_plain([file], "mine")
    found = refusals(refused)
    assert len(frame) == len(table) - 4 and len(found) == 6
    assert "chosen is 'both'" in found["answers.csv:2"] and "participant is empty" in found["answers.csv:3"]
    assert "left and right are both" in found["answers.csv:4"] and "rt_ms is 'slow'" in found["answers.csv:5"]
    assert "cut off" in found["answers.csv:98"] and found["answers.csv"] == "column not used"


@pytest.mark.parametrize("change, message", [
    (lambda table: table.drop(columns="left"), "no column 'left'"),
    (lambda table: table.assign(time="0.8"), "seem to be seconds"),
    (lambda table: table.assign(chosen="maybe"), "no answer could be read.*chosen is 'maybe'"),
    (lambda table: table.assign(platform="paper"), "platform 'paper'"),
    (lambda table: table.assign(session="1", trial_index="1"), "is in the table twice"),
    (lambda table: table[:0], "no whole row")])
def test_tables_that_cannot_be_read(plain_table, change, message):
    with pytest.raises(InputError, match=message):
        read_plain([plain_table(change(answers()))], "mine")


def test_semicolons_and_decimal_commas_are_read_and_other_files_refused(plain_table, tmp_path, capsys):
    frame, _ = read_plain([plain_table(answers().assign(time="812,5"), sep=";")], "mine")
    assert (frame["rt_ms"] == 812.5).all() and len(frame) == len(answers())
    with pytest.raises(InputError, match="expected a table of answers"):
        read_plain([tmp_path / "answers.xlsx"], "mine")
    for arguments, message in ((["--plain", "a.csv"], "--out DIR"), (["a.csv"], "--run is needed")):
        with pytest.raises(SystemExit):
            main(["collect", *arguments])
        assert message in capsys.readouterr().err


def test_a_studys_own_answers_are_never_overwritten(plain_table, tmp_path, capsys):
    frame, _ = read_plain([plain_table(answers())], "mine")
    write_responses(frame.assign(spec_sha256="5" * 64), tmp_path / "responses.csv")
    with pytest.raises(SystemExit):
        main(["collect", "--plain", str(tmp_path / "answers.csv"), "--out", str(tmp_path)])
    assert "holds the answers of a study" in capsys.readouterr().err


def jspsych(table: pd.DataFrame, participant: str) -> list[dict]:
    """What jsPsych 8.3 keeps of one person: an instruction, then pairs with two buttons; the last got no answer."""
    trials = [{"rt": 2100, "response": 0, "stimulus": "<p>Hello</p>", "trial_type": "html-button-response",
               "trial_index": 0, "plugin_version": "2.0.0", "time_elapsed": 2101}]
    for i, row in enumerate(table[table["participant"] == participant].to_dict("records"), 1):
        trials.append({"rt": 900 + i, "response": int(row["chosen"] == "right"), "stimulus": "<img><img>",
                       "trial_type": "html-button-response", "trial_index": i, "plugin_version": "2.0.0",
                       "time_elapsed": 2101 + 1000 * i, **{name: row[name] for name in ("image", "left", "right")}})
    trials[-1] |= {"rt": None, "response": None, "rt_key_duration": None}
    return trials


def test_jspsychs_own_data(plain_table, tmp_path):
    table = answers(participants=3)
    files = []
    for participant in table["participant"].unique():
        files.append(tmp_path / f"{participant}.json")
        files[-1].write_text(json.dumps(jspsych(table, participant)))
    frame, refused = read_plain(files, "mine")
    plain, _ = read_plain([plain_table(table)], "mine")
    last = frame["trial_index"].eq(12)
    assert (frame.loc[last, "chosen"] == "none").all() and frame.loc[last, "rt_ms"].isna().all()
    frame, plain, whole = frame[~last], plain[~last], frame
    same = ["participant", "image_id", "condition", "left_method", "chosen", "outcome"]
    pd.testing.assert_frame_equal(frame[same], plain[same])
    assert frame["rt_ms"].tolist()[:2] == [901, 902] and frame["trial_index"].tolist()[:2] == [1, 2]
    assert [one.what for one in refused] == ["3 rows"]  # the instructions
    together = [trial | {"subject": f.stem} for f in files for trial in json.loads(f.read_text())]
    (tmp_path / "all.json").write_text(json.dumps(together))
    pd.testing.assert_frame_equal(read_plain([tmp_path / "all.json"], "mine")[0], whole)
    table = pd.DataFrame(together).astype(object)
    as_csv, _ = read_plain([plain_table(table, "all.csv", na_rep="null", quoting=csv.QUOTE_ALL)], "mine")  # data.csv()
    pd.testing.assert_frame_equal(as_csv, whole)


def test_a_third_button_is_not_guessed(tmp_path):
    trial = {"image": "1", "left": "a", "right": "b", "rt": 500}
    keys = [trial | {"response": key} for key in ("ArrowLeft", "j", None, 2)]
    (tmp_path / "p1.json").write_text(json.dumps(keys))
    frame, refused = read_plain([tmp_path / "p1.json"], "mine")
    assert frame["chosen"].tolist() == ["left", "right", "none"]
    assert "chosen is '2'" in refused[0].reason and refused[0].source == "p1.json:4"


def test_the_tidy_table_goes_out_with_jspsychs_names_and_comes_back(plain_table, tmp_path):
    table = answers().assign(exposure="125", time="700", sentinel="none", sentinel_answer="", q_age="31")
    table.loc[:4, ["sentinel", "sentinel_answer"]] = ["perceptual", "left"]
    frame, _ = read_plain([plain_table(table)], "mine")
    write_responses(frame, tmp_path / "tidy.json")
    trials = json.loads((tmp_path / "tidy.json").read_text())
    assert trials[0]["rt"] == 700 and trials[0]["response"] == frame["chosen"][0] and trials[0]["sentinel_ok"] in (
        True, False)
    assert trials[0]["stimulus"] == [f"{frame['left_method'][0]}/scene 0", f"{frame['right_method'][0]}/scene 0"]
    assert len(like_jspsych(frame)) == len(trials) and trials[5]["sentinel_answer"] is None
    again, refused = read_plain([tmp_path / "tidy.json"], "mine")
    assert not refused
    pd.testing.assert_frame_equal(again, frame)
    write_responses(frame, tmp_path / "tidy.csv")
    for name in ("tidy.csv", "tidy.json"):
        pd.testing.assert_frame_equal(read_responses(tmp_path / name), frame)
    (tmp_path / "tidy.json").write_text("{")
    with pytest.raises(InputError, match="tidy.json: not a readable table"):
        read_responses(tmp_path / "tidy.json")


def test_every_column_has_a_meaning():
    assert all(column.meaning for column in COLUMNS)
    book = codebook([*NAMES, "q_age"]).set_index("column")
    assert book.loc["q_age", "meaning"] == "answer to the protocol's question 'age'"
    assert book.loc["chosen", "values"] == "left; right; tie; real; fake; ranked; none"
    assert book.loc["rt_ms", "type"] == "number"
