"""What a row of a plain table says: the task it belongs to, the answer, and why it may be none.

A row with left and right is a pair; one with `shown` a single picture, or, where that names several methods, a ranking.
"""

from collections.abc import Mapping

import pandas as pd

from evaluation.run_directory import PHOTOS
from human_study.responses.columns import (
    ANSWERS_OF,
    COLUMNS,
    PAIRS,
    RANKING,
    REAL_OR_FAKE,
    SEPARATOR,
    TASKS,
    condition_name,
)

# columns that a table of each task needs, by the name of our column and by the short one
NEEDED = {
    PAIRS: {"participant": "participant", "image_id": "image", "left_method": "left", "right_method": "right",
            "chosen": "chosen"},
    REAL_OR_FAKE: {"participant": "participant", "image_id": "image", "shown": "shown", "chosen": "chosen"},
    RANKING: {"participant": "participant", "image_id": "image", "shown": "shown", "ranked": "ranked"},
}
AGAINST = "against"  # the method that a photograph counts for
SIDES = {"left": "left", "right": "right", "tie": "tie", "none": "none", "": "none"}
# of jsPsych's buttons the first two, of its keys those of two hands; a third button may be anything: it is not guessed
BUTTONS = {"0": "left", "0.0": "left", "1": "right", "1.0": "right", "arrowleft": "left", "arrowright": "right",
           "f": "left", "j": "right"}
TRUE = ("true", "1", "1.0", "yes")
Row = Mapping[str, str]


def task_of(row: Row) -> str:
    """"" for a row that shows no pictures."""
    if row.get("task") in TASKS:
        return row["task"]
    if row.get("left_method") or row.get("right_method"):
        return PAIRS
    if not row.get("shown"):
        return ""
    return RANKING if SEPARATOR in row["shown"] else REAL_OR_FAKE


def answer(row: Row, task: str) -> str | None:
    """A value of the column `chosen`; None where the cell says nothing of the kind."""
    chosen = row.get("chosen", "")
    if task == RANKING:
        return "ranked" if row.get("ranked") else "none"
    if task == REAL_OR_FAKE:
        known = chosen.lower() or "none"
        return known if known in (*ANSWERS_OF[REAL_OR_FAKE], "none") else None
    if row.get("tie", "").lower() in TRUE:
        return "tie"
    by_method = {row["left_method"]: "left", row["right_method"]: "right"}
    return SIDES.get(chosen.lower()) or by_method.get(chosen) or BUTTONS.get(chosen.lower())


def problem(row: Row, task: str, chosen: str | None) -> str:
    """Why a row is no answer, "" if it is one."""
    for name, short in NEEDED[task].items():
        if name not in ("chosen", "ranked") and not row.get(name):
            return f"{short} is empty"
    if found := {PAIRS: _of_pair, REAL_OR_FAKE: _of_single, RANKING: _of_ranking}[task](row, chosen):
        return found
    for column in COLUMNS:
        text = row.get(column.name, "")
        if text and column.kind in ("integer", "number") and pd.isna(pd.to_numeric(text, errors="coerce")):
            return f"{column.name} is '{text[:40]}': expected a number"
    return ""


def _of_pair(row: Row, chosen: str | None) -> str:
    if row["left_method"] == row["right_method"]:
        return f"left and right are both '{row['left_method']}'"
    if chosen is None:
        return (f"chosen is '{row['chosen'][:40]}': expected left, right, tie, none or the name of the method "
                "chosen")
    return ""


def _of_single(row: Row, chosen: str | None) -> str:
    if chosen is None:
        return f"chosen is '{row['chosen'][:40]}': expected real, fake or none"
    if SEPARATOR in row["shown"]:
        return f"shown is '{row['shown'][:40]}': expected one method, or {PHOTOS}"
    against = row.get(AGAINST)
    if against and row["shown"] not in (PHOTOS, against):
        return f"{AGAINST} is '{against}', but the picture is one of '{row['shown']}'"
    return ""


def _of_ranking(row: Row, chosen: str | None) -> str:
    shown, ranked = row["shown"].split(SEPARATOR), row.get("ranked", "")
    if len(set(shown)) < max(2, len(shown)):
        return f"shown is '{row['shown'][:40]}': expected two or more different methods, joined by {SEPARATOR}"
    if ranked and sorted(ranked.split(SEPARATOR)) != sorted(shown):
        return f"ranked is '{ranked[:40]}': expected every method of '{row['shown'][:40]}' once"
    return ""


def condition(row: Row, task: str) -> str | None:
    """Name of the comparison; None for a photograph of which nothing says what method it counts for."""
    if row.get("condition"):
        return row["condition"]
    if task == PAIRS:
        return condition_name(*sorted((row["left_method"], row["right_method"])))
    if task == RANKING:
        return condition_name(*sorted(row["shown"].split(SEPARATOR)))
    method = row.get(AGAINST) or (row["shown"] if row["shown"] != PHOTOS else "")
    return condition_name(PHOTOS, method) if method else None
