"""Runs that are empty, half finished, copied or broken: one clear line, and everything readable is shown."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data.files import write_json
from reports.app.parts import sources

PAGES = ["Compare", "Find", "Grid", "Leaderboard", "Diversity", "Human study", "Training", "Runs"]


@pytest.mark.parametrize(("spoil", "problem"), [
    (lambda run: shutil.rmtree(run.path), "no such run directory"),
    (lambda run: (run.path / "run.json").unlink(), "not a run directory"),
    (lambda run: (run.path / "run.json").write_text("{"), "not valid JSON"),
    (lambda run: shutil.rmtree(run.dataset / "layouts"), "no layouts"),
    (lambda run: (run.dataset / "labels.json").unlink(), "labels.json: no such file"),
    (lambda run: shutil.rmtree(run.path / "methods"), "no synthesized images yet"),
])
def test_incomplete_runs_give_one_line(tiny_run, app, spoil, problem):
    spoil(tiny_run)
    lines = app(tiny_run).errors
    assert len(lines) == 1
    assert problem in lines[0]
    assert "\n" not in lines[0]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("left", ["run.json", "dataset", "methods"])
def test_every_page_opens_a_run_that_has_only_begun(tiny_run, app, page, left):
    """The folder contains run.json alone, or with the dataset, or with the methods: a page shows its content or one
    line on what is missing, never an exception (see Seen) and never nothing."""
    for name in {"dataset", "methods"} - {left}:
        shutil.rmtree(tiny_run.path / name)
    seen = app(tiny_run, page="" if page == "Compare" else page)
    assert seen.words.strip()
    assert len(seen.errors) <= 1
    assert all(line.startswith(str(tiny_run.path)) and "\n" not in line for line in seen.errors)


@pytest.mark.parametrize("page", PAGES)
def test_one_broken_score_or_method_is_not_the_end(scored_run, app, page):
    scored_run.score_file("segmentation", "crn").write_text("{")
    (scored_run.method_folder("pix2pix") / "method.json").write_text('{"name": 1, "unknown": 2}')
    (scored_run.method_folder("image_space") / "log.csv").write_text("nothing")
    seen = app(scored_run, page="" if page == "Compare" else page)
    assert not seen.errors
    assert "crn.json: not valid JSON" in seen.words
    assert "pix2pix/method.json: not the record of a method" in seen.words


@pytest.mark.parametrize("page", PAGES)
def test_damage_is_one_line_on_every_page(scored_run, app, page):
    """A score that is no number, notes and the run's own record by hand."""
    file = scored_run.score_file("segmentation", "crn")
    file.write_text(re.sub(r'"value": [^,}]*', '"value": NaN', file.read_text(), count=1))
    for name, content in (("notes.json", '{"00000": {"tags": 5}}'), ("notes.json", "{"), ("run.json", '{"config": 3}'),
                          ("run.json", "[]")):
        (scored_run.path / name).write_text(content)
        seen = app(scored_run, page="" if page == "Compare" else page)
        assert len(seen.errors) <= 1
        assert name in seen.words or name == "notes.json" or page == "Runs", seen.words


def test_commands_are_those_of_the_run(tiny_run, app):
    record = tiny_run.config() | {"command": "python -m evaluation.run --all --set seed=1"}
    write_json(tiny_run.path / "run.json", record)
    seen = app(tiny_run)
    assert not seen.errors and "Not scored yet" in seen.words and "evaluation.run --all --set seed=1" in seen.words
    shutil.rmtree(tiny_run.path / "methods")
    assert "--all --set seed=1 --methods crn," in app(tiny_run).errors[0]


@pytest.mark.parametrize("arguments", [["--runs", "x"], ["--run"], ["runs/street"]])
def test_wrong_arguments_end_with_usage(capsys, arguments):
    with pytest.raises(SystemExit):
        sources.command_line().parse_args(arguments)
    assert "python -m reports.app: error: " in capsys.readouterr().err


def test_no_torch():
    """The app imports no torch: it starts fast and runs without it."""
    code = ("import sys, reports.app.menu, reports.app.parts.serving; "
            "sys.exit(','.join(m for m in sys.modules if m.split('.')[0] in ('torch', 'torchvision')) or 0)")
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_score_file_replaced_by_an_older_one_is_seen(scored_run):
    def shown() -> float:
        scores = sources.open_source(0, "run", scored_run.path).scores
        return next(s.value("mIoU").value for s in scores if (s.metric, s.method) == ("segmentation", "crn"))

    before, file = shown(), scored_run.score_file("segmentation", "crn")
    time, text = file.stat().st_mtime, file.read_text(encoding="utf-8")
    file.write_text(text.replace(str(before), "0.125"), encoding="utf-8")
    os.utime(file, (time - 86400, time - 86400))
    assert before != 0.125 == shown()
