"""Read a result table (CSV) in MTurk's format, which Turkle exports too: one `Submission` per assignment.

Only HITId, AssignmentId, WorkerId and Answer.* are needed. Answers are plain radio values, true/false columns, or the
JSON of a crowd-form.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from data.errors import InputError
from human_study.responses.cells import PROGRAM, ROUNDED, read_sheet

NEEDED = ("HITId", "AssignmentId", "WorkerId")
STATUS = {"submitted": "submitted", "approved": "approved", "rejected": "rejected", "": "submitted"}
SIDES = {"optiona": "left", "optionb": "right", "left": "left", "right": "right"}
TRUE = ("true", "on", "1", "wahr", "vrai", "verdadero")  # also as spreadsheet programs save it
ZONES = {"UTC": 0, "GMT": 0, "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5, "EDT": -4}
CHOICE = re.compile(r"choice_(\d{1,9})(?:\.(\w+))?")


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
    assignment_id: str
    participant: str  # the platform's id: leaves this package only as a pseudonym
    status: str = "submitted"
    accepted_at: str | None = None  # ISO 8601, UTC
    inputs: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)


def read_submissions(file: Path, platform: str | None = None) -> tuple[list[Submission], list[Refused]]:
    """platform: None: Turkle is recognised by its Turkle.* columns.

    Raises InputError for a file that is no such table; single rows that cannot be used come back as Refused.
    """
    file = Path(file)
    if file.suffix.lower() != ".csv":
        raise InputError(f"{file}: expected a result table (.csv)")
    sheet = read_sheet(file)
    header = sheet.header
    if missing := [name for name in NEEDED if name not in header]:
        raise InputError(f"{file}: no column {missing[0]}; expected a result table of MTurk or Turkle")
    if not any(name.startswith("Answer.") for name in header):
        raise InputError(f"{file}: no Answer.* columns: this looks like an input table, not like results")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{file}: column {repeated[0]} is in the table twice")
    if platform is None:
        platform = "turkle" if any(name.startswith("Turkle.") for name in header) else "mturk"
    submissions, refused = [], [Refused(f"{file.name}:{line}", "row", problem) for line, problem in sheet.cut]
    for line, row in sheet.rows:
        source = f"{file.name}:{line}"
        if problem := _problem(row):
            refused.append(Refused(source, row["AssignmentId"], problem))
            continue
        parts = [{name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix) and value}
                 for prefix in ("Input.", "Answer.")]
        submissions.append(Submission(source, platform, row["AssignmentId"].strip(), row["WorkerId"].strip(),
                                      _status(row), parse_time(row.get("AcceptTime", "")), *parts))
    return submissions, refused


def _problem(row: dict[str, str]) -> str:
    """Why a row is no submission, "" if it is one."""
    for name in NEEDED:
        value = row[name].strip()
        if not value:
            return f"{name} is empty"
        if ROUNDED.fullmatch(value):
            return f"{name} is '{value}': changed by {PROGRAM}"
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


def choices(answers: dict[str, str]) -> tuple[dict[int, str], list[str]]:
    """Trial number N (from 1) -> left, right, none or "both", from any of the answer styles; and unknown values.

    Styles: choice_N = optionA; choice_N.optionA = true; taskAnswers = JSON holding choice_N. Raises InputError for
    taskAnswers that are no JSON dictionary, or a list with one.
    """
    found: dict[int, set[str]] = {}
    unknown = []
    form = {}
    if "taskAnswers" in answers:
        try:
            (form,) = pd.json_normalize(json.loads(answers["taskAnswers"])).to_dict("records")  # choice_1.optionA: True
        except (ValueError, TypeError, NotImplementedError, RecursionError):
            raise InputError("taskAnswers is not the JSON of one dictionary (or of a list with one)") from None
    for name, value in {**answers, **{name: str(value) for name, value in form.items()}}.items():
        match = CHOICE.fullmatch(name)
        if match is None:
            continue
        sides = found.setdefault(int(match[1]), set())
        option, chosen = match[2], value.strip().lower() in TRUE
        if option is None:
            option, chosen = value.strip(), bool(value.strip())
        side = SIDES.get(option.lower())
        if chosen and side:
            sides.add(side)
        elif chosen:
            unknown.append(f"{name}={value}")
    return {n: "none" if not sides else "both" if len(sides) > 1 else next(iter(sides))
            for n, sides in found.items()}, unknown
