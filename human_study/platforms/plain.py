"""Plain tables of answers, and jsPsych's own data, as a table of responses: enough for the analysis, without a run.

A plain table is a table of responses in which everything may be missing but five columns: worker, image, left and right
(the methods shown there) and chosen. Workers and sessions are numbered in the order of the table, so that no id of a
person leaves it and no key is needed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import read_json
from human_study.platforms.submissions import Refused, length_problem, read_cells
from human_study.table.columns import ANSWERS, COLUMNS, NO_SPECIFICATION, PLAIN, PLATFORMS, condition_name
from human_study.table.responses import make_responses

# what others call our columns; the first name found is read
ALIASES = {"worker_id": ("worker", "participant", "participant_id", "subject", "subject_id", "PROLIFIC_PID"),
           "image_id": ("image", "scene", "item"), "left_method": ("left",), "right_method": ("right",),
           "chosen": ("choice", "response"), "exposure_req_ms": ("exposure",), "rt_ms": ("time", "rt"),
           "session_id": ("session",)}
NEEDED = {"worker_id": "worker", "image_id": "image", "left_method": "left", "right_method": "right",
          "chosen": "chosen"}
# decided here or by the rules, or naming people
OURS = {"schema_version", "study_id", "spec_sha256", "assignment_id", "choice_method", "outcome", "sentinel_ok",
        "accepted", "used", "exclude_reasons"}
# what jsPsych adds to every trial; `stimulus` is markup or a file's name, the methods stand in left and right
OF_JSPSYCH = {"trial_type", "time_elapsed", "internal_node_id", "plugin_version", "rt_key_duration", "stimulus",
              "success", "timeout", "failed_images", "failed_audio", "failed_video", "view_history"}
SIDES = {"left": "left", "right": "right", "tie": "tie", "none": "none", "": "none"}
# of jsPsych's buttons the first two, of its keys those of two hands; a third button may be anything: it is not guessed
BUTTONS = {"0": "left", "0.0": "left", "1": "right", "1.0": "right", "arrowleft": "left", "arrowright": "right",
           "f": "left", "j": "right"}
TRUE = ("true", "1", "1.0", "yes")
LEAST_MEDIAN_MS = 20.0  # nobody judges so fast: such times are seconds
SOURCE = "source"


def read_plain(files: Sequence[Path], study_id: str) -> tuple[pd.DataFrame, list[Refused]]:
    """Table of responses of plain tables (.csv, .tsv) and jsPsych's data (.json, .csv), before any rules; and what did
    not become a row. Of JSON without a worker every file is one worker.

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
    """A JSON value as a cell: objects as JSON, null as nothing."""
    if value is None:
        return ""
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
    if "worker_id" not in renamed.values() and file.suffix.lower() == ".json":
        frame["worker_id"] = file.stem
    kept = frame.rename(columns=renamed)
    kept = kept[[name for name in kept if name in (*known, "tie", SOURCE) or name.startswith(ANSWERS)]]
    if missing := [short for name, short in NEEDED.items() if name not in kept]:
        hint = " (separated by semicolons?)" if any(";" in name for name in frame) else ""
        raise InputError(f"{file}: no column '{missing[0]}'{hint}; a plain table has {', '.join(NEEDED.values())}")
    unused = [name for name in frame if renamed.get(name, name) not in kept and name not in OURS | OF_JSPSYCH]
    return kept, [name for name in unused if name not in {one for names in ALIASES.values() for one in names}]


def _answers(table: pd.DataFrame) -> tuple[list[dict], list[Refused]]:
    """Rows that are answers to a pair, with their side; the others with the reason."""
    rows, refused, without = [], [], 0
    for row in table.fillna("").to_dict("records"):
        if not row["left_method"] and not row["right_method"]:
            without += 1  # instructions and questions among jsPsych's trials
            continue
        side = _side(row)
        if problem := _problem(row, side):
            refused.append(Refused(row[SOURCE], row["image_id"], problem))
        else:
            rows.append({name: value or None for name, value in row.items() if name not in ("tie", SOURCE)}
                        | {"chosen": side})
    if without:
        refused.append(Refused("all files", f"{without} rows", "no pair of pictures: neither left nor right"))
    return rows, refused


def _side(row: Mapping[str, str]) -> str | None:
    """left, right, tie or none; None where the answer is none of these and not the name of a method shown."""
    if row.get("tie", "").lower() in TRUE:
        return "tie"
    chosen = row["chosen"]
    by_method = {row["left_method"]: "left", row["right_method"]: "right"}
    return SIDES.get(chosen.lower()) or by_method.get(chosen) or BUTTONS.get(chosen.lower())


def _problem(row: Mapping[str, str], side: str | None) -> str:
    """Why a row is no answer, "" if it is one."""
    for name, short in NEEDED.items():
        if name != "chosen" and not row[name]:
            return f"{short} is empty"
    if row["left_method"] == row["right_method"]:
        return f"left and right are both '{row['left_method']}'"
    if side is None:
        return f"chosen is '{row['chosen'][:40]}': expected left, right, tie, none or the name of the method chosen"
    for column in COLUMNS:
        text = row.get(column.name, "")
        if text and column.kind in ("integer", "number") and pd.isna(pd.to_numeric(text, errors="coerce")):
            return f"{column.name} is '{text[:40]}': expected a number"
    return ""


def _completed(rows: pd.DataFrame, study_id: str) -> pd.DataFrame:
    """Everything else that a table of responses needs, where the table does not say it."""
    usual = {"platform": PLAIN, "submit_status": "submitted", "block": "test", "layout": "side_by_side",
             "sentinel": "none", "condition": None, "trial_id": None, "session_id": None}
    rows = rows.assign(**{name: value for name, value in usual.items() if name not in rows})
    rows = rows.fillna({name: value for name, value in usual.items() if value})
    if wrong := sorted(set(rows["platform"]) - set(PLATFORMS)):
        raise InputError(f"platform '{wrong[0]}': expected one of {', '.join(PLATFORMS)}")
    pairs = [condition_name(*sorted(pair)) for pair in zip(rows["left_method"], rows["right_method"], strict=True)]
    rows["condition"] = rows["condition"].where(rows["condition"].notna(), pairs)
    person = [rows["platform"], rows["worker_id"]]
    session = _numbered("s", *person, rows["session_id"].fillna(""))
    rows = rows.assign(worker_id=_numbered("w", *person), session_id=session)
    if "trial_index" not in rows or rows["trial_index"].isna().any():
        rows["trial_index"] = rows.groupby("session_id").cumcount()
    rows["trial_id"] = rows["trial_id"].where(rows["trial_id"].notna(), rows["condition"] + "/" + rows["image_id"])
    return rows.assign(study_id=study_id, spec_sha256=NO_SPECIFICATION)


def _numbered(prefix: str, *parts: pd.Series) -> list[str]:
    codes = pd.factorize(pd.MultiIndex.from_arrays(parts))[0]
    return [f"{prefix}{code + 1:04d}" for code in codes]
