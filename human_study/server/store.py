"""Sessions and answers of one study in SQLite (WAL): nothing acknowledged is lost, nothing is stored twice.

Responses and events are only ever added; `forget` is the one exception. Raw platform ids are never stored.
"""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from human_study.batch.folder import SCHEMA, PlannedTrial, TaskBatch
from human_study.responses.columns import SIMULATED
from human_study.responses.forgotten import mark
from human_study.responses.keys import keyed, pseudonym

KIOSK = "kiosk"  # assignment_id of sessions begun at the kiosk
ABANDONED_S = 2 * 3600.0  # an unfinished session not heard of for so long gives its place to somebody else
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike
STAGE = "stage:"  # before the name of a stage that a participant went through
TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS session (
    session_id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, platform TEXT NOT NULL, participant TEXT NOT NULL,
    assignment_id TEXT NOT NULL DEFAULT '', hit_id TEXT, status TEXT NOT NULL DEFAULT 'invited',
    client_version TEXT, language TEXT,
    tab INTEGER NOT NULL DEFAULT 0, shown INTEGER NOT NULL DEFAULT -1, code TEXT NOT NULL,
    consent_version TEXT, user_agent_family TEXT, created REAL NOT NULL, started REAL, seen REAL NOT NULL, ended REAL,
    UNIQUE (platform, participant)) STRICT;
CREATE TABLE IF NOT EXISTS response (
    session_id TEXT NOT NULL REFERENCES session, trial_index INTEGER NOT NULL, client_id TEXT NOT NULL,
    received REAL NOT NULL, record TEXT NOT NULL, PRIMARY KEY (session_id, trial_index)) STRICT;
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    detail TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS about (
    session_id TEXT NOT NULL REFERENCES session, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (session_id, name)) STRICT;
CREATE TABLE IF NOT EXISTS forgotten (mark TEXT PRIMARY KEY) STRICT;
"""


class Refusal(Exception):
    """A request that does not fit the state of its session. `reason` is what the page is told."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Session:
    session_id: str
    platform: str
    participant: str
    assignment_id: str
    hit_id: str | None
    status: str  # invited, running, finished, withdrawn
    tab: int
    shown: int
    code: str
    consent_version: str | None
    user_agent_family: str | None
    language: str | None  # chosen with the consent
    client_version: str | None  # of the page that was answered, which need not be that of who exports
    created: float
    started: float | None
    seen: float
    ended: float | None


def about_sessions(db: sqlite3.Connection) -> dict[str, dict[str, object]]:
    """What participants said of themselves: session_id -> {column: value}."""
    found: dict[str, dict[str, object]] = {}
    for session_id, name, value in db.execute("SELECT session_id, name, value FROM about"):
        if not name.startswith(STAGE):
            found.setdefault(session_id, {})[name] = json.loads(value)
    return found


def _refuse_other_version(db: sqlite3.Connection, file: Path) -> None:
    """Raises InputError for a database that another version of this program wrote."""
    tables = {name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    found = dict(db.execute("SELECT name, value FROM meta")).get("schema", "1") if "meta" in tables else str(SCHEMA)
    if found != str(SCHEMA):
        raise InputError(f"{file}: written by another version of this program (schema {found}, this one has {SCHEMA}); "
                         "serve and export it with that version")


FIELDS = ", ".join(Session.__dataclass_fields__)


class Store:
    """All reads and writes of one study. Threads share one connection; several processes may share the file."""

    def __init__(self, file: Path, batch: TaskBatch, key: bytes, simulated: bool = False,
                 assignments: int | None = None):
        """assignments: workers per HIT (default: the protocol's). Raises InputError when the file belongs to another
        specification, another key, or to simulated workers where people are expected (or the other way round)."""
        self.file, self.batch, self.key, self.simulated = Path(file), batch, key, simulated
        self.assignments = assignments or batch.protocol.assignments
        self._lock = threading.RLock()
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        with self._write() as db:
            _refuse_other_version(db, file)
            for statement in TABLES.split(";"):
                db.execute(statement)
        expected = {"schema": str(SCHEMA), "study_id": batch.study_id, "spec_sha256": batch.spec_sha256,
                    "simulated": str(simulated), "key": keyed(key, "check")}
        with self._write() as db:
            db.executemany("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", expected.items())
            found = dict(db.execute("SELECT name, value FROM meta"))
        for name, value in expected.items():
            if found[name] != value:
                raise InputError(f"{file}: holds answers of another study ({name} differs: "
                                 + ("the key is not the one it was begun with)" if name == "key" else
                                    f"{found[name]}, not {value})"))

    @property
    def places(self) -> int:
        """How many workers the study takes."""
        return len(self.batch.hits) * self.assignments

    def close(self) -> None:
        """The last connection to close merges the write-ahead log into the file and deletes it."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk when the block ends, or nothing."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _read(self, query: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # --- sessions ---

    def invite(self, platform: str, worker: str | None = None, assignment_id: str = "") -> tuple[Session, str]:
        """A new session and the token of its link. worker: the platform's id (only its pseudonym is kept)."""
        token, session_id = secrets.token_urlsafe(32), secrets.token_hex(16)
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(8))
        now, participant = time.time(), pseudonym(self.key, platform, worker or session_id)
        with self._write() as db:
            db.execute("INSERT INTO session (session_id, token_hash, platform, participant, assignment_id, code, "
                       "created, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       (session_id, keyed(self.key, "link", token), SIMULATED if self.simulated else platform,
                        participant, assignment_id, code, now, now))
        return self.session(session_id), token

    def session(self, session_id: str) -> Session | None:
        found = self._read(f"SELECT {FIELDS} FROM session WHERE session_id = ?", session_id)
        return Session(*found[0]) if found else None

    def by_token(self, token: str) -> Session | None:
        """Looked up by a keyed hash, so that the time it takes tells nothing of the token."""
        found = self._read(f"SELECT {FIELDS} FROM session WHERE token_hash = ?", keyed(self.key, "link", token))
        return Session(*found[0]) if found else None

    def arrive(self, platform: str, worker: str, assignment_id: str = "") -> Session:
        """The one session of a platform's worker, made on first arrival. Until it is finished the latest assignment is
        the one to pay: a worker may return one and accept another."""
        name, participant = SIMULATED if self.simulated else platform, pseudonym(self.key, platform, worker)
        query = f"SELECT {FIELDS} FROM session WHERE platform = ? AND participant = ?"
        if not self._read(query, name, participant):
            try:
                return self.invite(platform, worker, assignment_id)[0]
            except sqlite3.IntegrityError:  # two requests at once
                pass
        with self._write() as db:
            db.execute("UPDATE session SET assignment_id = ? WHERE platform = ? AND participant = ? "
                       "AND status IN ('invited', 'running') AND ? NOT IN ('', assignment_id)",
                       (assignment_id, name, participant, assignment_id))
        return Session(*self._read(query, name, participant)[0])

    def known(self, platform: str, worker: str) -> bool:
        return bool(self._read("SELECT 1 FROM session WHERE participant = ?", pseudonym(self.key, platform, worker)))

    def trials(self, session: Session) -> list[PlannedTrial]:
        return self.batch.hits[session.hit_id] if session.hit_id else []

    def answered(self, session_id: str) -> int:
        return self._read("SELECT count(*) FROM response WHERE session_id = ?", session_id)[0][0]

    def chosen(self, session_id: str) -> dict[int, str]:
        """trial_index -> answer."""
        return dict(self._read("SELECT trial_index, json_extract(record, '$.chosen') FROM response "
                               "WHERE session_id = ?", session_id))

    def answered_by_session(self) -> dict[str, int]:
        return dict(self._read("SELECT session_id, count(*) FROM response GROUP BY session_id"))

    # --- the course of a session ---

    def open(self, session_id: str) -> Session:
        """The page was loaded: it gets a new tab number, older tabs are refused from now on."""
        with self._write() as db:
            db.execute("UPDATE session SET tab = tab + 1, seen = ? WHERE session_id = ?", (time.time(), session_id))
            self._event(db, session_id, "open")
        return self.session(session_id)

    def consent(self, session_id: str, version: str, agent: str, client_version: str | None = None,
                language: str | None = None) -> Session:
        """Give the session a HIT. Raises Refusal("full") when every HIT has its workers."""
        with self._write() as db:
            session = self._current(session_id)
            if session.status == "invited":
                hit_id = self._free_hit(db)
                now = time.time()
                db.execute("UPDATE session SET status = 'running', hit_id = ?, consent_version = ?, "
                           "user_agent_family = ?, client_version = ?, language = ?, started = ?, seen = ? "
                           "WHERE session_id = ?",
                           (hit_id, version, agent, client_version, language, now, now, session_id))
                self._event(db, session_id, "consent", version)
        return self.session(session_id)

    def _free_hit(self, db: sqlite3.Connection) -> str:
        taken = dict(db.execute(
            "SELECT hit_id, count(*) FROM session WHERE status = 'finished' OR (status = 'running' AND seen > ?) "
            "GROUP BY hit_id", (time.time() - ABANDONED_S,)))
        order = {hit_id: (taken.get(hit_id, 0), trials[0].hit_index) for hit_id, trials in self.batch.hits.items()}
        hit_id = min(order, key=order.get)
        if order[hit_id][0] >= self.assignments:
            raise Refusal("full")
        return hit_id

    def shown(self, session_id: str, tab: int, trial_index: int, client_id: str) -> None:
        """The pictures of a trial are about to be shown; asked before every timed exposure. The same call again (same
        client_id: its reply was lost) is taken as already stored."""
        detail = f"{trial_index} {client_id}"
        with self._write() as db:
            session = self._running(session_id, tab)
            if session.shown == trial_index and self._has_event(db, session_id, "shown", detail):
                return
            if trial_index != self.answered(session_id) or session.shown == trial_index:
                raise Refusal("out_of_step")
            db.execute("UPDATE session SET shown = ?, seen = ? WHERE session_id = ?",
                       (trial_index, time.time(), session_id))
            self._event(db, session_id, "shown", detail)

    def answer(self, session_id: str, tab: int, trial_index: int, client_id: str, record: dict) -> None:
        """Store one answer. The same answer again (same client_id, same content) is taken as already stored; answers
        come in order.

        Raises Refusal: "elsewhere" (another tab is open), "out_of_step" (not the next trial, or not shown yet).
        """
        with self._write() as db:
            stored = db.execute("SELECT client_id, record FROM response WHERE session_id = ? AND trial_index = ?",
                                (session_id, trial_index)).fetchone()
            if stored == (client_id, json.dumps(record)):
                return
            session = self._running(session_id, tab)
            trials = self.trials(session)
            if trial_index != self.answered(session_id) or trial_index >= len(trials):
                raise Refusal("out_of_step")
            timed = trials[trial_index].exposure_req_ms is not None
            if timed and record["chosen"] != "none" and session.shown != trial_index:
                raise Refusal("out_of_step")
            now = time.time()
            db.execute("INSERT INTO response VALUES (?, ?, ?, ?, ?)",
                       (session_id, trial_index, client_id, now, json.dumps(record)))
            db.execute("UPDATE session SET seen = ? WHERE session_id = ?", (now, session_id))

    def say(self, session_id: str, tab: int, stage: str, answers: dict[str, object]) -> None:
        """Store what a participant says of himself and of his screen, by column of the table of responses."""
        rows = [(session_id, name, json.dumps(value)) for name, value in {**answers, STAGE + stage: True}.items()]
        with self._write() as db:
            self._running(session_id, tab)
            db.executemany("INSERT INTO about VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", rows)
            db.execute("UPDATE session SET seen = ? WHERE session_id = ?", (time.time(), session_id))

    def stages_done(self, session_id: str) -> list[str]:
        return [name.removeprefix(STAGE) for name, in self._read(
            "SELECT name FROM about WHERE session_id = ? AND name LIKE ? || '%' ORDER BY rowid", session_id, STAGE)]

    def finish(self, session_id: str, tab: int) -> str:
        """The completion code: always the same for a session. Raises Refusal while answers are missing."""
        session = self.session(session_id)
        if session.status == "finished":
            return session.code
        with self._write() as db:
            session = self._running(session_id, tab)
            if self.answered(session_id) < len(self.trials(session)):
                raise Refusal("out_of_step")
            db.execute("UPDATE session SET status = 'finished', ended = ? WHERE session_id = ?",
                       (time.time(), session_id))
            self._event(db, session_id, "finish")
        return session.code

    def withdraw(self, session_id: str) -> None:
        """The answers stay stored but are marked, and never analysed."""
        with self._write() as db:
            db.execute("UPDATE session SET status = 'withdrawn', ended = ? WHERE session_id = ?",
                       (time.time(), session_id))
            self._event(db, session_id, "withdraw")

    def _current(self, session_id: str) -> Session:
        session = self.session(session_id)
        if session is None or session.status == "withdrawn":
            raise Refusal("withdrawn")
        return session

    def _running(self, session_id: str, tab: int) -> Session:
        session = self._current(session_id)
        if session.tab != tab:
            raise Refusal("elsewhere")
        if session.status != "running":
            raise Refusal("out_of_step")
        return session

    @staticmethod
    def _event(db: sqlite3.Connection, session_id: str, kind: str, detail: str = "") -> None:
        db.execute("INSERT INTO event (session_id, at, kind, detail) VALUES (?, ?, ?, ?)",
                   (session_id, time.time(), kind, detail))

    @staticmethod
    def _has_event(db: sqlite3.Connection, session_id: str, kind: str, detail: str) -> bool:
        found = db.execute("SELECT 1 FROM event WHERE session_id = ? AND kind = ? AND detail = ?",
                           (session_id, kind, detail))
        return found.fetchone() is not None

    # --- the experimenter's side ---

    def sessions(self) -> list[Session]:
        return [Session(*row) for row in self._read(f"SELECT {FIELDS} FROM session ORDER BY created, session_id")]

    def records(self) -> Iterator[tuple[str, int, dict]]:
        """(session_id, trial_index, record) of every answer."""
        for session_id, index, record in self._read("SELECT session_id, trial_index, record FROM response "
                                                    "ORDER BY session_id, trial_index"):
            yield session_id, index, json.loads(record)

    def forget(self, platform: str, worker: str) -> int:
        """Delete everything of a worker, from the disk too; the number of sessions deleted."""
        name, participant = SIMULATED if self.simulated else platform, pseudonym(self.key, platform, worker)
        with self._write() as db:
            query = "SELECT session_id FROM session WHERE platform = ? AND participant = ?"
            found = [row[0] for row in db.execute(query, (name, participant))]
            for table in ("response", "about", "event", "session"):
                db.executemany(f"DELETE FROM {table} WHERE session_id = ?", [(one,) for one in found])
            if found:  # copies of the database carry it to where older tables may lie
                db.execute("INSERT INTO forgotten VALUES (?) ON CONFLICT DO NOTHING", (mark(participant),))
        with self._lock:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(found)
