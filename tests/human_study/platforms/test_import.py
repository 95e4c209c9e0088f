"""Importing result tables of platforms: answer styles, the way back to the plan, damaged tables."""

import csv
import json

import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.analysis.quality import apply_rules
from human_study.batch.folder import PlannedTrial, read_batch
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
def written(tiny_run):
    """A batch on disk, as human_study.batch.write writes it."""
    write_batch(tiny_run, "crn2017-unlimited", ["pix2pix", "image_space"], "crn")
    return read_batch(tiny_run.study / "crn2017-unlimited")


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


def imported(hits, file, platform=None):
    submissions, refused = read_submissions(file, platform)
    frame, problems = import_submissions(submissions, KEY, hits)
    return frame, [*refused, *problems]


@pytest.mark.parametrize("style", ["plain", "boolean"])
def test_both_answer_styles_give_the_planned_trials(hits, tmp_path, style):
    write_csv(tmp_path / "r.csv", [result_row(hits, hit=1, style=style, pick="optionB")])
    frame, refused = imported(hits, tmp_path / "r.csv")
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


@pytest.mark.parametrize("text", ["[]", "[1, 2]", "no json", "[{}, {}]", "[" * 100_000])
def test_crowd_form_of_another_shape_is_refused(text):
    with pytest.raises(InputError, match="taskAnswers"):
        choices({"taskAnswers": text})


def test_choices_of_every_kind():
    found, unknown = choices({"choice_1": "optionA", "choice_2": "", "choice_3.optionA": "false",
                              "choice_3.optionB": "false", "choice_4.optionA": "true", "choice_4.optionB": "true",
                              "choice_5": "optionC", "show": "typed text", "comment": "choice_9"})
    assert found == {1: "left", 2: "none", 3: "none", 4: "both", 5: "none"}
    assert unknown == ["choice_5=optionC"]


def test_both_sides_chosen_is_kept_as_unanswered_with_a_reason(hits, tmp_path):
    row = result_row(hits, style="boolean") | {"Answer.choice_1.optionB": "true"}
    write_csv(tmp_path / "r.csv", [row])
    frame, _ = imported(hits, tmp_path / "r.csv")
    first = frame[frame["trial_index"] == 0].iloc[0]
    assert first["chosen"] == "none" and first["exclude_reasons"] == "import_both_chosen"


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
def test_rows_that_cannot_be_used_are_refused(hits, tmp_path, spoil, reason):
    write_csv(tmp_path / "r.csv", [spoil(result_row(hits), result_row(hits, hit=1))])
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert frame is None and reason in refused[0].reason


def test_an_id_that_only_looks_like_a_rounded_number_is_kept(hits, tmp_path):
    write_csv(tmp_path / "r.csv", [result_row(hits, participant="1E5")])
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert frame is not None and not refused


def test_a_few_missing_input_columns_do_not_matter(hits, tmp_path):
    row = {name: value for name, value in result_row(hits).items() if not name.endswith(("_1", "_2", "_3"))
           or name.startswith("Answer.")}
    write_csv(tmp_path / "r.csv", [row])
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert not refused and len(frame) == len(next(iter(hits.values())))


def test_duplicate_assignment_counts_once_and_the_last_time(hits, tmp_path):
    rows = [result_row(hits, pick="optionA"), result_row(hits, pick="optionB", AssignmentStatus="Approved")]
    write_csv(tmp_path / "r.csv", rows)
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert (frame["chosen"] == "right").all() and (frame["submit_status"] == "approved").all()
    assert [one.what for one in refused] == ["A1"]


def test_same_participant_in_two_hits_only_the_first_is_used(hits, tmp_path):
    rows = [result_row(hits, 0, "A2", AcceptTime="Thu Oct 09 09:00:00 UTC 2025"),
            result_row(hits, 1, "A1", AcceptTime="Thu Oct 09 08:00:00 UTC 2025")]
    write_csv(tmp_path / "r.csv", rows)
    frame = apply_rules(collect_tables([tmp_path / "r.csv"], KEY, hits)[0], QualityRules())
    later = frame[frame["session_id"] == "mturk-A2"]
    assert later["exclude_reasons"].str.contains("repeat_participant").all()
    assert not frame[frame["session_id"] == "mturk-A1"]["exclude_reasons"].fillna("").str.contains("repeat").any()


def test_rejected_work_is_imported_but_not_used(hits, tmp_path):
    write_csv(tmp_path / "r.csv", [result_row(hits, AssignmentStatus="Rejected")])
    frame = apply_rules(collect_tables([tmp_path / "r.csv"], KEY, hits)[0], QualityRules())
    assert not frame["used"].any() and not frame["accepted"].any()
    assert frame["exclude_reasons"].str.contains("rejected").all()


@pytest.mark.parametrize("decision, status", [
    ({"Reject": "all answers left"}, "rejected"), ({"Approve": "x"}, "approved"), ({"Approve": "", "Reject": " "},
                                                                                  "submitted")])
def test_decisions_filled_in_for_upload_are_honoured(hits, tmp_path, decision, status):
    write_csv(tmp_path / "r.csv", [result_row(hits) | decision])
    frame = apply_rules(collect_tables([tmp_path / "r.csv"], KEY, hits)[0], QualityRules())
    assert (frame["submit_status"] == status).all()
    assert frame["accepted"].all() == (status != "rejected") and (status != "rejected" or not frame["used"].any())


@pytest.mark.parametrize("keep", [0.5, 0.97, 0.995, 1 - 1e-9])
def test_the_abridged_last_row_of_a_cut_table_is_reported(hits, tmp_path, keep):
    """Cut among its cells, inside a quoted cell and before the last quote: never taken for whole answers."""
    rows = [result_row(hits, 0, name, name, **{"Answer.log_json": "x" * 40}) for name in ("A1", "A2")]
    write_csv(tmp_path / "whole.csv", rows, lineterminator="\n")
    text = (tmp_path / "whole.csv").read_text().removesuffix("\n")
    start = text.rindex("\n") + 1
    (tmp_path / "cut.csv").write_text(text[:start + int((len(text) - start) * keep)])
    frame, refused = imported(hits, tmp_path / "cut.csv")
    assert frame["assignment_id"].unique().tolist() == ["A1"]
    assert [one.source for one in refused if "cut off" in one.reason] == ["cut.csv:3"]


def test_a_row_longer_than_the_header_is_reported(hits, tmp_path):
    write_csv(tmp_path / "r.csv", [result_row(hits)], lineterminator="\n")
    (tmp_path / "r.csv").write_text((tmp_path / "r.csv").read_text().removesuffix("\n") + ",more\n")
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert frame is None and "the header has" in refused[0].reason


def test_answers_to_trials_the_hit_does_not_have_and_the_2017_show_field(hits, tmp_path):
    row = result_row(hits) | {"Answer.choice_999": "optionA", "Answer.show": "abc"}
    write_csv(tmp_path / "r.csv", [row])
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert len(frame) == len(next(iter(hits.values())))
    assert [(one.what, one.reason) for one in refused] == [
        ("choice_999", "answer to a trial that this HIT does not have")]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_byte_order_mark_crlf_and_semicolons_are_read(hits, tmp_path, delimiter):
    write_csv(tmp_path / "r.csv", [result_row(hits)], encoding="utf-8-sig", lineterminator="\r\n", delimiter=delimiter)
    assert imported(hits, tmp_path / "r.csv")[0] is not None


def test_tables_that_are_no_results_are_refused(hits, tmp_path):
    cases = {"no Answer": "HITId,AssignmentId,WorkerId\n1,2,3\n", "no column HITId": "a,b\n1,2\n",
             "is in the table twice": "HITId,AssignmentId,WorkerId,Answer.a,Answer.a\n1,2,3,x,y\n"}
    for message, text in cases.items():
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_submissions(tmp_path / "x.csv")
    with pytest.raises(InputError, match="expected a result table"):
        read_submissions(tmp_path / "x.txt")
    with pytest.raises(InputError, match="no such file"):
        read_submissions(tmp_path / "none.csv")


OF_TURKLE = {  # as Turkle 3.1.0 writes them: no status, numbers for ids, batches of a project
    "HITId": "2", "HITTypeId": "3", "Title": "lab", "CreationTime": "Thu Nov 26 15:10:41 UTC 2026",
    "MaxAssignments": "1", "AssignmentDurationInSeconds": "86400", "AssignmentId": "5", "WorkerId": "4",
    "AcceptTime": "Thu Nov 26 15:27:19 UTC 2026", "SubmitTime": "Thu Nov 26 15:27:35 UTC 2026",
    "WorkTimeInSeconds": "15"}


def test_turkle_export(hits, tmp_path):
    """Its columns in its order: Input and Answer sorted as text, then the user's name. A tie has an empty choice."""
    made = result_row(hits) | {"Answer.choice_3": ""}
    trials = list(hits.values())[0]
    log = json.loads(page_log(trials))
    log["rows"][2][0] = "tie"
    made["Answer.log_json"] = json.dumps(log | {"language": "en", "said": {"q_age": 34, "px_per_mm": 3.785}})
    sorted_ones = {name: made[name] for kind in ("Input.", "Answer.") for name in sorted(made) if name.startswith(kind)}
    write_csv(tmp_path / "t.csv", [{**OF_TURKLE, **sorted_ones, "Turkle.Username": "cleo"}], lineterminator="\r\n")
    frame, refused = imported(hits, tmp_path / "t.csv")
    assert refused == [] and len(frame) == len(trials)
    assert set(frame["platform"]) == {"turkle"} and set(frame["session_id"]) == {"turkle-5"}
    assert frame["chosen"].tolist() == ["left", "left", "tie"] + ["left"] * (len(trials) - 3)
    assert set(frame["submit_status"]) == {"submitted"} and set(frame["q_age"]) == {"34"}
    assert set(frame["session_started"]) == {"2026-11-26T15:27:19+00:00"}
    assert not frame.map(lambda cell: cell == "cleo").any(axis=None)


def page_log(trials, **columns) -> str:
    names = ["chosen", "rt_ms", "focus_lost", *columns]
    rows = [["left", 700.5, False, *(values[i] for values in columns.values())] for i in range(len(trials))]
    about = {"user_agent_family": "Firefox", "client_version": "0123456789ab"}
    return json.dumps({**about, "columns": names, "rows": rows})


def test_measurements_of_the_page_are_taken_over_and_methods_are_not(hits, tmp_path):
    trials = next(iter(hits.values()))
    log = page_log(trials, left_method=["forged"] * len(trials), dpr=[1.25] * len(trials))
    write_csv(tmp_path / "r.csv", [result_row(hits) | {"Answer.log_json": log}])
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert not refused and (frame["rt_ms"] == 700.5).all() and (frame["dpr"] == 1.25).all()
    assert frame["left_method"].tolist() == [trial.methods[0] for trial in trials]
    assert (frame["user_agent_family"] == "Firefox").all()
    assert (frame["client_version"] == "0123456789ab").all()  # of the page, not of whoever collects


def test_trials_the_page_never_showed_and_logs_that_disagree(hits, tmp_path):
    trials = next(iter(hits.values()))
    log = json.loads(page_log(trials))
    log["rows"] = log["rows"][:-1]
    log["rows"][0][0] = "right"
    write_csv(tmp_path / "r.csv", [result_row(hits) | {"Answer.log_json": json.dumps(log)}])
    frame, _ = imported(hits, tmp_path / "r.csv")
    reasons = frame.set_index("trial_index")["exclude_reasons"]
    assert reasons[len(trials) - 1] == "import_trial_not_shown" and reasons[0] == "import_log_disagrees"
    assert reasons[1:len(trials) - 2].isna().all()


@pytest.mark.parametrize("log", ["{", "[]", '{"columns": ["rt_ms"], "rows": [["fast"]]}',
                                 '{"columns": ["rt_ms"], "rows": [[1, 2]]}', '{"columns": ["dpr"], "rows": [[true]]}',
                                 '{"columns": ["rt_ms"], "rows": [[1e999]]}', '{"columns": ["dpr"], "rows": [[NaN]]}',
                                 '{"columns": ["n_changes"], "rows": [[1e999]]}', "[" * 100_000,
                                 '{"columns": ["n_changes"], "rows": [[1e30]]}', '{"columns": ["dpr"], "rows": [[-1]]}',
                                 '{"columns": ["input_device"], "rows": [["foot"]]}'])
def test_unreadable_log_keeps_the_answers_but_does_not_use_them(hits, tmp_path, log):
    write_csv(tmp_path / "r.csv", [result_row(hits) | {"Answer.log_json": log},
                                   result_row(hits, assignment="A2", participant="W2")])
    frame, refused = imported(hits, tmp_path / "r.csv")
    assert frame.loc[frame["assignment_id"] == "A2", "exclude_reasons"].isna().all()  # of the others nothing is lost
    frame = frame[frame["assignment_id"] == "A1"]
    assert len(refused) == 1
    assert (frame["exclude_reasons"] == "import_log_unreadable").all() and (frame["chosen"] == "left").all()
    assert "log_json" in refused[0].reason
    assert read_log(log).problem


@pytest.mark.parametrize("text, iso", [
    ("Thu Oct 09 07:30:20 UTC 2025", "2025-10-09T07:30:20+00:00"),
    ("2025-10-09T07:30:20+02:00", "2025-10-09T05:30:20+00:00"),
    ("09.10.25 07:30", None), ("Thu Oct 09 07:30:20 XYZ 2025", None), ("", None), ("2025-10-09 07:30:20", None)])
def test_times(text, iso):
    assert parse_time(text) == iso


def test_pseudonyms_depend_on_key_platform_and_person_and_the_raw_id_is_nowhere(hits, tmp_path):
    assert pseudonym(KEY, "mturk", "W1") == pseudonym(KEY, "mturk", "W1")
    assert len({pseudonym(k, p, w) for k in (KEY, KEY[::-1]) for p in ("mturk", "turkle") for w in ("W1", "W2")}) == 8
    write_csv(tmp_path / "r.csv", [result_row(hits, participant="A2SECRET"),
                                   result_row(hits, assignment="A9", participant="A2SECRET") | {"HITId": ""}])
    frame, refused = collect_tables([tmp_path / "r.csv"], KEY, hits)
    text = frame.to_csv() + str(refusal_rows(refused))
    assert "A2SECRET" not in text and "w_" in text


def test_collect_command_adds_and_replaces(tiny_run, written, tmp_path, capsys):
    write_csv(tmp_path / "1.csv", [result_row(written.hits, 0, "A1", "W1")])
    write_csv(tmp_path / "2.csv", [result_row(written.hits, 0, "A1", "W1", AssignmentStatus="Approved"),
                                   result_row(written.hits, 1, "A2", "W2")])
    common = ["collect", "--run", str(tiny_run.path), "--key-file", str(tmp_path / "key")]
    main([*common, str(tmp_path / "1.csv")])
    with pytest.raises(SystemExit):
        main([*common, str(tmp_path / "2.csv")])
    assert "--add" in capsys.readouterr().err
    main([*common, "--add", str(tmp_path / "2.csv")])
    frame = read_responses(written.folder / "responses.csv")
    assert frame.groupby("session_id")["submit_status"].first().to_dict() == {
        "mturk-A1": "approved", "mturk-A2": "submitted"}
    assert "later file" in (written.folder / "import-report.csv").read_text()


def test_from_a_result_table_to_the_report(tiny_run, written, tmp_path, capsys):
    rows = [result_row(written.hits, hit, f"A{hit}{w}", f"W{hit}{w}") for hit in range(2) for w in range(3)]
    for row, n in zip(rows, range(len(rows)), strict=True):
        row.update({name: "optionB" for i, name in enumerate(row) if name.startswith("Answer.") and (i + n) % 3})
    write_csv(tmp_path / "1.csv", rows)
    main(["collect", "--run", str(tiny_run.path), "--key-file", str(tmp_path / "key"), str(tmp_path / "1.csv")])
    main(["analyze", "--run", str(tiny_run.path)])
    report = (written.folder / "analysis" / "report.md").read_text()
    assert written.spec_sha256[:16] in report and "SIMULATED" not in report
    assert "6 sessions" in capsys.readouterr().out
    everything = json.loads((written.folder / "analysis" / "analysis.json").read_text())["preferences_all"]
    assert sorted(one["n"] for one in everything) == [36, 36]


def test_a_platforms_answers_are_released_without_ids(tiny_run, written, tmp_path):
    write_csv(tmp_path / "1.csv", [result_row(written.hits, 0, "A1", "W1"), result_row(written.hits, 1, "A2", "W2")])
    run = ["--run", str(tiny_run.path)]
    main(["collect", *run, "--key-file", str(tmp_path / "key"), str(tmp_path / "1.csv")])
    own = read_responses(written.folder / "responses.csv")
    own.loc[own["session_id"] == "mturk-A2", "submit_status"] = "withdrawn"
    write_responses(own, written.folder / "responses.csv")
    main(["export", *run, "--release", "--out", str(tmp_path / "public.csv")])
    public = read_responses(tmp_path / "public.csv")
    assert set(public["participant"]) == {"w0001"} and set(public["session_id"]) == {"s0001"}
    text = (tmp_path / "public.csv").read_text()
    assert "mturk-A1" not in text and own["participant"].iloc[0] not in text


def test_collect_command_without_a_usable_row_gives_the_reason(tiny_run, written, tmp_path, capsys):
    write_csv(tmp_path / "1.csv", [result_row(written.hits) | {"WorkerId": ""}])
    with pytest.raises(SystemExit) as exit_:
        main(["collect", "--run", str(tiny_run.path), "--key-file", str(tmp_path / "key"), str(tmp_path / "1.csv")])
    assert exit_.value.code == 2 and "WorkerId is empty" in capsys.readouterr().err
    assert not (written.folder / "responses.csv").exists()


def test_report_cells_are_harmless_in_a_spreadsheet(hits, tmp_path):
    write_csv(tmp_path / "r.csv", [result_row(hits), result_row(hits, assignment="=HYPERLINK(1)") | {"HITId": ""}])
    _, refused = collect_tables([tmp_path / "r.csv"], KEY, hits)
    assert "'=HYPERLINK(1)" in refusal_rows(refused)[-1]


def test_answers_about_language_screen_and_questions():
    said = {"q_age": 33, "note_comment": "fine", "px_per_mm": 3.8, "colour_right": -1, "participant": "x", "q_": "y",
            "q_long": "z" * 501}
    log = read_log(json.dumps({"columns": [], "rows": [], "language": "de", "said": said}))
    assert log.answers == {"language": "de", "q_age": 33, "note_comment": "fine", "px_per_mm": 3.8}
    assert read_log(json.dumps({"columns": [], "rows": []})).answers == {}
