"""Delete everything that was stored of one participant.

    python -m human_study forget --run runs/street --protocol lab --platform prolific WORKER_ID
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data.errors import InputError, one_line_errors
from evaluation.rundir import RunDirectory
from human_study.batch.batch import database_file, read_batch
from human_study.server.store import Store
from human_study.table.keys import default_key_file, load_key


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m human_study forget", description=__doc__.splitlines()[0])
    parser.add_argument("worker", help="the id on the platform, or the name of a local participant's link")
    parser.add_argument("--run", required=True)
    parser.add_argument("--protocol", required=True, help="name of the study's folder")
    parser.add_argument("--platform", default="local", choices=("local", "prolific"))
    parser.add_argument("--key-file", type=Path)
    args = parser.parse_args(argv)
    with one_line_errors(parser.prog):
        run = RunDirectory.open(args.run)
        batch = read_batch(run.study / args.protocol)
        file = database_file(batch.folder)
        if not file.exists():
            raise InputError(f"{file}: no answers were collected")
        key = load_key(args.key_file or default_key_file(batch.study_id, batch.spec_sha256), run.path, create=False)
        store = Store(file, batch, key)
        count = store.forget(args.platform, args.worker)
        store.close()
        if not count:
            raise InputError(f"nobody of platform {args.platform} with this id took part in {batch.study_id}")
        print(f"deleted {count} session; tables exported before still hold its rows: export again")


if __name__ == "__main__":
    main()
