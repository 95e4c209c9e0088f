"""Forgetting a participant: the server's database, the tables of responses, the links, and a mark that lasts."""

from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from evaluation.run_directory import RunDirectory
from human_study.batch.folder import LINKS, RESPONSES, TaskBatch, database_file
from human_study.responses.forgotten import drop_participant, forgotten, mark, remember
from human_study.responses.keys import load_key, pseudonym
from human_study.server.serve import forget_link, open_store

OF_THE_SERVER = ("local", "prolific")


@dataclass(frozen=True)
class Forgotten:
    """What was deleted."""

    sessions: int
    rows: int
    links: int


def forget(run: RunDirectory, batch: TaskBatch, platform: str, worker: str, key_file: Path | None = None) -> Forgotten:
    """Delete a worker (the platform's id, or the name of a local participant's link) from everything in the study's
    folder. Rows that an older table or a platform's result table would bring back are left out from now on.

    Raises InputError where the server never saw the worker; one of a platform with tables may still be to collect.
    """
    key = load_key(key_file or batch.key_file, run.path, create=False)
    participant, sessions = pseudonym(key, platform, worker), 0
    if database_file(batch.folder).exists():
        store = open_store(run, batch, key_file)
        seen = store.known(platform, worker)
    else:
        store, seen = None, False
    links = batch.secret / LINKS
    if platform in OF_THE_SERVER and not seen and mark(participant) not in forgotten(batch.folder):
        raise InputError(f"nobody of platform {platform} with this id took part in {batch.study_id}")
    remember(batch.folder, [mark(participant)])  # first: an interrupted call is run again and ends what it began
    if store:
        sessions = store.forget(platform, worker)
        store.close()
    rows = drop_participant(batch.folder / RESPONSES, participant)
    return Forgotten(sessions, rows, int(platform == "local" and forget_link(links, worker)))
