"""How a running study goes: dropouts, flags of the rules, pace and expected end. No method and no result."""

import time
from datetime import datetime, timedelta

from data.errors import InputError
from human_study.analysis.quality import session_checks
from human_study.server.export import export_responses
from human_study.server.store import ABANDONED_S, Session, Store

FLAGS_S = 15.0  # the rules are applied to all answers; so often is enough


def course(sessions: list[Session], answered: dict[str, int], places: int, now: float) -> dict:
    """finished: sessions per hour since the first one began. Expected end: when all places are filled at this pace."""
    finished = [one for one in sessions if one.status == "finished"]
    started = [one.started for one in sessions if one.started]
    hours = (now - min(started)) / 3600 if started else 0
    pace = len(finished) / hours if hours > 0 else 0
    left = places - len(finished)
    end = datetime.fromtimestamp(now) + timedelta(hours=left / pace) if pace and left > 0 else None
    gone = [one for one in sessions if one.status == "withdrawn"
            or (one.status == "running" and now - one.seen > ABANDONED_S)]
    begun = [one for one in sessions if one.started]
    return {"per_hour": round(pace, 1) if pace else None, "end": end.isoformat(" ", "minutes") if end else None,
            "dropouts": {"withdrawn": sum(one.status == "withdrawn" for one in gone),
                         "gone": sum(one.status == "running" for one in gone), "of": len(begun),
                         "after": sorted(answered.get(one.session_id, 0) for one in gone if one.started)}}


def flags(store: Store) -> dict[str, int]:
    """Finished sessions by rule of the protocol that they break."""
    try:
        frame = export_responses(store.batch, database=store.file)
    except InputError:  # no answers yet
        return {}
    frame = frame[frame["submit_status"].eq("submitted")]
    if frame.empty:
        return {}
    checks = session_checks(frame, store.batch.protocol.rules)
    broken = {**checks["reasons"], "instructions_ignored": checks["refused"]}
    return {rule: len(set(sessions)) for rule, sessions in broken.items() if len(set(sessions))}


class Live:
    """`flags`, at most every FLAGS_S seconds."""

    def __init__(self) -> None:
        self._at, self._flags = float("-inf"), {}

    def flags(self, store: Store) -> dict[str, int]:
        if time.monotonic() - self._at > FLAGS_S:
            self._flags, self._at = flags(store), time.monotonic()
        return self._flags
