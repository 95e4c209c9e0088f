"""Cells of CSV tables: how they are written and read back, and how spreadsheet programs change them.

A spreadsheet program runs a cell that begins with = + - @ as a formula, so text that begins so is written with an
apostrophe before it, which is taken away on reading. It also saves tables in its country's way: semicolons between
cells, decimal commas, its own words for true and false, leading zeros dropped, long numbers as 1.2E+15.
"""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from data.errors import InputError

UNREADABLE = re.compile("\r\n?|[\0\ud800-\udfff]")  # not allowed in a table: old line ends, NUL, halves of a character
FORMULA = re.compile(r"'*[=+\-@\t]")
BETWEEN = "\x1f"  # joins the values of a column, so that one search covers all
ROUNDED = re.compile(r"\d+([.,]\d+)?E\+\d+", re.IGNORECASE)  # what is left of a long number
PROGRAM = "a spreadsheet program (Excel, LibreOffice, Numbers); use the file as it was exported"
DELIMITERS = (",", ";", "\t")


def clean(text: str) -> str:
    """Text that every table can hold: one kind of line end, U+FFFD for what cannot be written."""
    return UNREADABLE.sub(lambda found: "\n" if found[0][0] == "\r" else "\ufffd", text)


def harmless(text: str) -> str:
    """Not a formula for a spreadsheet program; undone by `restored`."""
    return "'" + text if FORMULA.match(text) else text


def restored(text: str) -> str:
    return text[1:] if text[:1] == "'" and FORMULA.match(text) else text


def mapped(values: pd.Series, pattern: re.Pattern, change: Callable[[str], str]) -> pd.Series:
    """A column of text with `change` applied where `pattern` occurs in it; large columns without it pass untouched."""
    unique = values.dropna().unique()
    if not pattern.search(BETWEEN + BETWEEN.join(unique)):
        return values
    return values.map({value: change(value) for value in unique}).astype(values.dtype)


def delimiter_of(header: str) -> str:
    """The most frequent of DELIMITERS in the first line of a table."""
    return max(DELIMITERS, key=header.count)


@dataclass(frozen=True)
class Sheet:
    """rows: line number and cells by column of every whole row. cut: line number of every other row that is not empty,
    and what is wrong with it. decimal: the sign in its numbers."""

    header: list[str]
    rows: list[tuple[int, dict[str, str]]]
    cut: list[tuple[int, str]]
    decimal: str


def read_sheet(file: Path) -> Sheet:
    """Raises InputError for a file that is no CSV in UTF-8."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        delimiter = delimiter_of(text.partition("\n")[0])
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        header = next(reader, [])
        lines = [(reader.line_num, list(map(restored, cells))) for cells in reader if any(cells)]
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: not a UTF-8 CSV file ({error})") from None
    if lines and text.count('"') % 2:  # a quoted cell without its end: the last one, whatever is in it
        lines[-1][1].pop()
    rows = [(line, dict(zip(header, cells, strict=True))) for line, cells in lines if len(cells) == len(header)]
    cut = [(line, f"{len(cells)} whole cells, the header has {len(header)}"
            + (": the table was cut off here, download it again" if len(cells) < len(header) else ""))
           for line, cells in lines if len(cells) != len(header)]
    return Sheet(header, rows, cut, "," if delimiter == ";" else ".")


def with_zeros(ids: pd.Series, known: Iterable[str], where: str) -> pd.Series:
    """A column of ids with the leading zeros that a spreadsheet program dropped. known: all ids that may occur.

    Raises InputError for an id that is not among them with any number of zeros.
    """
    known = set(known)
    if not (lost := set(ids.dropna().unique()) - known):
        return ids
    by_number: dict[str, list[str]] = {}
    for name in known:
        by_number.setdefault(name.lstrip("0"), []).append(name)
    found = {one: by_number.get(one.lstrip("0"), []) for one in lost}
    if wrong := sorted(one for one, names in found.items() if len(names) != 1):
        raise InputError(f"{where}: {ids.name} '{wrong[0]}' is not in the study's plan: of another study, or changed "
                         f"by {PROGRAM}")
    return ids.map(lambda one: found[one][0] if one in found else one).astype(ids.dtype)
