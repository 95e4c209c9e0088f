"""Runs of older formats, of which one each is kept here, open as they are: nothing is trained or synthesized again."""

import shutil
from pathlib import Path

import pytest

from data.files import read_json
from data.made import FORMAT
from evaluation.run import main
from evaluation.run_directory import RunDirectory

HERE = Path(__file__).parent
FORMATS = range(1, FORMAT)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(params=FORMATS)
def older(request, tmp_path) -> RunDirectory:
    shutil.copytree(HERE / f"format_{request.param}", tmp_path / "run")
    return RunDirectory.open(tmp_path / "run")


def test_an_older_run_is_scored_and_reported_as_it_is(older, capsys, no_figures):
    before = contents(older.path)
    preset = HERE / f"{older.config()['preset']}.yaml"
    for stages in ("report", "train,synthesize,score,study,report"):
        assert main(["--stages", stages, "--preset", str(preset), "--device", "cpu", "--executor", "local", "--out",
                     str(older.path)]) == 0
        assert (older.report / "index.html").exists()
    after = contents(older.path)
    for part in ("dataset/", "methods/crn/images/", "methods/crn_diversity/variants/", "methods/crn/checkpoint.pt"):
        assert {name: after[name] for name in before if name.startswith(part)} == {
            name: content for name, content in before.items() if name.startswith(part)}
    assert read_json(older.path / "run.json")["format"] == FORMAT
    assert {score.method for score in older.scores("segmentation")} == {"photos", "crn", "crn_diversity"}
