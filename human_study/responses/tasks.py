"""The tasks in the table of responses: the cells of their rows, derived values and checks.

pairs: which of two pictures; real_or_fake: whether one picture is a photograph; ranking: the order of several pictures.
Only a pair has a left and a right one; everything else is shown in one cell, in the order of the places.
"""

from collections.abc import Iterator

import pandas as pd

from evaluation.run_directory import PHOTOS
from human_study.responses.columns import ANSWERS_OF, PAIRS, RANKING, REAL_OR_FAKE, SEPARATOR, TASKS, VERSUS, methods_of

Problem = tuple[pd.Series, str, str | None]  # rows concerned, what is wrong with them, column to show


def of_task(frame: pd.DataFrame, task: str) -> pd.Series:
    """bool [n]. Rows that name no task are pairs."""
    named = frame["task"].eq(task).fillna(False).astype(bool)
    return named | frame["task"].isna() if task == PAIRS else named


def methods_shown(frame: pd.DataFrame) -> list[str]:
    """Every method of the table, sorted."""
    cells = pd.concat([frame[name].dropna() for name in ("left_method", "right_method", "shown")]).unique()
    return sorted({method for cell in cells for method in str(cell).split(SEPARATOR)})


def errors(frame: pd.DataFrame) -> pd.Series:
    """float [n]: 1 where a photograph was called fake or another picture real, 0 where not; NaN without an answer.
    frame: rows of real_or_fake."""
    real = frame["chosen"].eq("real")
    return (real != frame["shown"].eq(PHOTOS)).astype(float).where(frame["chosen"].isin(("real", "fake")))


def anchor_last(frame: pd.DataFrame) -> list[bool]:
    """Whether a ranking that is a check put the anchor in the last place."""
    return [isinstance(order, str) and order.rpartition(SEPARATOR)[2] == anchor
            for order, anchor in zip(frame["ranked"], frame["sentinel_answer"], strict=True)]


def problems(frame: pd.DataFrame) -> Iterator[Problem]:
    """Checks of the rows of each task: the rows that break one, for every check."""
    own = {task: of_task(frame, task) for task in TASKS}
    for task, answers in ANSWERS_OF.items():
        wrong = own[task] & ~frame["chosen"].isin((*answers, "none"))
        yield wrong, f"chosen is no answer of task {task} ({', '.join(answers)}, none)", "chosen"
    yield from _problems_of_pairs(frame, own[PAIRS])
    others = ~own[PAIRS]
    if others.any():
        yield others & frame["shown"].isna(), "shown is empty", None
        yield from _problems_of_others(frame, own)
    yield own[PAIRS] & (frame["shown"].notna() | frame["ranked"].notna()), "shown and ranked are not for pairs", "shown"


def _problems_of_pairs(frame: pd.DataFrame, pair: pd.Series) -> Iterator[Problem]:
    left, right = frame["left_method"], frame["right_method"]
    for name in ("left_method", "right_method"):
        yield pair & frame[name].isna(), f"column {name} is empty", None
    yield left.eq(right), "left_method and right_method are the same method", "left_method"
    named = frame["condition"].eq(left + VERSUS + right) | frame["condition"].eq(right + VERSUS + left)
    yield pair & ~named, f"condition is not <a>{VERSUS}<b> of the two methods shown", "condition"
    known = frame["sentinel_answer"].isin(("left", "right")) | frame["sentinel_answer"].isna()
    yield pair & ~known, "sentinel_answer is neither left nor right", "sentinel_answer"


def _problems_of_others(frame: pd.DataFrame, own: dict[str, pd.Series]) -> Iterator[Problem]:
    single, ranking = own[REAL_OR_FAKE], own[RANKING]
    yield ~own[PAIRS] & (frame["left_method"].notna() | frame["right_method"].notna()), "only pairs have sides", \
        "left_method"
    shown = [str(cell).split(SEPARATOR) for cell in frame["shown"]]
    strange = pd.Series([not set(methods) <= set(methods_of(condition)) for methods, condition in
                         zip(shown, frame["condition"], strict=True)], frame.index)
    yield ~own[PAIRS] & strange, "condition does not name the methods shown", "condition"
    yield single & pd.Series([len(methods) > 1 for methods in shown], frame.index), "shown is not one method", "shown"
    few = [len(methods) < 2 or len(set(methods)) < len(methods) for methods in shown]
    yield ranking & pd.Series(few, frame.index), "shown is not two or more different methods", "shown"
    ordered = pd.Series([isinstance(order, str) and sorted(order.split(SEPARATOR)) == sorted(methods)
                         for order, methods in zip(frame["ranked"], shown, strict=True)], frame.index)
    yield ranking & frame["chosen"].eq("ranked") & ~ordered, "ranked is no order of the methods shown", "ranked"
