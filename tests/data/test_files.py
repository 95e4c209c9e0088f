"""What the system refuses: one line that names the file, and nothing half written."""

import os
import subprocess
import sys

import pytest

from data.errors import InputError, one_line_errors
from data.files import read_json, write_text


def line_of(capsys, action) -> str:
    with pytest.raises(SystemExit) as stopped, one_line_errors("program"):
        action()
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and "\n" not in error
    return error


def denied(path):
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize("action, message", [
    (denied, "f: Permission denied"),
    (lambda file: write_text(file / "below.txt", "text"), "f: a file stands where a folder is expected"),
    (lambda file: os.listdir(file), "f: a file stands where a folder is expected"),
    (lambda file: file.with_name("g").read_text(), "g: No such file or directory"),
    (lambda file: read_json(file), "f: not valid JSON")])
def test_what_the_system_refuses_is_one_line(capsys, tmp_path, action, message):
    file = tmp_path / "f"
    file.write_text("no folder")
    assert line_of(capsys, lambda: action(file)).startswith(f"program: error: {tmp_path}/{message}")


def test_errors_that_name_no_file_are_bugs_and_pass():
    with pytest.raises(ConnectionResetError), one_line_errors("program"):
        raise ConnectionResetError(104, "Connection reset by peer")
    with pytest.raises(InputError):
        raise InputError("outside of the command line it is an exception like others")


@pytest.mark.parametrize("count", [1, 10**6])
def test_output_that_nobody_reads_ends_the_program_quietly(count):
    code = f"from data.errors import one_line_errors\nwith one_line_errors('program'):\n    print('x' * {count})"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_folder_where_a_file_is_to_be_written(capsys, tmp_path):
    (tmp_path / "f").mkdir()
    said = line_of(capsys, lambda: write_text(tmp_path / "f", "text"))
    assert said == f"program: error: {tmp_path}/f: Is a directory"
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
