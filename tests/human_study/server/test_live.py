"""The experimenter's page while people answer: dropouts, flags, pace, expected end."""

from datetime import datetime

from human_study.server.export import session_list
from human_study.server.progress import course, flags
from tests.human_study.server.participants import SMALL


def test_dropouts_pace_and_expected_end(make):
    client = make(settings=[*SMALL, "hits=10"])
    store = client.store
    for _ in range(2):
        client.join().consent().all()
    left = client.join().consent()
    left.answer(0)
    left.answer(1)
    left.ask("withdraw")
    client.join().consent().answer(0)
    client.join()  # was invited and never came
    store._db.execute("UPDATE session SET seen = seen - 10000, started = started - 10000 WHERE status = 'running'")
    store._db.execute("UPDATE session SET started = 7200, ended = 9000 WHERE status = 'finished'")
    store._db.execute("UPDATE session SET started = 7300, seen = 7300 WHERE status = 'running'")
    now = course(store.sessions(), store.answered_by_session(), store.places, 7200 + 4 * 3600.0)
    assert now["dropouts"] == {"withdrawn": 1, "gone": 1, "of": 4, "after": [1, 2]}
    assert now["per_hour"] == 0.5  # 2 in 4 hours, so 8 more take 16
    assert now["end"] == datetime.fromtimestamp(7200 + 20 * 3600).isoformat(" ", "minutes")
    assert course([], {}, 10, 0.0)["end"] is None


def test_flags_of_finished_sessions_only(make):
    client = make()
    store = client.store
    fast = client.join().consent()
    for i in range(9):
        assert fast.answer(i, "left", rt_ms=50.0).status_code == 200
    assert flags(store) == {}  # not finished yet
    fast.ask("finish")
    found = flags(store)
    assert found["too_fast"] == 1 and set(found) <= {"too_fast", "sentinels_failed", "one_side", "instructions_ignored"}
    assert session_list(store.batch)["rules_broken"].str.contains("too_fast").all()
