"""The sign of a score's direction; numbers and LaTeX are written by the package writing."""

from writing.numbers import MISSING, NumberFormat, duration, number_format
from writing.tables import latex_escape

__all__ = ["MISSING", "NumberFormat", "arrow", "duration", "latex_escape", "number_format"]


def arrow(higher_is_better: bool | None) -> str:
    return {True: "↑", False: "↓", None: ""}[higher_is_better]
