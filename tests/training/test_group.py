"""Numbers that the environment holds."""

import os

import pytest

from data.errors import InputError
from evaluation.run import main
from training import group
from training.group import environment_integer, group_size


@pytest.mark.parametrize(("text", "number"), [("  ", 7), ("2,1", 2), (" 4 ", 4)])
def test_what_openmp_takes_is_taken(monkeypatch, text, number):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert environment_integer("OMP_NUM_THREADS", 7, least=1) == number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", ",2", "\u0663"])
def test_nonsense_is_one_line(monkeypatch, text):
    monkeypatch.setenv("WORLD_SIZE", text)
    with pytest.raises(InputError, match="the environment variable WORLD_SIZE=.*: expected a whole number from 1"):
        group_size()


@pytest.mark.parametrize("error", [InputError("photo.png: broken"), OSError(28, "No space left on device", "file")])
def test_one_process_of_a_group_reports_an_error(monkeypatch, error):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(group.signal, "signal", lambda *_: None)
    for first, raised in ((True, type(error)), (False, SystemExit)):
        monkeypatch.setattr(group, "is_first_to_report", lambda first=first: first)
        with pytest.raises(raised), group.one_error_message():
            raise error


def test_the_main_job_says_it_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    with pytest.raises(SystemExit):
        main(["--stages", "train", "--preset", "smoke", "--out", str(tmp_path / "run")])
    assert "evaluation.run: error: the environment variable OMP_NUM_THREADS='0'" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
