"""One command at a time in a run directory."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from data.errors import InputError
from evaluation.pipeline.lock import NAME, locked

HOLD = "import sys, time; from pathlib import Path; from evaluation.pipeline.lock import locked\n" \
       "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_command_is_refused_and_told_who_holds_the_run(tmp_path, holder):
    with pytest.raises(InputError) as error, locked(tmp_path / "run"):
        pass
    assert f"process {holder.pid} on {socket.gethostname()}, since " in str(error.value)
    assert json.loads((tmp_path / "run" / NAME).read_text())["process"] == holder.pid  # left as it was


def test_what_a_killed_command_holds_is_taken_over(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / NAME).exists()
    with locked(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / NAME).read_text())["process"] == os.getpid()
    assert not (tmp_path / "run").exists()  # nothing was written


def test_one_after_another_and_after_an_error(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(RuntimeError), locked(tmp_path):
            raise RuntimeError
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="a run directory is a folder, this is a file"), locked(tmp_path / "run"):
        pass
