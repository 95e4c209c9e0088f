"""A report on a run with damaged files: the file is named; a damaged log is a training without curves."""

import pytest

from data.errors import InputError
from data.files import write_json
from reports.figures.training import read_log
from reports.page.context import context

WAYS = {"half": lambda content: content[: len(content) // 2], "empty": lambda content: b"",
        "garbage": lambda content: bytes(range(255, 0, -1)), "another": lambda content: b"[1, 2]\n"}
ways = pytest.mark.parametrize("way", WAYS)


@ways
@pytest.mark.parametrize("name", ["scores/metrics.json", "scores/cost/crn.json", "scores/seeds.json",
                                  "scores/methods.json", "run.json", "dataset/labels.json",
                                  "study/lab/analysis/analysis.json"])
def test_the_report_names_the_file_that_is_damaged(tiny_run, name, way):
    file = tiny_run.path / name
    (tiny_run.study / "lab" / "public").mkdir(parents=True)
    if not file.exists():
        write_json(file, {"preferences": [], "identity": {"simulated": True}, "notes": []})
    file.write_bytes(WAYS[way](file.read_bytes()))
    with pytest.raises(InputError) as error:
        context(tiny_run)
    assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)


@ways
def test_curves_without_a_damaged_log(tiny_run, way):
    whole, file = read_log(tiny_run, "crn"), tiny_run.method_folder("crn") / "log.csv"
    file.write_bytes(WAYS[way](file.read_bytes()))
    log = read_log(tiny_run, "crn")
    assert (log is None) == (way != "half") and (log is None or 0 < len(log) < len(whole))
