"""Importing result tables of platforms: answer styles, the way back to the plan, damaged tables."""

import csv
import json

import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.analysis.quality import apply_rules
from human_study.batch.folder import PlannedTrial
from human_study.batch.write import write_batch
from human_study.platforms.collect import collect_tables, refusal_rows
from human_study.platforms.importers import import_submissions, read_log
from human_study.platforms.submissions import choices, parse_time, read_submissions
from human_study.protocol.rules import QualityRules
from human_study.responses.keys import pseudonym
from human_study.responses.table import read_responses, write_responses

KEY = bytes(range(32))


def write_csv(file, rows: list[dict], **options) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(file, "w", newline="", encoding=options.pop("encoding", "utf-8")) as stream:
        writer = csv.DictWriter(stream, names, quoting=csv.QUOTE_ALL, restval="", **options)
        writer.writeheader()
        writer.writerows(rows)


def planned(hit: int, i: int) -> PlannedTrial:
    """Trial i of HIT 0 (crn against pix2pix) or 1 (crn against image_space); trial 5 is a sentinel."""
    other = ("pix2pix", "image_space")[hit]
    a, b = ("photos", other) if i == 5 else ("crn", other)
    left, right = (a, b) if i % 2 else (b, a)
    assets = tuple(f"{name}{i}".encode().hex() for name in (left, right))
    return PlannedTrial("study", "5" * 64, f"hits-0{hit + 1}", f"key{hit}", hit, i, f"{a}_vs_{b}/{i}", "test",
                        f"{i:05d}", f"{a}_vs_{b}", "pairs", (left, right), assets, None, False,
                        "perceptual" if i == 5 else "none",
                        ("left" if left == "photos" else "right") if i == 5 else "")


@pytest.fixture(scope="module")
def hits():
    """Two planned HITs of 12 trials, in memory."""
    return {f"key{hit}": [planned(hit, i) for i in range(12)] for hit in range(2)}


@pytest.fixture
def imported(hits, tmp_path):
    """imported(rows, options of write_csv) -> (table, what was refused)."""
    def read(*rows: dict, **options):
        write_csv(tmp_path / "r.csv", rows, **options)
        submissions, refused = read_submissions(tmp_path / "r.csv")
        frame, problems = import_submissions(submissions, KEY, hits)
        return frame, [*refused, *problems]
    return read


def result_row(hits, hit=0, assignment="A1", participant="W1", style="plain", pick="optionA", **more) -> dict:
    """A row of MTurk's result table for one HIT of the hits; every trial is answered with `pick`."""
    trials = list(hits.values())[hit]
    row = {"HITId": f"H{hit}", "AssignmentId": assignment, "WorkerId": participant, "AssignmentStatus": "Submitted",
           "AcceptTime": "Thu Oct 09 07:30:20 PDT 2025"}
    for trial in trials:
        n = trial.trial_index + 1
        row[f"Input.image_A_url_{n}"] = f"https://host/images/{trial.assets[0]}.png"
        row[f"Input.image_B_url_{n}"] = f"https://host/images/{trial.assets[1]}.png"
    numbers = sorted((trial.trial_index + 1 for trial in trials), key=str)  # choice_1, choice_10, choice_11, choice_2
    for n in numbers:
        if style == "plain":
            row[f"Answer.choice_{n}"] = pick
        else:
            for option in ("optionA", "optionB"):
                row[f"Answer.choice_{n}.{option}"] = "true" if option == pick else "false"
    return {**row, **more}


def page_log(trials, **columns) -> str:
    names = ["chosen", "rt_ms", "focus_lost", *columns]
    rows = [["left", 700.5, False, *(values[i] for values in columns.values())] for i in range(len(trials))]
    about = {"user_agent_family": "Firefox", "client_version": "0123456789ab"}
    return json.dumps({**about, "columns": names, "rows": rows})


# --- answers and the plan --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("style, options", [
    ("plain", {}), ("boolean", {"encoding": "utf-8-sig", "lineterminator": "\r\n"}), ("plain", {"delimiter": ";"})])
def test_both_answer_styles_give_the_planned_trials(hits, imported, style, options):
    """Also where some Input columns are missing, and for an id that only looks like a rounded number."""
    row = result_row(hits, hit=1, participant="1E5", style=style, pick="optionB")
    row = {name: cell for name, cell in row.items() if not name.startswith("Input.") or not name.endswith("_1")}
    frame, refused = imported(row, **options)
    plan = list(hits.values())[1]
    assert not refused
    assert frame["trial_id"].tolist() == [trial.trial_id for trial in plan]
    assert frame["choice_method"].tolist() == [trial.methods[1] for trial in plan]
    assert (frame["chosen"] == "right").all()
    assert frame["session_started"][0] == "2025-10-09T14:30:20+00:00"
    assert frame["hit_id"].unique().tolist() == [plan[0].hit_id]
    sentinels = frame[frame["sentinel"] == "perceptual"]
    assert (sentinels["sentinel_ok"] == (sentinels["right_method"] == "photos")).all()


@pytest.mark.parametrize("text", [
    '[{"choice_1":{"optionA":true,"optionB":false},"choice_2":{"optionA":false,"optionB":true}}]',
    '{"choice_1":"optionA","choice_2":"optionB"}',
    '[{"choice_1.optionA":true,"choice_1.optionB":false,"choice_2.optionB":true}]'])
def test_crowd_form_json(text):
    assert choices({"taskAnswers": text})[0] == {1: "left", 2: "right"}


@pytest.mark.parametrize("text", ["[]", "[1, 2]", "no json", "[{}, {}]", "[" * 100_000, "null"])
def test_crowd_form_of_another_shape_is_refused(text):
    with pytest.raises(InputError, match="taskAnswers"):
        choices({"taskAnswers": text})


def test_choices_of_every_kind():
    found, unknown = choices({"choice_1": "optionA", "choice_2": "", "choice_3.optionA": "false",
                              "choice_3.optionB": "false", "choice_4.optionA": "true", "choice_4.optionB": "true",
                              "choice_5": "optionC", "show": "typed text", "comment": "choice_9"})
    assert found == {1: "left", 2: "none", 3: "none", 4: "both", 5: "none"}
    assert unknown == ["choice_5=optionC"]


def test_both_sides_chosen_an_unknown_trial_and_the_show_field_of_2017(hits, imported):
    frame, refused = imported(result_row(hits, style="boolean") | {
        "Answer.choice_1.optionB": "true", "Answer.choice_999": "optionA", "Answer.show": "abc"})
    first = frame[frame["trial_index"] == 0].iloc[0]
    assert first["chosen"] == "none" and first["exclude_reasons"] == "import_both_chosen" and len(frame) == 12
    assert [(one.what, one.reason) for one in refused] == [
        ("choice_999", "answer to a trial that this HIT does not have")]


@pytest.mark.parametrize("spoil, reason", [
    (lambda row, _: {name: cell for name, cell in row.items() if not name.startswith("Input.")}, "no Input.* columns"),
    (lambda row, _: {name: cell.replace("/images/", "/images/f") for name, cell in row.items()}, "belong to no HIT"),
    (lambda row, other: row | {name: cell for name, cell in other.items() if name.startswith("Input.image_A")},
     "belong to no HIT"),
    (lambda row, _: row | {"Approve": "x", "Reject": "haste"}, "both Approve and Reject"),
    (lambda row, _: row | {"AssignmentId": "3.1E+29"}, "spreadsheet"),
    (lambda row, _: row | {"WorkerId": "1E+05"}, "spreadsheet"),
    (lambda row, _: row | {"WorkerId": ""}, "WorkerId is empty"),
    (lambda row, _: row | {"AssignmentStatus": "Flying"}, "unknown AssignmentStatus")])
def test_rows_that_cannot_be_used_are_refused(hits, imported, spoil, reason):
    frame, refused = imported(spoil(result_row(hits), result_row(hits, hit=1)))
    assert frame is None and reason in refused[0].reason


def test_duplicate_assignment_counts_once_and_the_last_time(hits, imported):
    frame, refused = imported(result_row(hits, pick="optionA"),
                              result_row(hits, pick="optionB", AssignmentStatus="Approved"))
    assert (frame["chosen"] == "right").all() and (frame["submit_status"] == "approved").all()
    assert [one.what for one in refused] == ["A1"]


def test_same_participant_in_two_hits_only_the_first_is_used(hits, imported):
    frame, _ = imported(result_row(hits, 0, "A2", AcceptTime="Thu Oct 09 09:00:00 UTC 2025"),
                        result_row(hits, 1, "A1", AcceptTime="Thu Oct 09 08:00:00 UTC 2025"))
    frame = apply_rules(frame, QualityRules())
    repeated = frame["exclude_reasons"].fillna("").str.contains("repeat_participant")
    assert repeated.tolist() == (frame["session_id"] == "mturk-A2").tolist()


@pytest.mark.parametrize("decision, status", [
    ({"Reject": "all answers left"}, "rejected"), ({"AssignmentStatus": "Rejected"}, "rejected"),
    ({"Approve": "x"}, "approved"), ({"Approve": "", "Reject": " "}, "submitted")])
def test_decisions_of_the_platform_or_filled_in_for_upload_are_honoured(hits, imported, decision, status):
    frame = apply_rules(imported(result_row(hits) | decision)[0], QualityRules())
    assert (frame["submit_status"] == status).all() and (frame["accepted"] == (status != "rejected")).all()
    rejected = frame["exclude_reasons"].fillna("").str.contains("rejected")
    assert (rejected == (status == "rejected")).all() and not frame["used"][rejected].any()


# --- damaged tables --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("keep", [0.5, 0.97, 0.995, 1 - 1e-9])
def test_the_abridged_last_row_of_a_cut_table_is_reported(hits, imported, tmp_path, keep):
    """Cut among its cells, inside a quoted cell and before the last quote: never taken for whole answers."""
    imported(*(result_row(hits, 0, name, name, **{"Answer.log_json": "x" * 40}) for name in ("A1", "A2")),
             lineterminator="\n")
    text = (tmp_path / "r.csv").read_text().removesuffix("\n")
    start = text.rindex("\n") + 1
    (tmp_path / "cut.csv").write_text(text[:start + int((len(text) - start) * keep)])
    submissions, refused = read_submissions(tmp_path / "cut.csv")
    assert [one.assignment_id for one in submissions] == ["A1"]
    assert [one.source for one in refused if "cut off" in one.reason] == ["cut.csv:3"]
    (tmp_path / "long.csv").write_text(text + ",more\n")
    assert "the header has" in read_submissions(tmp_path / "long.csv")[1][0].reason


@pytest.mark.parametrize("name, text, message", [
    ("x.csv", "HITId,AssignmentId,WorkerId\n1,2,3\n", "no Answer"), ("x.csv", "a,b\n1,2\n", "no column HITId"),
    ("x.csv", "HITId,AssignmentId,WorkerId,Answer.a,Answer.a\n1,2,3,x,y\n", "is in the table twice"),
    ("x.txt", "", "expected a result table"), ("none.csv", None, "no such file")])
def test_tables_that_are_no_results_are_refused(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_submissions(tmp_path / name)


# --- the page's log --------------------------------------------------------------------------------------------------

OF_TURKLE = {  # as Turkle 3.1.0 writes them: no status, numbers for ids, batches of a project
    "HITId": "2", "HITTypeId": "3", "Title": "lab", "CreationTime": "Thu Nov 26 15:10:41 UTC 2026",
    "MaxAssignments": "1", "AssignmentDurationInSeconds": "86400", "AssignmentId": "5", "WorkerId": "4",
    "AcceptTime": "Thu Nov 26 15:27:19 UTC 2026", "SubmitTime": "Thu Nov 26 15:27:35 UTC 2026",
    "WorkTimeInSeconds": "15"}


def test_turkle_export(hits, imported):
    """Its columns in its order: Input and Answer sorted as text, then the user's name. A tie has an empty choice."""
    made = result_row(hits) | {"Answer.choice_3": ""}
    trials = list(hits.values())[0]
    log = json.loads(page_log(trials))
    log["rows"][2][0] = "tie"
    made["Answer.log_json"] = json.dumps(log | {"language": "en", "said": {"q_age": 34, "px_per_mm": 3.785}})
    sorted_ones = {name: made[name] for kind in ("Input.", "Answer.") for name in sorted(made) if name.startswith(kind)}
    frame, refused = imported({**OF_TURKLE, **sorted_ones, "Turkle.Username": "cleo"}, lineterminator="\r\n")
    assert refused == [] and len(frame) == len(trials)
    assert set(frame["platform"]) == {"turkle"} and set(frame["session_id"]) == {"turkle-5"}
    assert frame["chosen"].tolist() == ["left", "left", "tie"] + ["left"] * (len(trials) - 3)
    assert set(frame["submit_status"]) == {"submitted"} and set(frame["q_age"]) == {"34"}
    assert set(frame["session_started"]) == {"2026-11-26T15:27:19+00:00"}
    assert not frame.map(lambda cell: cell == "cleo").any(axis=None)


def test_measurements_of_the_page_are_taken_over_and_methods_are_not(hits, imported):
    trials = next(iter(hits.values()))
    log = json.loads(page_log(trials, left_method=["forged"] * len(trials), dpr=[1.25] * len(trials)))
    frame, refused = imported(result_row(hits) | {"Answer.log_json": json.dumps(log)})
    assert not refused and (frame["rt_ms"] == 700.5).all() and (frame["dpr"] == 1.25).all()
    assert frame["left_method"].tolist() == [trial.methods[0] for trial in trials]
    assert set(frame["user_agent_family"]) == {"Firefox"}
    assert set(frame["client_version"]) == {"0123456789ab"}  # of the page, not of whoever collects
    log["rows"] = log["rows"][:-1]  # the last trial was never shown
    log["rows"][0][0] = "right"
    frame, _ = imported(result_row(hits) | {"Answer.log_json": json.dumps(log)})
    reasons = frame.set_index("trial_index")["exclude_reasons"]
    assert reasons[len(trials) - 1] == "import_trial_not_shown" and reasons[0] == "import_log_disagrees"
    assert reasons[1:len(trials) - 2].isna().all()


@pytest.mark.parametrize("log", ["{", "[]", '{"columns": ["rt_ms"], "rows": [["fast"]]}',
                                 '{"columns": ["rt_ms"], "rows": [[1, 2]]}', '{"columns": ["dpr"], "rows": [[true]]}',
                                 '{"columns": ["rt_ms"], "rows": [[1e999]]}', '{"columns": ["dpr"], "rows": [[NaN]]}',
                                 '{"columns": ["n_changes"], "rows": [[1e999]]}', "[" * 100_000,
                                 '{"columns": ["n_changes"], "rows": [[1e30]]}', '{"columns": ["dpr"], "rows": [[-1]]}',
                                 '{"columns": ["input_device"], "rows": [["foot"]]}'])
def test_unreadable_log_keeps_the_answers_but_does_not_use_them(hits, imported, log):
    frame, refused = imported(result_row(hits) | {"Answer.log_json": log},
                              result_row(hits, assignment="A2", participant="W2"))
    assert frame.loc[frame["assignment_id"] == "A2", "exclude_reasons"].isna().all()  # of the others nothing is lost
    frame = frame[frame["assignment_id"] == "A1"]
    assert (frame["exclude_reasons"] == "import_log_unreadable").all() and (frame["chosen"] == "left").all()
    assert len(refused) == 1 and "log_json" in refused[0].reason and read_log(log).problem


def test_answers_about_language_screen_and_questions():
    said = {"q_age": 33, "note_comment": "fine", "px_per_mm": 3.8, "colour_right": -1, "participant": "x", "q_": "y",
            "q_long": "z" * 501}
    log = read_log(json.dumps({"columns": [], "rows": [], "language": "de", "said": said}))
    assert log.answers == {"language": "de", "q_age": 33, "note_comment": "fine", "px_per_mm": 3.8}
    assert read_log(json.dumps({"columns": [], "rows": []})).answers == {}


@pytest.mark.parametrize("text, iso", [
    ("Thu Oct 09 07:30:20 UTC 2025", "2025-10-09T07:30:20+00:00"),
    ("2025-10-09T07:30:20+02:00", "2025-10-09T05:30:20+00:00"),
    ("09.10.25 07:30", None), ("Thu Oct 09 07:30:20 XYZ 2025", None), ("", None), ("2025-10-09 07:30:20", None)])
def test_times(text, iso):
    assert parse_time(text) == iso


# --- from a file to the study's folder -------------------------------------------------------------------------------

def test_pseudonyms_depend_on_key_platform_and_person_and_the_raw_id_is_nowhere(hits, tmp_path):
    assert pseudonym(KEY, "mturk", "W1") == pseudonym(KEY, "mturk", "W1")
    assert len({pseudonym(k, p, w) for k in (KEY, KEY[::-1]) for p in ("mturk", "turkle") for w in ("W1", "W2")}) == 8
    refused = result_row(hits, assignment="=HYPERLINK(1)", participant="A2SECRET") | {"HITId": ""}
    write_csv(tmp_path / "r.csv", [result_row(hits, participant="A2SECRET"), refused])
    frame, refused = collect_tables([tmp_path / "r.csv"], KEY, hits)
    text = frame.to_csv() + str(refusal_rows(refused))
    assert "A2SECRET" not in text and "w_" in text
    assert "'=HYPERLINK(1)" in refusal_rows(refused)[-1]  # harmless in a spreadsheet


def test_from_result_tables_to_report_and_release(tiny_run, tmp_path, capsys):
    study = write_batch(tiny_run, "crn2017-unlimited", ["pix2pix", "image_space"], "crn")
    run, table = ["--run", str(tiny_run.path)], study.folder / "responses.csv"

    def collect(*rows, more=()):
        write_csv(tmp_path / "r.csv", rows)
        main(["collect", *run, "--key-file", str(tmp_path / "key"), *more, str(tmp_path / "r.csv")])

    with pytest.raises(SystemExit) as stopped:
        collect(result_row(study.hits) | {"WorkerId": ""})
    assert stopped.value.code == 2 and "WorkerId is empty" in capsys.readouterr().err and not table.exists()
    rows = [result_row(study.hits, hit, f"A{hit}{w}", f"W{hit}{w}") for hit in range(2) for w in range(3)]
    for n, row in enumerate(rows):
        row.update({name: "optionB" for i, name in enumerate(row) if name.startswith("Answer.") and (i + n) % 3})
    collect(*rows[1:])
    with pytest.raises(SystemExit):
        collect(*rows[:2])
    assert "--add" in capsys.readouterr().err
    collect(rows[0], rows[1] | {"AssignmentStatus": "Approved"}, more=["--add"])
    assert read_responses(table).groupby("session_id")["submit_status"].first().to_dict() == {
        f"mturk-A{hit}{w}": "approved" if (hit, w) == (0, 1) else "submitted" for hit in range(2) for w in range(3)}
    assert "later file" in (study.folder / "import-report.csv").read_text()
    main(["analyze", *run])
    report = (study.folder / "analysis" / "report.md").read_text()
    assert study.spec_sha256[:16] in report and "SIMULATED" not in report and "6 sessions" in capsys.readouterr().out
    everything = json.loads((study.folder / "analysis" / "analysis.json").read_text())["preferences_all"]
    assert sorted(one["n"] for one in everything) == [36, 36]
    own = read_responses(table)
    own.loc[own["session_id"] != "mturk-A01", "submit_status"] = "withdrawn"
    write_responses(own, table)
    main(["export", *run, "--release", "--out", str(tmp_path / "public.csv")])
    public = read_responses(tmp_path / "public.csv")
    assert set(public["participant"]) == {"w0001"} and set(public["session_id"]) == {"s0001"}
    text = (tmp_path / "public.csv").read_text()
    assert "mturk-A" not in text and not any(one in text for one in own["participant"])
