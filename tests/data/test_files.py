"""Files and folders: a refusal by the system is one line that names the file, and nothing is half written."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress

import pytest

from data.errors import InputError, one_line_errors
from data.files import atomic_path, list_folder, read_json, remove_parts, write_json, write_text


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
    (lambda file: write_text(file / "below.txt", "text"), "f: a folder is expected, this is a file"),
    (lambda file: os.listdir(file), "f: a folder is expected, this is a file"),
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


def test_hidden_files_and_those_of_other_systems_are_not_listed(tmp_path):
    for name in ("b.png", "a.png", "._a.png", ".DS_Store", "Thumbs.db", "sub/c.png", ".cache/d.png", "__MACOSX/e.png"):
        write_text(tmp_path / name, "")

    def names(*pattern):
        return [path.relative_to(tmp_path).as_posix() for path in list_folder(tmp_path, *pattern)]
    assert names() == ["a.png", "b.png", "sub"]
    assert names("*.png") == ["a.png", "b.png"] and names("*/*") == ["sub/c.png"]
    assert names("**/*") == ["a.png", "b.png", "sub", "sub/c.png"]
    write_text(tmp_path / ".hidden" / "f.png", "")
    assert len(list_folder(tmp_path / ".hidden")) == 1  # the folder that is named may be hidden itself
    assert list_folder(tmp_path / "missing") == list_folder(tmp_path / "a.png") == []


def test_a_written_file_is_like_any_other(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    with suppress(PermissionError):  # only root may give a folder to any group
        os.chown(shared, -1, 12345)
    shared.chmod(0o2775)  # a project's folder: its files belong to its group
    before = os.umask(0o027)
    try:
        (shared / "plain").write_text("")
        write_text(shared / "ours", "")
        write_text(shared / "new" / "ours", "")
    finally:
        os.umask(before)
    plain = (shared / "plain").stat()
    for file in (shared / "ours", shared / "new" / "ours"):
        assert (file.stat().st_mode, file.stat().st_gid) == (plain.st_mode, plain.st_gid)
    (shared / "ours").chmod(0o400)
    write_text(shared / "ours", "text")
    assert (shared / "ours").stat().st_mode & 0o777 == 0o400 and (shared / "ours").read_text() == "text"


def test_names_as_long_as_a_file_system_takes(tmp_path, capsys):
    file = tmp_path / ("\u8857" * 83 + ".json")  # 254 bytes
    write_json(file, 1)
    with suppress(OSError), atomic_path(file) as temporary:
        shutil.copy(file, temporary.with_name(temporary.name.replace(".part", "0.part")))  # left by a killed process
        raise OSError
    remove_parts(file)
    assert list(tmp_path.iterdir()) == [file]
    assert line_of(capsys, lambda: write_json(file.with_suffix(".jsonlines"), 1)).endswith("File name too long")


LATIN = os.fsdecode(b"fa\xe7ade")  # as unzip leaves a name of an old Windows archive


def test_a_name_that_is_not_utf8_survives_a_record(tmp_path):
    write_json(tmp_path / "a.json", {"folder": LATIN})
    assert read_json(tmp_path / "a.json") == {"folder": LATIN}


@pytest.mark.parametrize("environment", [
    {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "gbk:strict"}, {"LC_ALL": "C.UTF-8"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_any_path_can_be_printed_in_any_terminal(environment):
    code = ("from data.errors import one_line_errors\nfrom data.processes import map_in_processes\n"
            "with one_line_errors('program'):\n    print('caf\\xe9 \\u8857 \\udce7 fine')\n"
            "    list(map_in_processes(print, ['\\u8857 \\udce7 fine'] * 17, processes=2))")
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b" fine") == 18
