"""A batch of the schema before this one, with one finished session, under tests/human_study/batch/schema_3."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from human_study.batch.folder import database_file, read_batch
from human_study.server.export import export_responses, participants_of
from human_study.server.store import Store

FOLDER = Path(__file__).parent / "schema_3"
KEY = bytes.fromhex("051a105bac221d16ff41a9c62406d4722d22f6974742e2e8e79f4aeabe1774e2")


def test_a_batch_of_schema_3_is_exported_served_and_exported_again(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "lab")
    batch = read_batch(folder)
    assert batch.spec["baseline"] == "crn" and batch.protocol.design == "per-participant"
    assert batch.protocol.pairs == "baseline" and batch.protocol.rules.use_one_session_per_participant
    file = database_file(folder)
    with closing(sqlite3.connect(file)) as db:
        db.executescript((folder / "study.sql").read_text(encoding="utf-8"))
    before = export_responses(batch)  # changes nothing in the file
    assert before["chosen"].tolist() == ["right", "left", "right"] and set(before["submit_status"]) == {"submitted"}
    assert participants_of([file], KEY) == set(before["participant"])
    store = Store(file, batch, KEY)
    assert store.known("local", "somebody else") is False and store.places == 2
    store.invite("local", "somebody else")
    assert [session.status for session in store.sessions()] == ["finished", "invited"]
    store.close()
    assert export_responses(batch).equals(before)
