"""Import what a platform handed back into a study's table of responses.

    python -m human_study collect --run runs/street [--protocol NAME] RESULTS.csv ...

Writes responses.csv and, beside it, import-report.csv: everything in the files that did not become a row, and why.
Tables of responses and the study server's database (study.sqlite) can stand among the files.
"""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.errors import InputError, one_line_errors
from data.files import write_text
from evaluation.rundir import RunDirectory
from human_study.analysis.analyze import identity_of, rules_of, specification, study_folder
from human_study.analysis.quality import QualityRules, apply_rules
from human_study.batch.batch import RESPONSES, database_file, read_batch
from human_study.platforms.importers import Hits, import_submissions
from human_study.platforms.submissions import Refused, read_submissions
from human_study.server.export import export_responses
from human_study.table.keys import default_key_file, load_key
from human_study.table.responses import NAMES, merge_responses, read_responses, write_responses

REPORT = "import-report.csv"


def is_response_table(file: Path) -> bool:
    """Whether a file is a table of responses already, by its header."""
    if file.suffix == ".parquet":
        return True
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            return set(next(csv.reader(stream), [])) >= set(NAMES)
    except (OSError, UnicodeDecodeError):
        return False


@dataclass(frozen=True)
class Source:
    """How files are read: the key of the pseudonyms and the planned HITs of a batch (Batch.hits).

    batch_folder: with the plan that a study server's database needs. platform: None is told by the columns.
    """

    key: bytes
    hits: Hits
    batch_folder: Path | None = None
    platform: str | None = None
    rules: QualityRules = QualityRules()


def collect(files: Sequence[Path], source: Source) -> tuple[pd.DataFrame, list[Refused]]:
    """One table of all files with the rules applied, and what was refused. Raises InputError when no row comes out."""
    submissions, refused, frames = [], [], []
    for file in map(Path, files):
        if file.suffix == ".sqlite" and source.batch_folder is not None:
            frames.append(export_responses(source.batch_folder, database=file))
        elif is_response_table(file):
            frames.append(read_responses(file))
        else:
            found, problems = read_submissions(file, source.platform)
            submissions += found
            refused += problems
    if submissions:
        imported = import_submissions(submissions, source.key, source.hits)
        refused += imported.refused
        if imported.responses is not None:
            frames.append(imported.responses)
    if not frames:
        reason = f"; first reason: {refused[0].source}: {refused[0].reason}" if refused else ""
        raise InputError(f"no row could be imported from {len(files)} file(s){reason}")
    frames, replaced = _newest(frames)
    return apply_rules(merge_responses(frames), source.rules), refused + replaced


def _newest(frames: Sequence[pd.DataFrame]) -> tuple[list[pd.DataFrame], list[Refused]]:
    """Of a session that stands in several tables the last table's rows: it may have gone on, or been approved."""
    kept, replaced, later = [], [], set()
    for frame in reversed(frames):
        again = frame["session_id"].isin(later)
        replaced += [Refused("table of responses", name, "a later file holds this session again")
                     for name in frame["session_id"][again].unique()]
        later |= set(frame["session_id"])
        kept.insert(0, frame[~again])
    return [frame for frame in kept if len(frame)], replaced


def refusal_table(refused: Sequence[Refused]) -> str:
    """CSV text. Cells that a spreadsheet program would run as a formula are quoted with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "what", "reason"])
    writer.writerows([_harmless(cell) for cell in (one.source, one.what, one.reason)] for one in refused)
    return text.getvalue()


def _harmless(cell: str) -> str:
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m human_study collect", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--run", required=True, help="run directory with the study")
    parser.add_argument("--protocol", help="which study of the run, where it has several")
    parser.add_argument("--key-file", type=Path, help="key of the pseudonyms, outside the results; made at first use")
    parser.add_argument("--platform", choices=("mturk", "turkle"), help="default: told by the columns")
    parser.add_argument("--out", type=Path, help="folder (default: the study's folder)")
    parser.add_argument("--add", action="store_true", help="add to the responses collected before")
    return parser


def _add_earlier(file: Path, files: list[Path], add: bool) -> list[Path]:
    if not file.exists() or file.resolve() in [one.resolve() for one in files]:
        return files
    if not add:
        raise InputError(f"{file}: holds responses already; give --add to add to them, or another --out")
    return [file, *files]


def _key(file: Path, results: Path, answers: list[Path]) -> bytes:
    """A new key is made only where there are no answers yet: under another key everybody would be somebody else."""
    return load_key(file, results, create=not any(one.exists() for one in answers))


def _source(args: argparse.Namespace) -> tuple[Source, dict, Path]:
    """How to read, the specification, and the folder to write to."""
    folder = study_folder(RunDirectory.open(args.run), args.protocol)
    batch, spec = read_batch(folder), specification(folder)
    key = _key(args.key_file or default_key_file(batch.study_id, batch.spec_sha256), Path(args.run),
               [database_file(folder), folder / RESPONSES, (args.out or folder) / RESPONSES])
    return Source(key, batch.hits, folder, args.platform, rules_of(spec, folder)), spec, \
        args.out or folder


def main(argv: Sequence[str] | None = None) -> None:
    parser = _parser()
    args = parser.parse_args(argv)
    with one_line_errors(parser.prog):
        source, spec, folder = _source(args)
        frame, refused = collect(_add_earlier(folder / RESPONSES, args.files, args.add), source)
        identity_of(frame, spec)
        write_text(folder / REPORT, refusal_table(refused))
        write_responses(frame, folder / RESPONSES)
        print(f"{frame['session_id'].nunique()} sessions, {len(frame)} rows, {int(frame['used'].sum())} used; "
              f"{len(refused)} entries not imported\nwrote {folder / RESPONSES} and {folder / REPORT}")


if __name__ == "__main__":
    main()
