"""Tables of responses: made of rows, checked, merged, written, read. The columns are in human_study.responses.columns.

People's judgments and simulated ones (platform "sim") are never mixed in one table.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.errors import InputError, nearest
from data.files import atomic_path
from human_study.responses import tasks
from human_study.responses.cells import (
    BETWEEN,
    FORMULA,
    PROGRAM,
    ROUNDED,
    UNREADABLE,
    clean,
    delimiter_of,
    harmless,
    mapped,
    restored,
)
from human_study.responses.columns import (
    ANSWERS,
    COLUMNS,
    NAMES,
    RENAMED,
    SCHEMA_VERSION,
    SEPARATOR,
    SIMULATED,
    VERSUS,
    ResponseColumn,
)

LIKE_FORMULA = re.compile(BETWEEN + FORMULA.pattern)  # at the beginning of any value
DTYPES = {"text": "str", "integer": "Int64", "number": "float64", "boolean": "boolean"}
TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False,  # and spreadsheets' own words
         **dict.fromkeys(("wahr", "vrai", "verdadero", "vero", "真"), True),
         **dict.fromkeys(("falsch", "faux", "falso", "假"), False)}


def make_responses(rows: pd.DataFrame | Sequence[dict]) -> pd.DataFrame:
    """Complete, type, derive and validate rows: all columns of COLUMNS in order; columns not given are empty.

    `schema_version` is filled in; `choice_method`, `outcome` and `sentinel_ok` are derived by `derive`.
    Raises InputError as `validate_responses` does.
    """
    if not isinstance(rows, pd.DataFrame):  # a DataFrame cannot even hold some characters that people send
        rows = [{name: clean(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]
    frame = pd.DataFrame(rows).reset_index(drop=True)
    if "schema_version" not in frame:
        frame["schema_version"] = SCHEMA_VERSION
    return validate_responses(derive(_typed(frame.reindex(columns=list(dict.fromkeys([*NAMES, *frame.columns]))))))


def derive(frame: pd.DataFrame) -> pd.DataFrame:
    """Recompute `choice_method`, `outcome` and `sentinel_ok` from the methods shown and the answer.

    outcome: of a pair 1, 0 or 0.5 (tie) for the method that `condition` names first; of a single picture 1 for an
    error; empty without an answer, and of rankings.
    sentinel_ok: the known answer was chosen, or the anchor ranked last; of a repeat: the same method was chosen as in
    the first showing of the same image and condition in the session (no answer in either counts as not ok).
    """
    frame = frame.copy()
    left, right = frame["chosen"].eq("left"), frame["chosen"].eq("right")
    choice = frame["left_method"].where(left, frame["right_method"].where(right))
    first_is_left = frame["condition"].eq(frame["left_method"] + VERSUS + frame["right_method"])
    outcome = pd.Series(float("nan"), frame.index)
    outcome[left | right] = (first_is_left == left)[left | right].astype(float)
    outcome[frame["chosen"].eq("tie")] = 0.5
    single, ranking = tasks.of_task(frame, tasks.REAL_OR_FAKE), tasks.of_task(frame, tasks.RANKING)
    outcome[single] = tasks.errors(frame[single])
    ok = frame["chosen"].eq(frame["sentinel_answer"]).astype("boolean")
    ok[ranking] = tasks.anchor_last(frame[ranking])
    repeat = frame["sentinel"].eq("repeat")
    ok[repeat] = _same_as_before(frame.assign(choice_method=choice))[repeat]
    ok[frame["sentinel"].eq("none")] = pd.NA
    return frame.assign(choice_method=choice, outcome=outcome, sentinel_ok=ok)


def _same_as_before(frame: pd.DataFrame) -> pd.Series:
    key = ["session_id", "image_id", "condition", "exposure_req_ms"]
    original = frame[frame["sentinel"].eq("none")].drop_duplicates(key).set_index(key)["choice_method"]
    before = frame[key].join(original.rename("before"), on=key)["before"]
    return (before.notna() & before.eq(frame["choice_method"])).astype("boolean")


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    typed = {column.name: _cast(frame[column.name], column) for column in COLUMNS if column.name in frame}
    return frame.assign(**typed, **{name: _text(frame[name]) for name in frame if name.startswith(ANSWERS)})


def _cast(values: pd.Series, column: ResponseColumn) -> pd.Series:
    """The column in its type; columns that have it already pass untouched, for large tables."""
    try:
        if column.kind == "text":
            return _text(values)
        if column.kind == "boolean":
            return values if values.dtype == "boolean" else _truth(values)
        if not pd.api.types.is_numeric_dtype(values):
            values = pd.to_numeric(values.where(values.astype("str") != ""))
        return values.astype(DTYPES[column.kind])
    except (ValueError, TypeError) as error:
        raise InputError(f"responses: column {column.name} holds a value that is no {column.kind}: {error}") from None


def _text(values: pd.Series) -> pd.Series:
    if not isinstance(values.dtype, pd.StringDtype):
        values = values.map(str, na_action="ignore").map(clean, na_action="ignore").astype("str")
    values = mapped(values, UNREADABLE, clean)
    return values.where(values != "") if values.eq("").any() else values


def _truth(values: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(values) or values.isna().all():
        return values.astype("boolean")
    known = {value: TRUTH.get(str(value).lower()) for value in values.dropna().unique()}
    if wrong := [value for value, truth in known.items() if truth is None and value != ""]:
        raise ValueError(f"{wrong[0]!r}, expected true or false")
    return values.map(known).astype("boolean")


def validate_responses(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with typed columns in the order of COLUMNS, after all checks.

    Raises InputError with the first problem found: missing or unknown column, wrong type or value, an empty required
    cell, a trial twice in a session, cells that do not fit the row's task (responses.tasks, such as a
    method compared with itself), sentinel_ok empty for a sentinel or filled for another trial, simulated rows among
    people's.
    """
    own = [name for name in frame.columns if name not in NAMES and name.startswith(ANSWERS)]
    for name in frame.columns:
        if name not in NAMES and name not in own:
            raise InputError(f"responses: unknown column '{name}': {nearest(name, NAMES)}")
    if missing := [name for name in NAMES if name not in frame]:
        raise InputError(f"responses: column {missing[0]} is missing")
    frame = _typed(frame)[[*NAMES, *own]]
    if frame["platform"].eq(SIMULATED).nunique() > 1:
        raise InputError("responses: simulated rows (platform sim) can never be merged with people's")
    for column in COLUMNS:
        values = frame[column.name]
        if column.required:
            _refuse(frame, values.isna(), f"column {column.name} is empty")
        if column.values:
            known = values.isin(column.values) | values.isna()
            _refuse(frame, ~known, f"column {column.name} is none of {', '.join(column.values)}", column.name)
        for limit, beyond in ((column.minimum, values.lt), (column.maximum, values.gt)):
            if limit is not None:
                _refuse(frame, beyond(limit).fillna(False), f"column {column.name} is beyond {limit:g}", column.name)
    _refuse(frame, frame.duplicated(["session_id", "trial_index"]),
            "this trial of this session is in the table twice (same file given twice?)")
    for rows, problem, column in tasks.problems(frame):
        _refuse(frame, rows, problem, column)
    wrong = frame["sentinel_ok"].isna() != frame["sentinel"].eq("none")
    _refuse(frame, wrong, "sentinel_ok must be empty exactly where sentinel is none", "sentinel_ok")
    contradiction = frame["used"].fillna(False) & frame["exclude_reasons"].notna()
    _refuse(frame, contradiction, "used is true but exclude_reasons names a rule", "exclude_reasons")
    return frame


def _refuse(frame: pd.DataFrame, wrong: pd.Series, problem: str, show: str | None = None) -> None:
    if wrong.any():
        row = frame[wrong.to_numpy(bool)].iloc[0]
        value = f", got {row[show]!r}" if show else ""
        raise InputError(f"responses: session {row['session_id']}, trial_index {row['trial_index']}: {problem}{value}")


def is_simulated(frame: pd.DataFrame) -> bool:
    """Whether the table holds simulated judgments (a table never holds both)."""
    return bool(frame["platform"].eq(SIMULATED).any())


def merge_responses(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of one or several. Raises InputError on different studies or specifications, on simulated data beside
    people's, and on rows that are in more than one table."""
    merged = pd.concat(frames, ignore_index=True)
    for column in ("study_id", "spec_sha256"):
        if merged[column].nunique() > 1:
            raise InputError(f"responses: tables of different studies ({column} {', '.join(merged[column].unique())})")
    return validate_responses(merged)


def write_responses(frame: pd.DataFrame, file: Path) -> None:
    """Validate and write as CSV (UTF-8, \\n, empty cell = missing, true/false, no formulas: see responses.cells) or,
    by suffix, Parquet or JSON: a list of trials, with jsPsych's names beside ours. `read_responses` reads it back.
    """
    frame = validate_responses(frame)
    with atomic_path(Path(file)) as temporary:
        if Path(file).suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        elif Path(file).suffix == ".json":
            like_jspsych(frame).to_json(temporary, orient="records", force_ascii=False, indent=1)
        else:
            truth, kinds = {True: "true", False: "false"}, {column.name: column.kind for column in COLUMNS}
            as_text = {name: frame[name].astype(object).map(truth, na_action="ignore") if kinds[name] == "boolean" else
                       mapped(frame[name], LIKE_FORMULA, harmless)
                       for name in frame if kinds.setdefault(name, "text") in ("boolean", "text")}
            frame.assign(**as_text).to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


JSPSYCH = ("rt", "response", "stimulus", "time_elapsed")


def like_jspsych(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with the names that jsPsych gives to a trial's data, JSPSYCH, beside its own."""
    pair = frame["left_method"] + SEPARATOR + frame["right_method"]
    methods = frame["shown"].where(frame["shown"].notna(), pair)
    stimulus = [[f"{method}/{image}" for method in cell.split(SEPARATOR)] for cell, image in
                zip(methods, frame["image_id"], strict=True)]
    response = frame["ranked"].where(frame["ranked"].notna(), frame["chosen"])
    values = (frame["rt_ms"], response, stimulus, frame["response_ts"])
    return frame.assign(**dict(zip(JSPSYCH, values, strict=True)))


def _read_csv(file: Path) -> pd.DataFrame:
    """Also as spreadsheet programs save it. Raises InputError for ids that they have rounded."""
    with open(file, encoding="utf-8-sig") as stream:
        delimiter = delimiter_of(stream.readline())
    numbers = {column.name for column in COLUMNS if column.kind != "text"}
    header = pd.read_csv(file, sep=delimiter, encoding="utf-8-sig", nrows=0).columns
    text = {name: "str" for name in header if name not in numbers}
    frame = pd.read_csv(file, sep=delimiter, decimal="," if delimiter == ";" else ".", encoding="utf-8-sig", dtype=text,
                        keep_default_na=False, na_values=[""], low_memory=False)
    for name in text:
        frame[name] = mapped(frame[name], LIKE_FORMULA, restored)
        if name.endswith("_id") and len(rounded := frame[name][frame[name].str.fullmatch(ROUNDED).fillna(False)]):
            raise InputError(f"{name} '{rounded.iloc[0]}' was changed by {PROGRAM}")
    return frame


def read_responses(file: Path) -> pd.DataFrame:
    """Read a table written by `write_responses` and validate it. Raises InputError naming the file."""
    file = Path(file)
    try:
        if file.suffix == ".parquet":
            frame = pd.read_parquet(file)
        elif file.suffix == ".json":
            trials = pd.read_json(file, dtype=False)
            frame = trials.drop(columns=[name for name in JSPSYCH if name in trials])
        else:
            frame = _read_csv(file)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: not a readable table ({' '.join(str(error).split())})") from None
    if set(RENAMED) & set(frame):
        frame = frame.rename(columns=RENAMED).assign(schema_version=SCHEMA_VERSION)
    older = [column.name for column in COLUMNS if column.optional and column.name not in frame]
    try:
        return validate_responses(frame.reindex(columns=[*frame.columns, *older]))  # measured since: not known
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
