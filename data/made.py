"""Is this made already? Results are made from inputs; this is the one form in which that is recorded and looked up.

Several files have a record beside them, a JSON file that is written after all of them. A single file (a score, an
array, a checkpoint) holds the fingerprint of its inputs itself.

    inputs = fingerprint(...)                       everything that the result depends on
    if not is_made(record, inputs, files):          missing, made from other inputs, a file gone or changed
        ...                                         write the files
        write_record(record, inputs, files)

    if not holds(file, inputs, read=read_inputs):   likewise for a single file
        ...
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import read_mapping, sha256, write_json

SHOWN = 4  # file names in a line
FORMAT = 2  # of run.json, method.json, scores and records; absent in the files of format 1


@dataclass(frozen=True)
class Record:
    """inputs: fingerprint of what the files were made from. files: name -> SHA-256, names relative to the folder that
    the record is about; empty in format 1 where only the inputs were recorded. facts: what else the record holds."""

    inputs: str
    files: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def write_record(file: Path, inputs: str, files: Iterable[Path], folder: Path | None = None, **facts: Any) -> None:
    """Record that `files` were made from `inputs`. folder: that their names are relative to; None: the record's own.
    facts: plain values for readers of the record."""
    folder = folder or file.parent
    hashes = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    write_json(file, {"format": FORMAT, "inputs": inputs, **facts, "files": hashes})


def read_record(file: Path) -> Record | None:
    """None where there is no record. A damaged one is reported and deleted, and its files are made again."""
    if not file.exists():
        return None
    try:
        content = read_mapping(file)
        inputs = content.pop("inputs", None) or content.pop("fingerprint", None)  # the latter in format 1
        files = content.pop("files", {})
        if not isinstance(inputs, str) or not isinstance(files, dict):
            raise InputError(f"{file}: not a record of inputs and files")
    except InputError as error:
        discard(file, error)
        return None
    content.pop("format", None)
    return Record(inputs, files, content)


def is_made(file: Path, inputs: str, files: Iterable[Path] = (), folder: Path | None = None) -> bool:
    """Whether the record `file` is of these inputs, every one of `files` exists, and those on record are unchanged."""
    record = read_record(file)
    return (record is not None and record.inputs == inputs and all(path.exists() for path in files)
            and not changed_files(record, folder or file.parent))


def changed_files(record: Record, folder: Path) -> list[Path]:
    """Files on record that are gone or have changed."""
    paths = {folder / name: digest for name, digest in record.files.items()}
    return [path for path, digest in paths.items() if not path.is_file() or sha256(path) != digest]


def report_changes(file: Path, folder: Path | None = None) -> None:
    """One line about files on record that somebody changed or deleted, before they are made again."""
    record = read_record(file)
    if record and (changed := changed_files(record, folder or file.parent)):
        names = ", ".join(path.name for path in changed[:SHOWN]) + (", ..." if len(changed) > SHOWN else "")
        print(f"  {folder or file.parent}: {len(changed)} of {len(record.files)} files were changed or deleted since "
              f"they were made ({names}); they are made again", flush=True)


def holds(file: Path, inputs: str, read: Callable[[Path], str]) -> bool:
    """Whether a single file exists and was made from these inputs. read: gives the fingerprint that the file holds;
    where it raises InputError, the file is reported and deleted, so that it is made again."""
    if not file.exists():
        return False
    try:
        return read(file) == inputs
    except InputError as error:
        discard(file, error)
        return False


def discard(file: Path, error: InputError) -> None:
    """Report a damaged file that can be made again, and delete it."""
    reason = str(error).removeprefix(f"{file}: ")
    print(f"  {file}: damaged ({reason}); it is made again", flush=True)
    with suppress(OSError):
        file.unlink()
