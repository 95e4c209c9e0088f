"""What the main job prints for people to type."""

import os
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import InputError
from evaluation.pipeline.job import Job, interpreter, typed
from evaluation.run_directory import RunDirectory
from training.harness import Interrupted


def test_paths_can_be_pasted_where_the_user_stands(tmp_path, monkeypatch):
    (here := tmp_path / "a b").mkdir()
    monkeypatch.chdir(here)
    for path in (here / "it's", tmp_path / "else where"):
        (shown,) = shlex.split(typed(path))
        assert Path(os.path.abspath(shown)) == path
    assert Path(*shlex.split(interpreter())) == Path(sys.executable)


def test_a_missing_run_is_told_with_a_command_for_its_path(tmp_path):
    with pytest.raises(InputError) as error:
        RunDirectory.open(tmp_path / "my run")
    command = str(error.value).partition("make one with ")[2]
    assert shlex.split(command)[-2:] == ["--out", str(tmp_path / "my run")]


def test_what_a_stopped_command_says_about_saved_state_was_written(tmp_path):
    job = SimpleNamespace(executor=SimpleNamespace(stopped={
        "crn": Interrupted("CRN: step 3 of 30 is saved in crn/checkpoint.pt"), "unet": OSError("the disk is full")}),
        call=SimpleNamespace(command="python -m evaluation.run --all"))
    lines = Job.stop_message(job).splitlines()
    assert lines[:3] == ["stopped; finished work is kept", "  CRN: step 3 of 30 is saved in crn/checkpoint.pt",
                         "  unet: not saved (the disk is full); its last checkpoint is kept, if it has one"]
    assert lines[-1].endswith("-m evaluation.run --all")
