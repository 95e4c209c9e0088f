"""Plain tables of answers, and jsPsych's own data, as a table of responses: enough for the analysis, without a run.

A plain table is a table of responses in which everything may be missing but a few columns: participant, image, what was
shown (left and right, or shown) and the answer (chosen, or ranked). Participants and sessions are numbered in the order
of the table, so that no id of a person leaves it and no key is needed.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import read_json
from evaluation.run_directory import PHOTOS
from human_study.platforms.plain_rows import AGAINST, NEEDED, TRUE, answer, condition, problem, task_of
from human_study.platforms.submissions import Refused, length_problem, read_cells
from human_study.responses.columns import (
    ANSWERS,
    COLUMNS,
    LAYOUT_OF,
    NO_SPECIFICATION,
    PAIRS,
    PLAIN,
    PLATFORMS,
    RANKING,
    REAL_OR_FAKE,
    SEPARATOR,
    condition_name,
)
from human_study.responses.table import make_responses

# what others call our columns; the first name found is read
ALIASES = {"participant": ("participant", "worker", "worker_id", "subject", "subject_id", "PROLIFIC_PID"),
           "image_id": ("image", "scene", "item"), "left_method": ("left",), "right_method": ("right",),
           "shown": ("method",), "ranked": ("ranking",), "chosen": ("choice", "response"),
           "exposure_req_ms": ("exposure",), "rt_ms": ("time", "rt"),
           "session_id": ("session",)}
# decided here or by the rules, or naming people
OURS = {"schema_version", "study_id", "spec_sha256", "assignment_id", "choice_method", "outcome", "sentinel_ok",
        "accepted", "used", "exclude_reasons"}
# what jsPsych adds to every trial; `stimulus` is markup or a file's name, the methods stand in left and right
OF_JSPSYCH = {"trial_type", "time_elapsed", "internal_node_id", "plugin_version", "rt_key_duration", "stimulus",
              "success", "timeout", "failed_images", "failed_audio", "failed_video", "view_history"}
LEAST_MEDIAN_MS = 20.0  # nobody judges so fast: such times are seconds
SOURCE = "source"


def read_plain(files: Sequence[Path], study_id: str) -> tuple[pd.DataFrame, list[Refused]]:
    """Table of responses of plain tables (.csv, .tsv) and jsPsych's data (.json, .csv), before any rules; and what did
    not become a row. Of JSON without a participant every file is one participant.

    Raises InputError for a file that is none of these, a column that is missing, response times in seconds, and where
    no row is left.
    """
    tables, refused = [], []
    for file in files:
        cells, cut = _read(Path(file))
        table, unused = _named(cells, Path(file))
        tables.append(table)
        refused += [*cut, *(Refused(Path(file).name, name, "column not used") for name in unused)]
    rows, problems = _answers(pd.concat(tables, ignore_index=True))
    if not rows:
        reason = f"; first reason: {problems[0].source}: {problems[0].reason}" if problems else ""
        raise InputError(f"no answer could be read from {', '.join(map(str, files))}{reason}")
    times = pd.Series([float(row["rt_ms"]) for row in rows if row.get("rt_ms")], dtype="float64")
    if len(times) and 0 < times.median() < LEAST_MEDIAN_MS:
        raise InputError(f"{files[0]}: half of the response times are below {times.median():.3g}: they seem to be "
                         "seconds, expected milliseconds")
    return make_responses(_completed(pd.DataFrame(rows), study_id)), refused + problems


def _read(file: Path) -> tuple[pd.DataFrame, list[Refused]]:
    """All cells as text, "" for empty ones, `source` with the line or the number of the trial; and cut rows."""
    if file.suffix.lower() == ".json":
        rows = [{name: _text(value) for name, value in trial.items()} for trial in _trials(file)]
        sources, refused = [f"{file.name}:{i}" for i in range(1, len(rows) + 1)], []
    elif file.suffix.lower() in (".csv", ".tsv"):
        header, lines = read_cells(file, "\t" if file.suffix.lower() == ".tsv" else ",")
        found = [(f"{file.name}:{line}", cells, length_problem(header, cells)) for line, cells in lines]
        refused = [Refused(source, "row", problem) for source, _, problem in found if problem]
        whole = [(source, [_cell(cell) for cell in cells]) for source, cells, problem in found if not problem]
        rows, sources = [dict(zip(header, cells, strict=True)) for _, cells in whole], [source for source, _ in whole]
    else:
        raise InputError(f"{file}: expected a table of answers (.csv, .tsv) or jsPsych's data (.json)")
    if not rows:
        raise InputError(f"{file}: no whole row in it")
    return pd.DataFrame(rows, dtype="object").fillna("").assign(**{SOURCE: sources}), refused


def _trials(file: Path) -> list[dict]:
    """jsPsych's data: a list of trials, or a list of such lists."""
    content = read_json(file)
    if isinstance(content, list) and content and all(isinstance(one, list) for one in content):
        content = [trial for one in content for trial in one]
    if not isinstance(content, list) or not all(isinstance(trial, dict) for trial in content):
        raise InputError(f"{file}: expected a list of trials, as jsPsych.data.get().json() gives it")
    return content


def _cell(text: str) -> str:
    """jsPsych's CSV says null where nobody answered."""
    return "" if text.strip() == "null" else text.strip()


def _text(value: object) -> str:
    """A JSON value as a cell: lists of names joined, other objects as JSON, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return SEPARATOR.join(value)
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    return str(value).strip()


def _named(frame: pd.DataFrame, file: Path) -> tuple[pd.DataFrame, list[str]]:
    """The columns that count under the names of the table of responses, and the names of all others."""
    known = {column.name for column in COLUMNS} - OURS
    renamed = {}
    for name, others in ALIASES.items():
        found = next((one for one in (name, *others) if one in frame), None)
        if found:
            renamed[found] = name
    if "participant" not in renamed.values() and file.suffix.lower() == ".json":
        frame["participant"] = file.stem
    kept = frame.rename(columns=renamed)
    kept = kept[[name for name in kept if name in (*known, "tie", AGAINST, SOURCE) or name.startswith(ANSWERS)]]
    task = RANKING if "ranked" in kept else REAL_OR_FAKE if "shown" in kept else PAIRS
    if not any(set(needed) <= set(kept) for needed in NEEDED.values()):
        missing = next(short for name, short in NEEDED[task].items() if name not in kept)
        hint = " (separated by semicolons?)" if any(";" in name for name in frame) else ""
        tables = "; or ".join(", ".join(needed.values()) for needed in NEEDED.values())
        raise InputError(f"{file}: no column '{missing}'{hint}; a plain table has {tables}")
    unused = [name for name in frame if renamed.get(name, name) not in kept and name not in OURS | OF_JSPSYCH]
    return kept, [name for name in unused if name not in {one for names in ALIASES.values() for one in names}]


def _answers(table: pd.DataFrame) -> tuple[list[dict], list[Refused]]:
    """Rows that are answers, with their task and comparison; the others with the reason."""
    rows, refused, without = [], [], 0
    for row in table.fillna("").to_dict("records"):
        task = task_of(row)
        if not task:
            without += 1  # instructions and questions among jsPsych's trials
            continue
        chosen = answer(row, task)
        if reason := problem(row, task, chosen):
            refused.append(Refused(row[SOURCE], row["image_id"], reason))
        else:
            rows.append({name: value or None for name, value in row.items() if name not in ("tie", AGAINST, SOURCE)}
                        | {"task": task, "chosen": chosen, "condition": condition(row, task)})
    if without:
        refused.append(Refused("all files", f"{without} rows", "no pictures: neither left and right nor shown"))
    return rows, refused


def _completed(rows: pd.DataFrame, study_id: str) -> pd.DataFrame:
    """Everything else that a table of responses needs, where the table does not say it."""
    usual = {"platform": PLAIN, "submit_status": "submitted", "block": "test", "layout": None,
             "sentinel": "none", "trial_id": None, "session_id": None}
    rows = rows.assign(**{name: value for name, value in usual.items() if name not in rows})
    rows = rows.fillna({name: value for name, value in usual.items() if value})
    if wrong := sorted(set(rows["platform"]) - set(PLATFORMS)):
        raise InputError(f"platform '{wrong[0]}': expected one of {', '.join(PLATFORMS)}")
    rows["layout"] = rows["layout"].where(rows["layout"].notna(), rows["task"].map(LAYOUT_OF))
    person = [rows["platform"], rows["participant"]]
    session = _numbered("s", *person, rows["session_id"].fillna(""))
    rows = _with_method(rows.assign(participant=_numbered("w", *person), session_id=session))
    if "trial_index" not in rows or rows["trial_index"].isna().any():
        rows["trial_index"] = rows.groupby("session_id").cumcount()
    named, single = rows["condition"] + "/" + rows["image_id"], rows["task"].eq(REAL_OR_FAKE)
    if single.any():
        named = named.where(~single, named + "/" + rows["shown"])
    rows["trial_id"] = rows["trial_id"].where(rows["trial_id"].notna(), named)
    return rows.assign(study_id=study_id, spec_sha256=NO_SPECIFICATION)


def _with_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Photographs of which the table does not say what method they count for are dealt, by participant and exposure, in
    the order of the table, to the methods that this participant judged in turn.

    Raises InputError for those of a staircase among several methods: only the table knows whose they are.
    """
    homeless = rows["condition"].isna()
    if not homeless.any():
        return rows
    pictures = rows[rows["task"].eq(REAL_OR_FAKE) & rows["shown"].ne(PHOTOS) & rows["sentinel"].eq("none")]
    everybody = sorted(pictures["shown"].unique())
    if not everybody:
        raise InputError(f"only {PHOTOS} in column shown: there is no method to compare them with")
    judged = pictures.groupby("participant")["shown"].unique().map(sorted)
    keys = [name for name in ("participant", "exposure_req_ms") if name in rows]
    turn = rows[homeless].groupby(keys, dropna=False).cumcount() + pd.factorize(rows["participant"])[0][homeless]
    conditions = rows["condition"].copy()
    for i, participant in rows["participant"][homeless].items():
        methods = judged.get(participant, everybody)
        if len(methods) > 1 and "adaptive" in rows and str(rows.at[i, "adaptive"]).lower() in TRUE:
            raise InputError(f"a photograph in a staircase: give column {AGAINST}, one of {', '.join(methods)}")
        conditions[i] = condition_name(PHOTOS, methods[turn[i] % len(methods)])
    return rows.assign(condition=conditions)


def _numbered(prefix: str, *parts: pd.Series) -> list[str]:
    codes = pd.factorize(pd.MultiIndex.from_arrays(parts))[0]
    return [f"{prefix}{code + 1:04d}" for code in codes]
