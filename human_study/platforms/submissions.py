"""Read a result table (CSV) in MTurk's format, as Turkle exports it too: one `Submission` per assignment.

Only HITId, AssignmentId, WorkerId and Answer.* are needed. Answers are plain radio values, true/false columns, or the
JSON of a crowd-form.
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

from data.errors import InputError

NEEDED = ("HITId", "AssignmentId", "WorkerId")
STATUS = {"submitted": "submitted", "approved": "approved", "rejected": "rejected", "": "submitted"}
SIDES = {"optiona": "left", "optionb": "right", "left": "left", "right": "right"}
ZONES = {"UTC": 0, "GMT": 0, "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5, "EDT": -4}
SPOILED_ID = re.compile(r"\d+([.,]\d+)?E\+\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Refused:
    """Something in a file that did not become a row, and why. `what`: a trial, an assignment or a column."""

    source: str
    what: str
    reason: str


@dataclass
class Submission:
    """One assignment. `answers`: field name -> text as submitted; `inputs`: variables of the HIT's row."""

    source: str
    platform: str
    hit_id: str
    assignment_id: str
    participant: str  # the platform's id: never leaves this package but as a pseudonym
    status: str = "submitted"
    accepted_at: str | None = None  # ISO 8601, UTC
    annotation: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)


def read_submissions(file: Path, platform: str | None = None) -> tuple[list[Submission], list[Refused]]:
    """platform: None tells Turkle from MTurk by its Turkle.* columns.

    Raises InputError for a file that is no such table; single rows that cannot be used come back as Refused.
    """
    file = Path(file)
    if file.suffix.lower() != ".csv":
        raise InputError(f"{file}: expected a result table (.csv)")
    header, rows = read_cells(file)
    if missing := [name for name in NEEDED if name not in header]:
        hint = " (separated by semicolons: saved by a spreadsheet program?)" if ";" in ",".join(header) else ""
        raise InputError(f"{file}: no column {missing[0]}{hint}; expected a result table of MTurk or Turkle")
    if not any(name.startswith("Answer.") for name in header):
        raise InputError(f"{file}: no Answer.* columns: this looks like an input table, not like results")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{file}: column {repeated[0]} stands in the table twice")
    if platform is None:
        platform = "turkle" if any(name.startswith("Turkle.") for name in header) else "mturk"
    submissions, refused = [], []
    for number, cells in rows:
        source, row = f"{file.name}:{number}", dict(zip(header, cells, strict=False))
        if problem := length_problem(header, cells) or _row_problem(row):
            refused.append(Refused(source, row.get("AssignmentId", ""), problem))
            continue
        submissions.append(_from_row(row, source, platform))
    return submissions, refused


def read_cells(file: Path, delimiter: str = ",") -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and (line number, cells) of every row that is not empty.

    Raises InputError for a file that is no CSV in UTF-8.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        header = next(reader, [])
        rows = [(reader.line_num, cells) for cells in reader if any(cells)]
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: not a UTF-8 CSV file ({error})") from None
    if rows and text.count('"') % 2:  # a quoted cell without its end: the last one, whatever it says
        rows[-1] = rows[-1][0], rows[-1][1][:-1]
    return header, rows


def length_problem(header: list[str], cells: list[str]) -> str:
    """Why a row is no whole row, "" if it is one."""
    if len(cells) == len(header):
        return ""
    cut = ": the table was cut off here, download it again" if len(cells) < len(header) else ""
    return f"{len(cells)} whole cells, the header has {len(header)}{cut}"


def _row_problem(row: dict[str, str]) -> str:
    for name in NEEDED:
        value = row.get(name, "").strip()
        if not value:
            return f"{name} is empty"
        if SPOILED_ID.fullmatch(value):
            return f"{name} is '{value}': changed by a spreadsheet program, import the file as downloaded"
    if all(row.get(name, "").strip() for name in ("Approve", "Reject")):
        return "both Approve and Reject are filled in"
    return "" if _status(row) else f"unknown AssignmentStatus '{row['AssignmentStatus']}'"


def _status(row: dict[str, str]) -> str | None:
    """The experimenter's decision in a table filled in for upload (Approve: x, Reject: the reason), else the
    platform's; None: unknown."""
    for name, decided in (("Approve", "approved"), ("Reject", "rejected")):
        if row.get(name, "").strip():
            return decided
    return STATUS.get(row.get("AssignmentStatus", "").strip().lower())


def _from_row(row: dict[str, str], source: str, platform: str) -> Submission:
    return Submission(
        source, platform, row["HITId"].strip(), row["AssignmentId"].strip(), row["WorkerId"].strip(),
        _status(row), parse_time(row.get("AcceptTime", "")),
        row.get("RequesterAnnotation", ""), _prefixed(row, "Input."), _prefixed(row, "Answer."))


def _prefixed(row: dict[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix) and value}


def parse_time(text: str) -> str | None:
    """ISO 8601 in UTC of "Thu Oct 09 07:30:20 PDT 2025" or of ISO text; None for anything else.

    >>> parse_time("Thu Oct 09 07:30:20 PDT 2025")
    '2025-10-09T14:30:20+00:00'
    """
    words = text.split()
    try:
        if len(words) == 6 and words[4] in ZONES:
            local = datetime.strptime(" ".join([*words[1:4], words[5]]), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
            return (local - timedelta(hours=ZONES[words[4]])).isoformat()
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).isoformat() if moment.tzinfo else None
    except ValueError:
        return None


CHOICE = re.compile(r"choice_(\d{1,9})(?:\.(\w+))?")


def choices(answers: dict[str, str]) -> tuple[dict[int, str], list[str]]:
    """Trial number N (from 1) -> left, right, none or "both", from any of the answer styles; and unknown values.

    Styles: choice_N = optionA; choice_N.optionA = true; taskAnswers = JSON holding choice_N.
    """
    found: dict[int, set[str]] = {}
    unknown = []
    for name, value in _flat(answers):
        match = CHOICE.fullmatch(name)
        if match is None:
            continue
        sides = found.setdefault(int(match[1]), set())
        option, text = match[2], value.strip().lower()
        if option is None:
            option, text = text, "true" if text else "false"
        side = SIDES.get(option.lower())
        if side is None and option and text == "true":
            unknown.append(f"{name}={value}")
        elif side and text in ("true", "on", "1"):
            sides.add(side)
    return {n: "none" if not sides else "both" if len(sides) > 1 else next(iter(sides))
            for n, sides in found.items()}, unknown


def _flat(answers: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Fields, with a crowd-form's JSON and nested values opened: choice_1.optionA -> "true"."""
    for name, value in answers.items():
        if name == "taskAnswers":
            yield from _opened("", crowd_answers(value))
        else:
            yield name, value


def crowd_answers(text: str) -> dict:
    """The dictionary in a crowd-form's taskAnswers: a JSON list with one dictionary, or the dictionary itself.

    Raises InputError for anything else.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"taskAnswers is not valid JSON ({error})") from None
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise InputError("taskAnswers is not a JSON dictionary (or a list with one)")
    return content


def _opened(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _opened(f"{prefix}.{name}" if prefix else name, inner)
    else:
        yield prefix, str(value).lower() if isinstance(value, bool) else str(value)
