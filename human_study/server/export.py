"""The answers of the study server as the tidy table of responses."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from data.errors import InputError
from human_study.batch.folder import (
    RESPONSES,
    SCHEMA,
    SIMULATED_RESPONSES,
    PlannedTrial,
    TaskBatch,
    command,
    database_file,
    read_batch,
)
from human_study.responses.columns import SEPARATOR
from human_study.responses.forgotten import refuse_forgotten
from human_study.responses.table import make_responses, merge_responses, read_responses
from human_study.server.store import FIELDS, KIOSK, Session, about_sessions

STATUS = {"running": "incomplete", "finished": "submitted", "withdrawn": "withdrawn"}
RT_STEP_MS = 10  # a released table has coarser times


def export_responses(study: Path | TaskBatch, simulated: bool = False, database: Path | None = None) -> pd.DataFrame:
    """One row per answered trial, columns of human_study.responses.table. study: study/<protocol>/ or a batch.
    database: another one than the batch's own, for example a copy from the computer that served the study.

    Needs no key: worker ids are pseudonyms. Raises InputError when nothing was collected, or for another study.
    """
    batch = study if isinstance(study, TaskBatch) else read_batch(study)
    file = database or database_file(batch.folder, simulated)
    if not file.exists():
        raise InputError(f"{file}: no answers yet; collect some with python -m human_study serve")
    with _reading(file) as db:
        meta = dict(db.execute("SELECT name, value FROM meta"))
        if meta.get("schema") != str(SCHEMA):
            raise InputError(f"{file}: written by another version of this program; export it with that version")
        answered = meta["spec_sha256"]
        sessions = {row[0]: Session(*row) for row in db.execute(f"SELECT {FIELDS} FROM session")}
        about = about_sessions(db)
        found = pd.read_sql_query("SELECT session_id, trial_index, record FROM response "
                                  "ORDER BY session_id, trial_index", db)
    if answered != batch.spec_sha256:
        raise InputError(f"{file}: answers to specification {answered[:16]}, the study has {batch.spec_sha256[:16]}")
    if found.empty:
        raise InputError(f"{file}: no answers yet")
    records = found["record"].map(json.loads)
    rows = [_row(sessions[session_id], batch.hits[sessions[session_id].hit_id][index], record,
                 about.get(session_id, {}))
            for session_id, index, record in zip(found["session_id"], found["trial_index"], records, strict=True)]
    return make_responses(rows)


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing: not the database, and no file beside it. SQLite makes such files even to read,
    unless it is told that nobody writes (`immutable`): nobody does where there is no write-ahead log. A log in a folder
    that cannot be written to is read from a copy."""
    file = Path(file).absolute()
    log = file.with_name(f"{file.name}-wal")
    try:
        with ExitStack() as stack:
            if log.exists() and not os.access(file.parent, os.W_OK):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                for part in (log, file):
                    shutil.copyfile(part, folder / part.name)
                file = folder / file.name
            how = "mode=ro" if log.exists() else "immutable=1"
            yield stack.enter_context(closing(sqlite3.connect(f"{file.as_uri()}?{how}", uri=True)))
    except (sqlite3.DatabaseError, pd.errors.DatabaseError, KeyError) as error:
        raise InputError(f"{file}: not a database of the study server ({error})") from None


def forgotten_in(database: Path) -> set[str]:
    """Marks of the participants whom a database's server was told to forget."""
    with _reading(database) as db:
        return {mark for mark, in db.execute("SELECT mark FROM forgotten")}


def missing_answers(frame: pd.DataFrame, folder: Path, simulated: bool = False) -> int:
    """Answers on the study server that a table lacks, or holds in an earlier state (unfinished, not withdrawn)."""
    file = database_file(folder, simulated)
    if not file.exists():
        return 0
    held = set(zip(frame["session_id"], frame["trial_index"], frame["submit_status"], strict=True))
    with _reading(file) as db:
        stored = db.execute("SELECT session_id, trial_index, status FROM response JOIN session USING (session_id)")
        return sum((session_id, index, STATUS[status]) not in held for session_id, index, status in stored)


def withdrawn_since(frame: pd.DataFrame, folder: Path, simulated: bool = False) -> int:
    """Sessions that a table holds as they were before their participants withdrew from the study server."""
    file = database_file(folder, simulated)
    if not file.exists():
        return 0
    with _reading(file) as db:
        withdrawn = {name for name, in db.execute("SELECT session_id FROM session WHERE status = 'withdrawn'")}
    return frame.loc[frame["submit_status"].ne("withdrawn"), "session_id"].drop_duplicates().isin(withdrawn).sum()


def all_responses(folder: Path, files: Sequence[Path], simulated: bool) -> pd.DataFrame:
    """The tables given, else what was collected, else what the study server holds. Raises InputError where what was
    collected is behind the server."""
    collected = folder / (SIMULATED_RESPONSES if simulated else RESPONSES)
    if not files and not collected.exists():
        return export_responses(folder, simulated)
    frame = merge_responses([read_responses(file) for file in files or [collected]])
    names = ", ".join(map(str, files or [collected]))
    refuse_forgotten(frame, folder, names)
    if files and (sessions := withdrawn_since(frame, folder, simulated)):
        raise InputError(f"{names}: holds {sessions} session(s) withdrawn after it was written; export again, and "
                         "delete this table")
    if not files and (count := missing_answers(frame, folder, simulated)):
        ways = command("export", folder, "--simulated") if simulated else (
            f"{command('export', folder)} (where other platforms' answers stand in it: "
            f"{command('collect', folder, '--add', database_file(folder))})")
        raise InputError(f"{collected}: behind the study server by {count} answers; take them in with {ways}, or name "
                         "the tables with --responses")
    return frame


def refuse_loss(frame: pd.DataFrame, file: Path, database: Path) -> None:
    """Raises InputError where `file` holds what cannot be written again from the database."""
    others = set(read_responses(file)["platform"]) - set(frame["platform"]) if file.exists() else set()
    if others:
        raise InputError(f"{file}: holds answers collected from {', '.join(sorted(others))}, which would be lost; add "
                         f"the server's to them with {command('collect', database.parent.parent, '--add', database)}, "
                         "or give --out")


def _row(session: Session, trial: PlannedTrial, record: dict, about: dict) -> dict:
    if "ranked" in record:  # the page knows places only
        record = record | {"ranked": SEPARATOR.join(trial.methods[place] for place in record["ranked"])}
    assignment = session.session_id if session.assignment_id in ("", KIOSK) else session.assignment_id
    return {**trial.row(), "platform": session.platform, "assignment_id": assignment, "session_id": session.session_id,
            "session_started": datetime.fromtimestamp(session.started, UTC).isoformat(timespec="seconds"),
            "participant": session.participant, "submit_status": STATUS[session.status],
            "user_agent_family": session.user_agent_family, "asset_error": False, "language": session.language,
            "client_version": session.client_version, **about, **record}


def release(frame: pd.DataFrame) -> pd.DataFrame:
    """The table for publication: workers and sessions numbered, no platform ids, clock times or browsers, and nothing
    of anybody who withdrew."""
    frame = frame[frame["submit_status"].ne("withdrawn")]
    numbered = {name: frame[name].map({value: f"{prefix}{i:04d}" for i, value in enumerate(
        sorted(frame[name].dropna().unique()), 1)}) for name, prefix in (("participant", "w"), ("session_id", "s"))}
    empty = dict.fromkeys(("assignment_id", "session_started", "onset_ts", "response_ts",
                           "user_agent_family"))
    frame = frame.drop(columns=[name for name in frame if name.startswith("note_")])  # free text may name anybody
    coarse = {name: (frame[name] / RT_STEP_MS).round() * RT_STEP_MS for name in ("rt_ms", "rt_from_offset_ms")}
    return make_responses(frame.assign(**numbered, **empty, **coarse))
