"""Forgetting a participant: the server's database, the tables of responses, the links, and a mark that lasts."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from evaluation.run_directory import RunDirectory
from human_study.batch.folder import LINKS, RESPONSES, TaskBatch, database_file
from human_study.responses.forgotten import drop_participant, mark, remember
from human_study.responses.keys import load_key, pseudonym
from human_study.server.serve import drop_links, open_store

OF_THE_SERVER = ("local", "prolific")


@dataclass(frozen=True)
class Deleted:
    sessions: int
    rows: int
    links: int


def forget(run: RunDirectory, batch: TaskBatch, platform: str, who: str, key_file: Path | None = None) -> Deleted:
    """Delete a participant from everything in the study's folder. Rows that an older table or a platform's result table
    would bring back are left out from now on.

    who: the platform's id, the name of a local participant's link, a completion code or the id of a session.
    Raises InputError where the server never saw the participant; a platform's tables may still be to collect.
    """
    participant = pseudonym(load_key(key_file or batch.key_file, run.path, create=False), platform, who)
    links = sessions = 0
    with ExitStack() as stack:
        store = None
        if database_file(batch.folder).exists():
            store = stack.enter_context(closing(open_store(run, batch, key_file)))
            participant = store.find(platform, who) or participant
        if platform in OF_THE_SERVER and not (store and (store.find(platform, who) or store.known(platform, who))):
            raise InputError(f"nobody of platform {platform} with this id took part in {batch.study_id}")
        remember(batch.folder, [mark(participant)])  # first, so that running an interrupted call again completes it
        if store:
            links = drop_links(batch.secret / LINKS, store, participant)
            sessions = store.forget([mark(participant)])
    return Deleted(sessions, drop_participant(batch.folder / RESPONSES, participant), links)
