"""Sessions and answers of one study in SQLite (WAL): nothing acknowledged is lost, nothing is stored twice.

Responses and events are only ever added; `forget` is the one exception. A platform's ids of people are never stored.
"""

import itertools
import json
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from human_study.batch.folder import EARLIER_SCHEMA, SCHEMA, PlannedTrial, TaskBatch
from human_study.responses.cells import clean
from human_study.responses.columns import SIMULATED
from human_study.responses.forgotten import mark
from human_study.responses.keys import keyed, pseudonym

KIOSK = "kiosk"  # assignment_id of sessions begun at the kiosk
ABANDONED_S = 2 * 3600.0  # without any request for so long, an unfinished session loses its place
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike
STAGE = "stage:"  # before the name of a stage that a participant went through
SERVED = "served"  # in meta while the database is open: a copy of the file alone may then lack the latest answers
PAUSED = "paused"  # in meta while recruiting is paused
CONTROL = re.compile(r"[\x01-\x08\x0b-\x1f\x7f-\x9f]")
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


def plain_text(text: str) -> str:
    """Text that every table (see responses.cells) and every terminal can hold: no control characters."""
    return CONTROL.sub("", clean(text))


class Refusal(Exception):
    """A request that does not fit the state of its session. `reason` is sent to the page."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Session:
    session_id: str
    platform: str
    participant: str  # pseudonym
    assignment_id: str
    hit_id: str | None
    status: str  # invited, running, finished, withdrawn, returned
    tab: int
    shown: int
    code: str
    consent_version: str | None
    user_agent_family: str | None
    language: str | None  # chosen with the consent
    client_version: str | None  # of the page that was answered
    created: float
    started: float | None
    seen: float
    ended: float | None


FIELDS = ", ".join(Session.__dataclass_fields__)


def meta_of(db: sqlite3.Connection) -> dict[str, str]:
    return dict(db.execute("SELECT name, value FROM meta"))


def sessions_in(db: sqlite3.Connection) -> list[Session]:
    return [Session(*row) for row in db.execute(f"SELECT {FIELDS} FROM session ORDER BY created, session_id")]


def answers_by_session(db: sqlite3.Connection) -> dict[str, int]:
    """Number of answers by session_id; sessions without one are left out."""
    return dict(db.execute("SELECT session_id, count(*) FROM response GROUP BY session_id"))


def about_sessions(db: sqlite3.Connection) -> dict[str, dict[str, object]]:
    """Answers of participants about themselves: session_id -> {column: value}."""
    found: dict[str, dict[str, object]] = {}
    for session_id, name, value in db.execute("SELECT session_id, name, value FROM about"):
        if not name.startswith(STAGE):
            found.setdefault(session_id, {})[name] = json.loads(value)
    return found


class Store:
    """All reads and writes of one study. Threads share one connection; several processes may share the file."""

    def __init__(self, file: Path, batch: TaskBatch, key: bytes, simulated: bool = False,
                 assignments: int | None = None):
        """assignments: participants per HIT (default: the protocol's). Raises InputError when the file is no database,
        belongs to another specification or key, or holds simulated answers where people's are expected (or people's
        where simulated ones are)."""
        self.file, self.batch, self.key, self.simulated = Path(file), batch, key, simulated
        self.assignments = assignments or batch.protocol.assignments
        self._lock = threading.RLock()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise InputError(f"{file}: cannot be used as the study server's database ({error})") from None
        except InputError:
            self._db.close()
            raise

    def _open(self) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        expected = {"schema": str(SCHEMA), "study_id": self.batch.study_id, "spec_sha256": self.batch.spec_sha256,
                    "simulated": str(self.simulated), "key": keyed(self.key, "check")}
        with self._write() as db:
            tables = {name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if "meta" in tables:
                found = meta_of(db).get("schema", "1")
                if found == str(EARLIER_SCHEMA):
                    db.execute("ALTER TABLE session RENAME COLUMN worker_id TO participant")
                    db.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (SCHEMA,))
                    found = str(SCHEMA)
                if found != str(SCHEMA):
                    raise InputError(f"{self.file}: written by another version of this program (schema {found}, this "
                                     f"one has {SCHEMA}); serve and export it with that version")
            for statement in TABLES.split(";"):
                db.execute(statement)
            db.executemany("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", expected.items())
            found = meta_of(db)
            for name, value in expected.items():
                if found[name] != value:
                    raise InputError(f"{self.file}: holds answers of another study ({name} differs: "
                                     + ("the key is not the one it was begun with)" if name == "key" else
                                        f"{found[name]}, not {value})"))
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, 'true')", (SERVED,))
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def places(self) -> int:
        """How many participants the study takes."""
        return len(self.batch.hits) * self.assignments

    def close(self) -> None:
        """The last connection to close merges the write-ahead log into the file and deletes it."""
        with self._lock:
            with suppress(sqlite3.Error):  # closed before, or a full disk: the log is then kept
                self._db.execute("DELETE FROM meta WHERE name = ?", (SERVED,))
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

    def pseudonym(self, platform: str, person: str) -> str:
        """Of a platform's id or the name of a link. Somebody who was forgotten and comes back gets a new one."""
        forgotten = {one for one, in self._read("SELECT mark FROM forgotten")}
        names = (pseudonym(self.key, platform, "\0".join([person, *(str(n),) * (n > 0)])) for n in itertools.count())
        return next(name for name in names if mark(name) not in forgotten)

    def invite(self, platform: str, person: str | None = None, assignment_id: str = "") -> tuple[Session, str]:
        """A new session and the token of its link. person: the platform's id; only a pseudonym of it is kept."""
        token, session_id = secrets.token_urlsafe(32), secrets.token_hex(16)
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(8))
        now, participant = time.time(), self.pseudonym(platform, person or session_id)
        with self._write() as db:
            db.execute("INSERT INTO session (session_id, token_hash, platform, participant, assignment_id, code, "
                       "created, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       (session_id, keyed(self.key, "link", token), SIMULATED if self.simulated else platform,
                        participant, assignment_id, code, now, now))
        return self.session(session_id), token

    def session(self, session_id: str) -> Session | None:
        return self._session("session_id = ?", session_id)

    def by_token(self, token: str) -> Session | None:
        """Looked up by a keyed hash, so that the time it takes reveals nothing about the token."""
        return self._session("token_hash = ?", keyed(self.key, "link", token))

    def _session(self, condition: str, *values: str) -> Session | None:
        found = self._read(f"SELECT {FIELDS} FROM session WHERE {condition}", *values)
        return Session(*found[0]) if found else None

    def arrive(self, platform: str, person: str, assignment_id: str = "", panel_study: str = "") -> Session:
        """The one session of a platform's participant, made on first arrival. Until it is finished the latest
        assignment is the one to pay: a participant may return one and accept another. panel_study: the platform's name
        of the study, noted with the arrival."""
        own = SIMULATED if self.simulated else platform, self.pseudonym(platform, person)
        condition = "platform = ? AND participant = ?"
        if new := self._session(condition, *own) is None:
            with suppress(sqlite3.IntegrityError):  # two requests at once
                self.invite(platform, person, assignment_id)
        with self._write() as db:
            db.execute(f"UPDATE session SET assignment_id = ? WHERE {condition} "
                       "AND status IN ('invited', 'running') AND ? NOT IN ('', assignment_id)",
                       (assignment_id, *own, assignment_id))
            session = self._session(condition, *own)
            if new:
                self._event(db, session.session_id, "arrive", panel_study)
        return session

    def known(self, platform: str, person: str) -> bool:
        """Whether somebody with this id, or this name of a link, has a session or had one and was forgotten."""
        return self.was_forgotten(platform, person) or self._session(
            "participant = ?", self.pseudonym(platform, person)) is not None

    def was_forgotten(self, platform: str, person: str) -> bool:
        return bool(self._read("SELECT 1 FROM forgotten WHERE mark = ?", mark(pseudonym(self.key, platform, person))))

    def find(self, platform: str, who: str) -> str | None:
        """Pseudonym of the participant with this session id, completion code, platform's id or name of a link; None
        without a session."""
        found = self._session("participant = ? OR session_id = ? OR (code = ? AND status = 'finished')",
                              self.pseudonym(platform, who), who, who)
        return found.participant if found else None

    def trials(self, session: Session) -> list[PlannedTrial]:
        return self.batch.hits[session.hit_id] if session.hit_id else []

    def answered(self, session_id: str) -> int:
        return self._read("SELECT count(*) FROM response WHERE session_id = ?", session_id)[0][0]

    def chosen(self, session_id: str) -> dict[int, str]:
        """trial_index -> answer."""
        return dict(self._read("SELECT trial_index, json_extract(record, '$.chosen') FROM response "
                               "WHERE session_id = ?", session_id))

    def answered_by_session(self) -> dict[str, int]:
        with self._lock:
            return answers_by_session(self._db)

    # --- the course of a session ---

    def open(self, session_id: str) -> Session:
        """The page was loaded: it gets a new tab number, older tabs are refused from now on."""
        with self._write() as db:
            db.execute("UPDATE session SET tab = tab + 1, seen = ? WHERE session_id = ?", (time.time(), session_id))
            self._event(db, session_id, "open")
        return self.session(session_id)

    def consent(self, session_id: str, version: str, agent: str, client_version: str | None = None,
                language: str | None = None) -> Session:
        """Give the session a HIT. Raises Refusal("full") if every HIT has its participants or recruiting is paused."""
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
        if order[hit_id][0] >= self.assignments or self.paused:
            raise Refusal("full")
        return hit_id

    def shown(self, session_id: str, tab: int, trial_index: int, client_id: str) -> None:
        """The pictures of a trial are about to be shown; the page asks before every timed exposure. A repeated call
        (same client_id, because the reply was lost) succeeds without a second view."""
        detail = f"{trial_index} {client_id}"
        with self._write() as db:
            session = self._running(session_id, tab)
            if session.shown == trial_index and db.execute(
                    "SELECT 1 FROM event WHERE session_id = ? AND kind = 'shown' AND detail = ?",
                    (session_id, detail)).fetchone():
                return
            if trial_index != self.answered(session_id) or session.shown == trial_index:
                raise Refusal("out_of_step")
            db.execute("UPDATE session SET shown = ?, seen = ? WHERE session_id = ?",
                       (trial_index, time.time(), session_id))
            self._event(db, session_id, "shown", detail)

    def answer(self, session_id: str, tab: int, trial_index: int, client_id: str, record: dict) -> None:
        """Store one answer. The same answer again (same client_id, same content) counts as stored already; answers
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

    def store_about(self, session_id: str, tab: int, stage: str, answers: dict[str, object]) -> None:
        """Store a participant's answers about himself and his screen, by column of the table of responses."""
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
        if session.status != "finished":
            with self._write() as db:
                session = self._running(session_id, tab)
                if self.answered(session_id) < len(self.trials(session)):
                    raise Refusal("out_of_step")
                self._end(db, session_id, "finished")
        return session.code

    def withdraw(self, session_id: str) -> None:
        """The answers stay stored but are marked, and never analysed."""
        with self._write() as db:
            self._end(db, session_id, "withdrawn")

    def give_back(self, session_id: str) -> bool:
        """Free the place of a running session whose participant left; False if it is not running."""
        with self._write() as db:
            running = db.execute("SELECT 1 FROM session WHERE session_id = ? AND status = 'running'", (session_id,))
            if found := running.fetchone() is not None:
                self._end(db, session_id, "returned")
        return found

    def _end(self, db: sqlite3.Connection, session_id: str, status: str) -> None:
        db.execute("UPDATE session SET status = ?, ended = ? WHERE session_id = ?", (status, time.time(), session_id))
        self._event(db, session_id, status)

    def _current(self, session_id: str) -> Session:
        session = self.session(session_id)
        if session is None or session.status in ("withdrawn", "returned"):
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

    # --- the experimenter's side ---

    @property
    def paused(self) -> bool:
        """Whether recruiting is paused: nobody new may begin, sessions that began may continue."""
        return bool(self._read("SELECT 1 FROM meta WHERE name = ?", PAUSED))

    def pause(self, paused: bool) -> None:
        with self._write() as db:
            if paused:
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, 'true')", (PAUSED,))
            else:
                db.execute("DELETE FROM meta WHERE name = ?", (PAUSED,))

    def sessions(self) -> list[Session]:
        with self._lock:
            return sessions_in(self._db)

    def records(self) -> Iterator[tuple[str, int, dict]]:
        """(session_id, trial_index, record) of every answer."""
        for session_id, index, record in self._read("SELECT session_id, trial_index, record FROM response "
                                                    "ORDER BY session_id, trial_index"):
            yield session_id, index, json.loads(record)

    def forget(self, marks: Iterable[str]) -> int:
        """Delete everything of the participants with these marks, from the disk too; the number of sessions deleted."""
        marks = set(marks)
        with self._write() as db:
            found = [(session_id,) for session_id, participant in db.execute(
                "SELECT session_id, participant FROM session") if mark(participant) in marks]
            for table in ("response", "about", "event", "session"):
                db.executemany(f"DELETE FROM {table} WHERE session_id = ?", found)
            # copies of the database carry the marks to other computers, which may have older tables
            db.executemany("INSERT INTO forgotten VALUES (?) ON CONFLICT DO NOTHING", [(one,) for one in marks])
        with self._lock:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(found)
