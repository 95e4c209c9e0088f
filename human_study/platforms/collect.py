"""Result tables and tables of responses -> one table of responses, and the entries refused, with reasons."""

import csv
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import pandas as pd

from data.errors import InputError
from human_study.platforms.importers import Hits, import_submissions
from human_study.platforms.submissions import Refused, read_submissions
from human_study.responses.cells import delimiter_of, harmless
from human_study.responses.columns import COLUMNS, RENAMED
from human_study.responses.table import merge_responses, read_responses

REPORT = "import-report.csv"


def is_response_table(file: Path) -> bool:
    """Whether a file is a table of responses already, by its header."""
    if file.suffix == ".parquet":
        return True
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
    except (OSError, UnicodeDecodeError):
        return False
    header = {RENAMED.get(name, name) for name in next(csv.reader([first], delimiter=delimiter_of(first)), [])}
    return header >= {column.name for column in COLUMNS if not column.optional}


def collect_tables(tables: Sequence[Path | pd.DataFrame], key: bytes, hits: Hits, platform: str | None = None
                   ) -> tuple[pd.DataFrame, list[Refused]]:
    """One table of all files and tables of responses, and what was refused. Of a session in several tables the last
    table's rows count: it may have gone on, or been approved.

    key: of the pseudonyms. hits: the planned HITs (TaskBatch.hits). platform: None: recognised by the columns. Raises
    InputError when no row comes out.
    """
    submissions, refused, frames = [], [], []
    for table in tables:
        if isinstance(table, pd.DataFrame):
            frames.append(table)
        elif is_response_table(table):
            frames.append(read_responses(table))
        else:
            found, problems = read_submissions(table, platform)
            submissions += found
            refused += problems
    imported, problems = import_submissions(submissions, key, hits)
    refused += problems
    frames += [imported] if imported is not None else []
    if not frames:
        reason = f"; first reason: {refused[0].source}: {refused[0].reason}" if refused else ""
        raise InputError(f"no row could be imported from {len(tables)} file(s){reason}")
    kept, later = [], set()
    for frame in reversed(frames):
        again = frame["session_id"].isin(later)
        refused += [Refused("table of responses", name, "a later file holds this session again")
                    for name in frame["session_id"][again].unique()]
        later |= set(frame["session_id"])
        kept.insert(0, frame[~again])
    return merge_responses([frame for frame in kept if len(frame)]), refused


def refusal_rows(refused: Sequence[Refused]) -> list[list[str]]:
    """Rows for CSV, without formulas."""
    return [["source", "what", "reason"], *([harmless(cell) for cell in astuple(one)] for one in refused)]
