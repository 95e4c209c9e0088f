"""The answers of the study server as the tidy table of responses.

    python -m human_study.export --run runs/street --protocol lab --out responses.csv [--release]
"""

import argparse
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from data.errors import InputError, one_line_errors
from evaluation.rundir import RunDirectory
from human_study.batch import Batch, PlannedTrial, database_file, read_batch
from human_study.page import client_version
from human_study.responses import make_responses, write_responses
from human_study.site import KIOSK
from human_study.store import FIELDS, Session

STATUS = {"running": "incomplete", "finished": "submitted", "withdrawn": "withdrawn"}
RT_STEP_MS = 10  # a released table has coarser times


def export_responses(study: Path | Batch, simulated: bool = False) -> pd.DataFrame:
    """One row per answered trial, columns of human_study.responses. study: study/<protocol>/ or a batch.

    Needs no key: worker ids are pseudonyms. Raises InputError when nothing was collected.
    """
    batch = study if isinstance(study, Batch) else read_batch(study)
    file = database_file(batch.folder, simulated)
    if not file.exists():
        raise InputError(f"{file}: no answers yet; collect some with python -m human_study.serve")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        sessions = {row[0]: Session(*row) for row in db.execute(f"SELECT {FIELDS} FROM session")}
        found = pd.read_sql_query("SELECT session_id, trial_index, record FROM response "
                                  "ORDER BY session_id, trial_index", db)
    if found.empty:
        raise InputError(f"{file}: no answers yet")
    records = found["record"].map(json.loads)
    rows = [_row(batch, sessions[session_id], batch.hits[sessions[session_id].hit_id][index], record)
            for session_id, index, record in zip(found["session_id"], found["trial_index"], records, strict=True)]
    return make_responses(rows)


def _row(batch: Batch, session: Session, trial: PlannedTrial, record: dict) -> dict:
    assignment = session.session_id if session.assignment_id in ("", KIOSK) else session.assignment_id
    return {"study_id": batch.study_id, "spec_sha256": batch.spec_sha256, "platform": session.platform,
            "batch_id": trial.batch_id, "hit_id": trial.hit_id, "hit_index": trial.hit_index,
            "assignment_id": assignment, "session_id": session.session_id,
            "session_started": datetime.fromtimestamp(session.started, UTC).isoformat(timespec="seconds"),
            "worker_id": session.worker_id, "trial_index": trial.trial_index, "trial_id": trial.trial_id,
            "block": trial.block, "image_id": trial.image_id, "condition": trial.condition, "layout": "side_by_side",
            "left_method": trial.left_method, "right_method": trial.right_method, "left_asset": trial.left_asset,
            "right_asset": trial.right_asset, "sentinel": trial.sentinel,
            "sentinel_answer": trial.sentinel_answer or None, "exposure_req_ms": trial.exposure_req_ms,
            "submit_status": STATUS[session.status], "user_agent_family": session.user_agent_family,
            "asset_error": False, "client_version": client_version(), **record}


def release(frame: pd.DataFrame) -> pd.DataFrame:
    """The table for publication: workers and sessions numbered, no platform ids, clock times or browsers."""
    numbered = {name: frame[name].map({value: f"{prefix}{i:04d}" for i, value in enumerate(
        sorted(frame[name].dropna().unique()), 1)}) for name, prefix in (("worker_id", "w"), ("session_id", "s"))}
    empty = dict.fromkeys(("assignment_id", "session_started", "onset_ts", "response_ts",
                           "user_agent_family"))
    coarse = {name: (frame[name] / RT_STEP_MS).round() * RT_STEP_MS for name in ("rt_ms", "rt_from_offset_ms")}
    return make_responses(frame.assign(**numbered, **empty, **coarse))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m human_study.export", description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--protocol", required=True, help="name of the study's folder")
    parser.add_argument("--out", type=Path, help="CSV or Parquet file (default: responses.csv beside the batch)")
    parser.add_argument("--release", action="store_true", help="for publication: no ids, coarser times")
    parser.add_argument("--simulated", action="store_true", help="the simulated workers' answers")
    args = parser.parse_args(argv)
    with one_line_errors(parser.prog):
        folder = RunDirectory.open(args.run).study / args.protocol
        frame = export_responses(folder, args.simulated)
        name = "simulated-responses.csv" if args.simulated else "responses.csv"
        file = args.out or folder / name
        write_responses(release(frame) if args.release else frame, file)
        print(f"wrote {file}: {len(frame)} trials of {frame['session_id'].nunique()} sessions")


if __name__ == "__main__":
    main()
