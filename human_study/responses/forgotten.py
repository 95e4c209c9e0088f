"""Participants who asked to be forgotten: their rows must not come back with an older table.

A line per participant: a hash of the pseudonym, which is itself a keyed hash. It identifies nobody, and still marks
the rows of an earlier export or of a platform's result table.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import write_text
from human_study.responses.table import read_responses, write_responses

FILE = "forgotten"  # in secret/ of a study


def mark(participant: str) -> str:
    """32 hex digits for a pseudonym."""
    return hashlib.sha256(f"forgotten\0{participant}".encode()).hexdigest()[:32]


def forgotten(folder: Path) -> set[str]:
    """Marks of a study's forgotten participants."""
    file = folder / "secret" / FILE
    return set(file.read_text(encoding="utf-8").split()) if file.exists() else set()


def remember(folder: Path, marks: Iterable[str]) -> None:
    """Note that the rows of these participants must not come back."""
    write_text(folder / "secret" / FILE, "".join(f"{one}\n" for one in sorted(forgotten(folder) | set(marks))))


def of_forgotten(frame: pd.DataFrame, folder: Path) -> pd.Series:
    """bool per row: whether its participant was forgotten."""
    marks = forgotten(folder)
    participants = {participant: mark(participant) in marks for participant in frame["participant"].unique()}
    return frame["participant"].map(participants).astype(bool)


def refuse_forgotten(frame: pd.DataFrame, folder: Path, where: str) -> None:
    """Raises InputError where a table holds rows of somebody forgotten."""
    rows = int(of_forgotten(frame, folder).sum())
    if rows:
        raise InputError(f"{where}: holds {rows} rows of a participant who was forgotten after it was written; export "
                         "or collect again, and delete this table")


def drop_participant(file: Path, participant: str) -> int:
    """Take a participant's rows out of a table of responses; their number. A table left empty is deleted."""
    if not file.exists():
        return 0
    frame = read_responses(file)
    own = frame["participant"].eq(participant)
    if own.all():
        file.unlink()
    elif own.any():
        write_responses(frame[~own], file)
    return int(own.sum())
