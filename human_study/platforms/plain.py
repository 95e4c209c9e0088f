"""Plain tables of answers, and jsPsych's own data, as a table of responses: enough for the analysis, without a run.

A plain table is a table of responses that needs only a few columns: participant, image, the methods shown (left and
right, or shown) and the answer (chosen, or ranked). A row with left and right is a pair, one with `shown` a single
picture or, if it names several methods, a ranking. Participants and sessions are numbered in the order of the table,
so that no id of a person leaves it and no key is needed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import read_json
from evaluation.run_directory import PHOTOS
from human_study.platforms.submissions import Refused
from human_study.responses.cells import read_sheet
from human_study.responses.columns import (
    ANSWERS,
    ANSWERS_OF,
    COLUMNS,
    LAYOUT_OF,
    NO_SPECIFICATION,
    PAIRS,
    PLAIN,
    PLATFORMS,
    RANKING,
    REAL_OR_FAKE,
    SEPARATOR,
    TASKS,
    condition_name,
)
from human_study.responses.table import make_responses

# columns that a table of each task needs: our name and the short one
NEEDED = {
    PAIRS: {"participant": "participant", "image_id": "image", "left_method": "left", "right_method": "right",
            "chosen": "chosen"},
    REAL_OR_FAKE: {"participant": "participant", "image_id": "image", "shown": "shown", "chosen": "chosen"},
    RANKING: {"participant": "participant", "image_id": "image", "shown": "shown", "ranked": "ranked"},
}
# other names of our columns; the first name found is read
ALIASES = {"participant": ("worker", "worker_id", "participant_id", "subject", "subject_id", "PROLIFIC_PID"),
           "image_id": ("image", "scene", "item"), "left_method": ("left",), "right_method": ("right",),
           "shown": ("method",), "ranked": ("ranking",), "chosen": ("choice", "response"),
           "exposure_req_ms": ("exposure",), "rt_ms": ("time", "rt"), "session_id": ("session",)}
AGAINST = "against"  # the method that a photograph is compared with
SOURCE = "source"  # file and line of a row
# set here or by the rules, or ids of people
OURS = {"schema_version", "study_id", "spec_sha256", "assignment_id", "choice_method", "outcome", "sentinel_ok",
        "accepted", "used", "exclude_reasons"}
# what jsPsych adds to every trial; `stimulus` is markup or a file's name, the methods are in left and right
OF_JSPSYCH = {"trial_type", "time_elapsed", "internal_node_id", "plugin_version", "rt_key_duration", "stimulus",
              "success", "timeout", "failed_images", "failed_audio", "failed_video", "view_history"}
NUMBERS = [column.name for column in COLUMNS if column.kind in ("integer", "number")]
LEAST_MEDIAN_MS = 20.0  # no person is so fast: such times must be seconds
TRUE = ("true", "1", "1.0", "yes", "wahr", "vrai", "verdadero")
# sides; jsPsych's first two buttons, and its keys for the left and right hand. The meaning of a third button is unknown
SIDES = {"left": "left", "right": "right", "tie": "tie", "none": "none", "": "none", "0": "left", "0.0": "left",
         "1": "right", "1.0": "right", "arrowleft": "left", "arrowright": "right", "f": "left", "j": "right"}
Row = Mapping[str, str]


def read_plain(files: Sequence[Path], study_id: str) -> tuple[pd.DataFrame, list[Refused]]:
    """Table of responses of plain tables (.csv, .tsv) and jsPsych's data (.json, .csv), before any rules; and what did
    not become a row. Of JSON without a participant every file is one participant.

    Raises InputError for a file that is none of these, a column that is missing, response times in seconds, and where
    no row is left.
    """
    tables, refused, rows, problems, without = [], [], [], [], 0
    for file in map(Path, files):
        cells, cut = _read(file)
        table, unused = _named(cells, file)
        tables.append(table)
        refused += [*cut, *(Refused(file.name, name, "column not used") for name in unused)]
    for row in pd.concat(tables, ignore_index=True).fillna("").to_dict("records"):
        task = task_of(row)
        if not task:
            without += 1  # instructions and questions among jsPsych's trials
            continue
        try:
            chosen, condition = judgment(row, task)
        except InputError as error:
            problems.append(Refused(row[SOURCE], row["image_id"], str(error)))
            continue
        rows.append({name: value or None for name, value in row.items() if name not in ("tie", AGAINST, SOURCE)}
                    | {"task": task, "chosen": chosen, "condition": condition})
    if without:
        problems.append(Refused("all files", f"{without} rows", "no pictures: neither left and right nor shown"))
    if not rows:
        reason = f"; first reason: {problems[0].source}: {problems[0].reason}" if problems else ""
        raise InputError(f"no answer could be read from {', '.join(map(str, files))}{reason}")
    times = pd.Series([float(row["rt_ms"]) for row in rows if row.get("rt_ms")], dtype="float64")
    if len(times) and 0 < times.median() < LEAST_MEDIAN_MS:
        raise InputError(f"{files[0]}: half of the response times are below {times.median():.3g}: they seem to be "
                         "seconds, expected milliseconds")
    return make_responses(_completed(pd.DataFrame(rows), study_id)), refused + problems


# --- from a file to cells under our names ----------------------------------------------------------------------------

def _read(file: Path) -> tuple[pd.DataFrame, list[Refused]]:
    """All cells as text, "" for empty ones, `source` with the line or the number of the trial; and cut rows."""
    refused = []
    if file.suffix.lower() == ".json":
        content = read_json(file)
        if isinstance(content, list) and content and all(isinstance(one, list) for one in content):
            content = [trial for one in content for trial in one]
        if not isinstance(content, list) or not all(isinstance(trial, dict) for trial in content):
            raise InputError(f"{file}: expected a list of trials, as jsPsych.data.get().json() gives it")
        rows = [{name: _text(value) for name, value in trial.items()} | {SOURCE: f"{file.name}:{i}"}
                for i, trial in enumerate(content, 1)]
    elif file.suffix.lower() in (".csv", ".tsv"):
        sheet = read_sheet(file)
        refused = [Refused(f"{file.name}:{line}", "row", problem) for line, problem in sheet.cut]
        rows = [{name: cell.strip() for name, cell in row.items()} | {SOURCE: f"{file.name}:{line}"}
                for line, row in sheet.rows]
    else:
        raise InputError(f"{file}: expected a table of answers (.csv, .tsv) or jsPsych's data (.json)")
    if not rows:
        raise InputError(f"{file}: no whole row in it")
    frame = pd.DataFrame(rows, dtype="object").fillna("").replace("null", "")  # where nobody answered, in jsPsych's CSV
    if file.suffix.lower() != ".json" and sheet.decimal == ",":
        for name in {*NUMBERS, *(other for one in NUMBERS for other in ALIASES.get(one, ()))} & set(frame):
            frame[name] = frame[name].str.replace(",", ".")
    return frame, refused


def _text(value: object) -> str:
    """A JSON value as a cell: lists of names joined, other objects as JSON, null as nothing."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return SEPARATOR.join(value)
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    return "" if value is None else str(value).strip()


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
        tables = "; or ".join(", ".join(needed.values()) for needed in NEEDED.values())
        raise InputError(f"{file}: no column '{missing}'; a plain table has {tables}")
    unused = [name for name in frame if renamed.get(name, name) not in kept and name not in OURS | OF_JSPSYCH]
    return kept, [name for name in unused if name not in {one for names in ALIASES.values() for one in names}]


# --- from cells to an answer -----------------------------------------------------------------------------------------

def task_of(row: Row) -> str:
    """"" for a row that shows no pictures."""
    if row.get("task") in TASKS:
        return row["task"]
    if row.get("left_method") or row.get("right_method"):
        return PAIRS
    if not row.get("shown"):
        return ""
    return RANKING if SEPARATOR in row["shown"] else REAL_OR_FAKE


def judgment(row: Row, task: str) -> tuple[str, str | None]:
    """Cells of the columns `chosen` and `condition`; None for a photograph that the table assigns to no method.

    Raises InputError with the reason why a row is no answer.
    """
    for name, short in NEEDED[task].items():
        if name not in ("chosen", "ranked") and not row.get(name):
            raise InputError(f"{short} is empty")
    chosen, condition = {PAIRS: _pair, REAL_OR_FAKE: _single, RANKING: _ranking}[task](row)
    for name in NUMBERS:
        if (text := row.get(name, "")) and pd.isna(pd.to_numeric(text, errors="coerce")):
            raise InputError(f"{name} is '{text[:40]}': expected a number")
    return chosen, row.get("condition") or condition


def _pair(row: Row) -> tuple[str, str]:
    left, right, chosen = row["left_method"], row["right_method"], row.get("chosen", "")
    if left == right:
        raise InputError(f"left and right are both '{left}'")
    tie = row.get("tie", "").lower() in TRUE
    side = "tie" if tie else {left: "left", right: "right"}.get(chosen) or SIDES.get(chosen.lower())
    if side is None:
        raise InputError(f"chosen is '{chosen[:40]}': expected left, right, tie, none or the name of the method chosen")
    return side, condition_name(*sorted((left, right)))


def _single(row: Row) -> tuple[str, str | None]:
    shown, against, chosen = row["shown"], row.get(AGAINST), row.get("chosen", "")
    if SEPARATOR in shown:
        raise InputError(f"shown is '{shown[:40]}': expected one method, or {PHOTOS}")
    if against and shown not in (PHOTOS, against):
        raise InputError(f"{AGAINST} is '{against}', but the picture is one of '{shown}'")
    if chosen.lower() not in (*ANSWERS_OF[REAL_OR_FAKE], "none", ""):
        raise InputError(f"chosen is '{chosen[:40]}': expected real, fake or none")
    method = against or (shown if shown != PHOTOS else None)
    return chosen.lower() or "none", condition_name(PHOTOS, method) if method else None


def _ranking(row: Row) -> tuple[str, str]:
    shown, ranked = row["shown"].split(SEPARATOR), row.get("ranked", "")
    if len(set(shown)) < max(2, len(shown)):
        raise InputError(f"shown is '{row['shown'][:40]}': expected two or more different methods, joined by "
                         f"{SEPARATOR}")
    if ranked and sorted(ranked.split(SEPARATOR)) != sorted(shown):
        raise InputError(f"ranked is '{ranked[:40]}': expected every method of '{row['shown'][:40]}' once")
    return "ranked" if ranked else "none", condition_name(*sorted(shown))


# --- columns that a plain table lacks --------------------------------------------------------------------------------

def _completed(rows: pd.DataFrame, study_id: str) -> pd.DataFrame:
    """All columns that a table of responses needs."""
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
    """Photographs that the table assigns to no method are assigned, by participant and exposure and in the order of the
    table, to the methods that this participant judged, in turn.

    Raises InputError for photographs in a staircase with several methods: nothing shows which method they belong to.
    """
    unassigned = rows["condition"].isna()
    if not unassigned.any():
        return rows
    pictures = rows[rows["task"].eq(REAL_OR_FAKE) & rows["shown"].ne(PHOTOS) & rows["sentinel"].eq("none")]
    everybody = sorted(pictures["shown"].unique())
    if not everybody:
        raise InputError(f"only {PHOTOS} in column shown: there is no method to compare them with")
    judged = pictures.groupby("participant")["shown"].unique().map(sorted)
    keys = [name for name in ("participant", "exposure_req_ms") if name in rows]
    turn = rows[unassigned].groupby(keys, dropna=False).cumcount() + pd.factorize(rows["participant"])[0][unassigned]
    conditions = rows["condition"].copy()
    for i, participant in rows["participant"][unassigned].items():
        methods = judged.get(participant, everybody)
        if len(methods) > 1 and "adaptive" in rows and str(rows.at[i, "adaptive"]).lower() in TRUE:
            raise InputError(f"a photograph in a staircase: give column {AGAINST}, one of {', '.join(methods)}")
        conditions[i] = condition_name(PHOTOS, methods[turn[i] % len(methods)])
    return rows.assign(condition=conditions)


def _numbered(prefix: str, *parts: pd.Series) -> list[str]:
    codes = pd.factorize(pd.MultiIndex.from_arrays(parts))[0]
    return [f"{prefix}{code + 1:04d}" for code in codes]
