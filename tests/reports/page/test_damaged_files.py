"""A report on a run with damaged files: the file is named; a damaged log is a training without curves."""

import re

import pytest

from data.errors import InputError
from data.files import read_json, write_json
from reports.figures.training import read_log
from reports.page.context import context
from reports.report import write_report
from reports.tables.readable import ReadableRun

WAYS = {"half": lambda content: content[: len(content) // 2], "empty": lambda content: b"",
        "garbage": lambda content: bytes(range(255, 0, -1)), "another": lambda content: b"[1, 2]\n"}
ways = pytest.mark.parametrize("way", WAYS)


@ways
@pytest.mark.parametrize("name", ["scores/metrics.json", "scores/trainings.json",
                                  "scores/methods.json", "run.json", "dataset/labels.json",
                                  "study/lab/analysis/analysis.json"])
def test_the_report_names_the_file_that_is_damaged(tiny_run, name, way):
    file = tiny_run.path / name
    (tiny_run.study / "lab" / "public").mkdir(parents=True)
    if not file.exists():
        write_json(file, {"preferences": [], "identity": {"simulated": True}, "notes": []})
    file.write_bytes(WAYS[way](file.read_bytes()))
    with pytest.raises(InputError) as error:
        context(ReadableRun(tiny_run.path))
    assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)


@ways
def test_curves_without_a_damaged_log(tiny_run, way):
    whole, file = read_log(tiny_run, "crn"), tiny_run.method_folder("crn") / "log.csv"
    file.write_bytes(WAYS[way](file.read_bytes()))
    log = read_log(tiny_run, "crn")
    assert (log is None) == (way != "half") and (log is None or 0 < len(log) < len(whole))


@pytest.mark.parametrize(("value", "problem"), [("NaN", "not valid JSON"), ("Infinity", "not valid JSON"),
                                                ('"0,5"', "expected a finite number"), ("true", "not a score")])
def test_a_score_that_is_no_number_is_left_out_and_named(scored_run, value, problem):
    file = scored_run.score_file("segmentation", "crn")
    file.write_text(re.sub(r'"value": [^,}]*', f'"value": {value}', file.read_text(), count=1))
    page = context(ReadableRun(scored_run.path))
    doubts = [line for line in page["doubts_of_run"] if "segmentation/crn.json" in line]
    assert len(doubts) == 1 and problem in doubts[0]
    table = page["ranking"]
    places = {row.title: {column.label: table.cell(row, column) for column in table.columns} for row in table.rows}
    assert places["CRN"]["mIoU"] is None and places["pix2pix"]["mIoU"] is not None


def test_a_method_whose_record_cannot_be_read_is_named_and_the_others_are_shown(scored_run, no_figures):
    file = scored_run.method_folder("pix2pix") / "method.json"
    write_json(file, read_json(file) | {"colour": "red"})
    text = write_report(scored_run).read_text(encoding="utf-8")
    assert "pix2pix/method.json: not the record of a method (unknown key &#39;colour&#39;)" in text
    assert "Image-space loss" in text
