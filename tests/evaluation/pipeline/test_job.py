"""What the main job prints for people to type."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from data.errors import InputError
from evaluation.pipeline.job import app, interpreter, typed
from evaluation.run_directory import RunDirectory


def test_paths_can_be_pasted_where_the_user_stands(tmp_path, monkeypatch):
    (here := tmp_path / "a b").mkdir()
    monkeypatch.chdir(here)
    for path in (here / "it's", tmp_path / "else where"):
        (shown,) = shlex.split(typed(path))
        assert Path(os.path.abspath(shown)) == path
    assert Path(*shlex.split(app())).is_file() and Path(*shlex.split(interpreter())) == Path(sys.executable)


def test_a_missing_run_is_told_with_a_command_for_its_path(tmp_path):
    with pytest.raises(InputError) as error:
        RunDirectory.open(tmp_path / "my run")
    command = str(error.value).partition("make one with ")[2]
    assert shlex.split(command)[-2:] == ["--out", str(tmp_path / "my run")]
