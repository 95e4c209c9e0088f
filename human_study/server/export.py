"""The answers of the study server: as the table of responses, as a list of sessions, as a copy of the database."""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import atomic_path
from human_study.analysis.quality import session_checks
from human_study.batch.folder import (
    EARLIER_SCHEMA,
    RESPONSES,
    SCHEMA,
    SIMULATED_RESPONSES,
    PlannedTrial,
    TaskBatch,
    command,
    database_file,
    read_batch,
)
from human_study.batch.identity import PRIVATE_FILE
from human_study.responses.columns import SEPARATOR
from human_study.responses.forgotten import forgotten, mark, of_forgotten, refuse_forgotten
from human_study.responses.keys import keyed
from human_study.responses.table import make_responses, merge_responses, read_responses
from human_study.server.store import (
    KIOSK,
    SERVED,
    Session,
    about_sessions,
    answers_by_session,
    meta_of,
    plain_text,
    sessions_in,
)

STATUS = {"running": "incomplete", "finished": "submitted", "withdrawn": "withdrawn", "returned": "returned"}
RT_STEP_MS = 10  # a released table has coarser times


# --- the database ----------------------------------------------------------------------------------------------------

@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing: neither the database nor any file beside it. SQLite makes such files even to
    read, unless the database is declared `immutable`, which is right while it has no write-ahead log. A log in a folder
    without write permission is read from a copy. Raises InputError for a missing file and one that is no database."""
    file = Path(file).absolute()
    if not file.exists():
        raise InputError(f"{file}: no answers yet; collect some with python -m human_study serve")
    log = file.with_name(f"{file.name}-wal")
    try:
        with ExitStack() as stack:
            source = file
            if log.exists() and not os.access(file.parent, os.W_OK):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                for part in (log, file):
                    shutil.copyfile(part, folder / part.name)
                source = folder / file.name
            how = "mode=ro" if log.exists() else "immutable=1"
            db = stack.enter_context(closing(sqlite3.connect(f"{source.as_uri()}?{how}", uri=True)))
            if not log.exists() and db.execute("SELECT 1 FROM meta WHERE name = ?", (SERVED,)).fetchone():
                print(f"warning: {file}: copied while the study was served, without {log.name}: the latest answers may "
                      "be missing; copy both files, or make a copy with python -m human_study backup", file=sys.stderr)
            if meta_of(db).get("schema") == str(EARLIER_SCHEMA):
                db.execute("CREATE TEMP VIEW session AS SELECT *, worker_id AS participant FROM main.session")
            yield db
    except sqlite3.DatabaseError as error:
        raise InputError(f"{file}: not a database of the study server ({error})") from None


def backup(database: Path, out: Path) -> int:
    """A complete copy of a database in one file, also while the study is served; the number of its answers."""
    with atomic_path(out) as temporary, _reading(database) as db, closing(sqlite3.connect(temporary)) as copy:
        db.backup(copy)
        copy.execute("DELETE FROM meta WHERE name = ?", (SERVED,))
        copy.commit()
        copy.execute("PRAGMA journal_mode = DELETE")  # no log beside it
        answers = copy.execute("SELECT count(*) FROM response").fetchone()[0]
    out.chmod(PRIVATE_FILE)
    return answers


def participants_of(databases: Iterable[Path], key: bytes) -> frozenset[str]:
    """Pseudonyms of everybody who began one of these studies. Raises InputError for a study with another key, under
    which the same people have other pseudonyms."""
    found: set[str] = set()
    for file in databases:
        with _reading(file) as db:
            if meta_of(db).get("key") != keyed(key, "check"):
                raise InputError(f"{file}: begun with another key, so its participants cannot be recognised; give both "
                                 "studies the same --key-file from the beginning")
            found |= {name for name, in db.execute("SELECT participant FROM session WHERE started IS NOT NULL")}
    return frozenset(found)


def forgotten_in(database: Path) -> set[str]:
    """Marks of the participants whose answers were deleted from a database on request."""
    with _reading(database) as db:
        return {one for one, in db.execute("SELECT mark FROM forgotten")}


# --- the table of responses ------------------------------------------------------------------------------------------

def export_responses(study: Path | TaskBatch, simulated: bool = False, database: Path | None = None) -> pd.DataFrame:
    """One row per answered trial, columns of human_study.responses.table. study: study/<protocol>/ or a batch.
    database: another one than the batch's own, for example a copy from the computer that served the study.

    Needs no key: participants are pseudonyms. Leaves out participants who were forgotten: a restored backup of the
    batch's own database may bring them back.
    Raises InputError when nothing was collected, or for another study.
    """
    batch = study if isinstance(study, TaskBatch) else read_batch(study)
    file = database or database_file(batch.folder, simulated)
    with _reading(file) as db:
        meta = meta_of(db)
        if meta.get("schema") not in (str(SCHEMA), str(EARLIER_SCHEMA)):
            raise InputError(f"{file}: written by another version of this program; export it with that version")
        sessions = {one.session_id: one for one in sessions_in(db)}
        about = about_sessions(db)
        answers = db.execute("SELECT session_id, trial_index, record FROM response "
                             "ORDER BY session_id, trial_index").fetchall()
    if meta["spec_sha256"] != batch.spec_sha256:
        raise InputError(f"{file}: answers to specification {meta['spec_sha256'][:16]}, the study has "
                         f"{batch.spec_sha256[:16]}")
    gone = forgotten(batch.folder) if database is None else set()  # of another database `collect` reports them
    restored = {name for name, one in sessions.items() if mark(one.participant) in gone}
    if restored:
        print(f"warning: {file}: {len(restored)} session(s) of participants who were forgotten are left out; a "
              "restored backup brought them back, and serving the study deletes them", file=sys.stderr)
    rows = [_row(sessions[name], batch.hits[sessions[name].hit_id][index], json.loads(record), about.get(name, {}))
            for name, index, record in answers if name not in restored]
    if not rows:
        raise InputError(f"{file}: no answers yet")
    return make_responses(rows)


def _row(session: Session, trial: PlannedTrial, record: dict, about: dict) -> dict:
    if "ranked" in record:  # the page knows places only
        record = record | {"ranked": SEPARATOR.join(trial.methods[place] for place in record["ranked"])}
    assignment = session.session_id if session.assignment_id in ("", KIOSK) else session.assignment_id
    return {**trial.row(), "platform": session.platform, "assignment_id": assignment, "session_id": session.session_id,
            "session_started": datetime.fromtimestamp(session.started, UTC).isoformat(timespec="seconds"),
            "participant": session.participant, "submit_status": STATUS[session.status],
            "user_agent_family": session.user_agent_family, "asset_error": False, "language": session.language,
            "client_version": session.client_version, **about, **record}


def missing_answers(frame: pd.DataFrame, folder: Path, simulated: bool = False) -> int:
    """Answers on the study server that a table lacks, or holds in an earlier state (unfinished, not withdrawn)."""
    file = database_file(folder, simulated)
    if not file.exists():
        return 0
    held = set(zip(frame["session_id"], frame["trial_index"], frame["submit_status"], strict=True))
    gone = forgotten(folder)
    with _reading(file) as db:
        stored = db.execute("SELECT session_id, trial_index, status, participant FROM response "
                            "JOIN session USING (session_id)")
        return sum((session_id, index, STATUS[status]) not in held for session_id, index, status, participant in stored
                   if mark(participant) not in gone)


def withdrawn_since(frame: pd.DataFrame, folder: Path, simulated: bool = False) -> int:
    """Sessions that a table holds as they were before their participants withdrew from the study server."""
    file = database_file(folder, simulated)
    if not file.exists():
        return 0
    with _reading(file) as db:
        withdrawn = {name for name, in db.execute("SELECT session_id FROM session WHERE status = 'withdrawn'")}
    return frame.loc[frame["submit_status"].ne("withdrawn"), "session_id"].drop_duplicates().isin(withdrawn).sum()


def all_responses(folder: Path, files: Sequence[Path], simulated: bool) -> pd.DataFrame:
    """The given tables, else the collected one, else the answers on the study server. Raises InputError where the
    collected table is behind the server."""
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
            f"{command('export', folder)} (if it holds other platforms' answers: "
            f"{command('collect', folder, '--add', database_file(folder))})")
        raise InputError(f"{collected}: behind the study server by {count} answers; add them with {ways}, or name "
                         "the tables with --responses")
    return frame


def refuse_loss(frame: pd.DataFrame, file: Path, folder: Path, replace: bool = False, released: bool = False) -> None:
    """Called before `frame` is written over `file`: refuses to lose rows that only `file` holds. folder: of the study.

    Raises InputError for answers collected from a platform, and for sessions that the database no longer holds;
    `replace` keeps the table of these under another name instead. released: both are tables for publication, whose
    sessions are numbered.
    """
    if not file.exists():
        return
    before = read_responses(file)
    if others := set(before["platform"]) - set(frame["platform"]):
        add = command("collect", folder, "--add", database_file(folder))
        raise InputError(f"{file}: holds answers collected from {', '.join(sorted(others))}, which would be lost; add "
                         f"the server's to them with {add}, or give --out")
    before = before[~of_forgotten(before, folder)]
    lost = before["session_id"].nunique() - frame["session_id"].nunique() if released else \
        len(set(before["session_id"]) - set(frame["session_id"]))
    if lost <= 0:
        return
    if not replace:
        raise InputError(f"{file}: holds {lost} session(s) that are not in the database of the study server (was it "
                         "lost or restarted?); put the database back from a backup, give another --out, or "
                         "--replace, which keeps this table under another name")
    kept = next(kept for n in range(1, 10_000)
                if not (kept := file.with_name(f"{file.stem}.replaced-{n}{file.suffix}")).exists())
    file.rename(kept)
    print(f"kept the earlier table as {kept}")


def release(frame: pd.DataFrame) -> pd.DataFrame:
    """The table for publication: participants and sessions numbered, no platform ids, clock times, browsers or free
    text, and nothing of anybody who withdrew."""
    frame = frame[frame["submit_status"].ne("withdrawn")]
    numbered = {name: frame[name].map({value: f"{prefix}{i:04d}" for i, value in enumerate(
        sorted(frame[name].dropna().unique()), 1)}) for name, prefix in (("participant", "w"), ("session_id", "s"))}
    empty = dict.fromkeys(("assignment_id", "session_started", "onset_ts", "response_ts", "user_agent_family"))
    frame = frame.drop(columns=[name for name in frame if name.startswith("note_")])  # free text may name anybody
    coarse = {name: (frame[name] / RT_STEP_MS).round() * RT_STEP_MS for name in ("rt_ms", "rt_from_offset_ms")}
    return make_responses(frame.assign(**numbered, **empty, **coarse))


# --- the list of sessions --------------------------------------------------------------------------------------------

def session_list(batch: TaskBatch, simulated: bool = False) -> pd.DataFrame:
    """One row per session, for paying and for finding participants: session_id, participant (pseudonym), platform,
    assignment_id, status, code, answers, minutes, pay (yes or no; empty before the end), and the rules of the protocol
    that it breaks, joined by ";". Needs no key."""
    with _reading(database_file(batch.folder, simulated)) as db:
        sessions, answers = sessions_in(db), answers_by_session(db)
    refused: set[str] = set()
    broken: dict[str, set[str]] = {}
    if any(one.status == "finished" and one.session_id in answers for one in sessions):
        frame = export_responses(batch, simulated)
        checks = session_checks(frame[frame["submit_status"].eq("submitted")], batch.protocol.rules)
        refused, broken = checks["refused"], checks["reasons"]
    return pd.DataFrame([{
        "session_id": one.session_id, "participant": one.participant, "platform": one.platform,
        "assignment_id": plain_text(one.assignment_id), "status": one.status,
        "code": one.code if one.status == "finished" else "", "answers": answers.get(one.session_id, 0),
        "minutes": round((one.ended - one.started) / 60, 1) if one.ended and one.started else None,
        "pay": "" if one.status != "finished" else "no" if one.session_id in refused else "yes",
        "rules_broken": ";".join(rule for rule, names in broken.items() if one.session_id in names)}
        for one in sessions])
