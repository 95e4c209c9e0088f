"""Submissions of a platform -> the tidy table, and a reason for every entry that was refused."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pydantic import ValidationError

from data.errors import InputError
from human_study.batch.folder import PlannedTrial
from human_study.page.record import MEASURED, Measured
from human_study.platforms.submissions import Refused, Submission, choices
from human_study.protocol.questions import LONGEST
from human_study.responses.keys import pseudonym
from human_study.responses.table import make_responses

Hits = Mapping[str, Sequence[PlannedTrial]]
ONCE = ("px_per_mm", "viewing_distance_mm", "colour_right")  # measured once per session
NAMED = re.compile(r"language|(q|note)_[a-z][a-z0-9_]{0,30}")  # columns of answers to questions


def asset_name(address: str) -> str:
    """Last part of an address without suffix: 'https://host/a/0f3c.png?again=2' -> '0f3c'."""
    return address.partition("?")[0].partition("#")[0].rpartition("/")[2].partition(".")[0]


@dataclass(frozen=True)
class PageLog:
    """The page's log of an assignment: trial_index -> {column: value}. problem: why it is empty."""

    records: dict[int, dict] = field(default_factory=dict)
    user_agent_family: str | None = None
    client_version: str | None = None  # of the page that was answered
    answers: dict[str, Any] = field(default_factory=dict)  # to questions and checks, by column
    problem: str = ""


class HitFinder:
    """Finds the planned HIT of a submission by the pictures named in its Input.* variables."""

    def __init__(self, hits: Hits):
        self.hits = hits
        self._by_picture: dict[tuple[int, str], set[str]] = {}
        for hit_id, trials in hits.items():
            for trial in trials:
                for side, asset in zip("AB", trial.assets, strict=True):
                    self._by_picture.setdefault((trial.trial_index, side + asset), set()).add(hit_id)

    def find(self, submission: Submission) -> str | None:
        """hit_id; None where the pictures do not name one HIT and only one."""
        named = [self._by_picture.get((int(match[2]) - 1, match[1] + asset_name(value)), set())
                 for name, value in submission.inputs.items()
                 if (match := re.fullmatch(r"image_([AB])_url_(\d+)", name))]
        candidates = set.intersection(*named) if named else set()
        return candidates.pop() if len(candidates) == 1 else None


def import_submissions(submissions: Sequence[Submission], key: bytes, hits: Hits
                       ) -> tuple[pd.DataFrame | None, list[Refused]]:
    """The tidy table of submissions to the planned hits of a batch (None without a row), and what did not become one.

    key: of the pseudonyms. hits: TaskBatch.hits. Rows carry reasons of the import (import_...) in `exclude_reasons`;
    the quality rules are applied afterwards. Of an assignment that comes twice the last counts.
    """
    finder = HitFinder(hits)
    rows, refused = [], []
    last = {(one.platform, one.assignment_id): one for one in submissions}
    for submission in submissions:
        if last[submission.platform, submission.assignment_id] is not submission:
            refused.append(Refused(submission.source, submission.assignment_id, "the assignment comes again later"))
            continue
        try:
            own, problems = _rows(submission, key, finder)
        except InputError as error:
            own, problems = [], [Refused(submission.source, submission.assignment_id, str(error))]
        rows += own
        refused += problems
    return make_responses(rows) if rows else None, refused


def _rows(submission: Submission, key: bytes, finder: HitFinder) -> tuple[list[dict], list[Refused]]:
    hit_id = finder.find(submission)
    if hit_id is None:
        has_inputs = any(name.startswith("image_") for name in submission.inputs)
        raise InputError("its pictures belong to no HIT of this study's plan" if has_inputs else
                         "no Input.* columns: what was shown is unknown")
    trials = [trial.row() for trial in finder.hits[hit_id]]
    picked, unknown = choices(submission.answers)
    log = read_log(submission.answers.get("log_json", ""))
    problems = [Refused(submission.source, submission.assignment_id, log.problem)] if log.problem else []
    problems += [Refused(submission.source, text, "unknown answer") for text in unknown]
    problems += [Refused(submission.source, f"choice_{n}", "answer to a trial that this HIT does not have")
                 for n in sorted(picked) if n - 1 not in {trial["trial_index"] for trial in trials}]
    if not picked and not log.records:
        problems.append(Refused(submission.source, submission.assignment_id, "no answers choice_N in the submission"))
        return [], problems
    same = {"platform": submission.platform, "assignment_id": submission.assignment_id,
            "session_id": f"{submission.platform}-{submission.assignment_id}",
            "session_started": submission.accepted_at,
            "participant": pseudonym(key, submission.platform, submission.participant),
            "submit_status": submission.status, "user_agent_family": log.user_agent_family,
            "client_version": log.client_version, **log.answers}
    return [{**same, **trial, **_answered(trial, picked, log)} for trial in trials], problems


def _answered(trial: dict, picked: dict[int, str], log: PageLog) -> dict[str, Any]:
    """Chosen side, measurements and reasons of the import for one trial."""
    record = log.records.get(trial["trial_index"], {})
    side = picked.get(trial["trial_index"] + 1, "none")
    logged = record.get("chosen", side)
    reasons = {
        "import_both_chosen": side == "both",
        "import_log_unreadable": bool(log.problem),
        "import_trial_not_shown": bool(log.records) and not record,
        "import_log_disagrees": bool(record) and side not in (logged, "both") and (side, logged) != ("none", "tie"),
    }
    measured = {name: value for name, value in record.items() if name in MEASURED and value is not None}
    chosen = "none" if side == "both" else "tie" if (side, logged) == ("none", "tie") else side
    found = ";".join(name for name in reasons if reasons[name])
    return {**measured, "chosen": chosen, "exclude_reasons": found or None}


def read_log(text: str) -> PageLog:
    """The page's hidden field log_json: {"columns": [...], "rows": [[...], ...], "user_agent_family": ...,
    "client_version": ..., "language": ..., "said": {answers to questions and checks}}."""
    if not text:
        return PageLog()
    try:
        content = json.loads(text)
        columns, rows = content["columns"], content["rows"]
        records = {i: dict(zip(columns, row, strict=True)) for i, row in enumerate(rows)}
        for record in records.values():
            Measured.model_validate({name: record.get(name) for name in MEASURED})
        about = (str(content.get(name) or "")[:40] or None for name in ("user_agent_family", "client_version"))
        given = {"language": content.get("language"), **content.get("said", {})}
        answers = {name: value for name, value in given.items() if isinstance(value, str | int | float) and (
            0 <= value <= 1e5 if name in ONCE and not isinstance(value, str) else
            NAMED.fullmatch(name) and len(str(value)) <= LONGEST)}
        return PageLog(records, *about, answers)
    except ValidationError as error:
        wrong = error.errors()[0]
        problem = f"{wrong['loc'][0]} is {str(wrong['input'])[:40]!r}: {wrong['msg']}"
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        problem = f"{type(error).__name__}: {error}"
    return PageLog(problem=f"log_json cannot be read ({problem}): answers kept, not used")
