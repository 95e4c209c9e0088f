"""How numbers and text are written in tables: one number of decimals per column, SI prefixes, LaTeX escapes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

MISSING = "–"
_PREFIXES = ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from, divisor, letter
_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
          "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
          ">": r"\textgreater{}", "|": r"\textbar{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--",
          "×": r"$\times$"}


@dataclass(frozen=True)
class NumberFormat:
    """divisor: what a value is divided by before it is written; prefix: the SI letter that says so."""

    divisor: float
    prefix: str
    decimals: int

    def __call__(self, value: float | None) -> str:
        if value is None:
            return MISSING
        text = f"{value / self.divisor:.{self.decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text

    def interval(self, interval: tuple[float, float] | None) -> str:
        return "" if interval is None else f"[{self(interval[0])}, {self(interval[1])}]"


def number_format(values: Iterable[float | None]) -> NumberFormat:
    """One format for a column: three or four significant digits of its largest value, SI prefix from 10,000 up.

    Whole numbers below 10,000 stay whole.
    """
    values = [abs(value) for value in values if value is not None]
    largest = max(values, default=0.0)
    divisor, prefix = next(((size, letter) for start, size, letter in _PREFIXES if largest >= start), (1.0, ""))
    if not prefix and all(value == int(value) for value in values):
        return NumberFormat(divisor, prefix, 0)
    magnitude = math.floor(math.log10(largest / divisor))
    return NumberFormat(divisor, prefix, min(8, max(1, (3 if magnitude >= 0 else 2) - magnitude)))


def arrow(higher_is_better: bool | None) -> str:
    return {True: "↑", False: "↓", None: ""}[higher_is_better]


def latex_escape(text: str) -> str:
    """Plain text as LaTeX prints it, character for character."""
    return "".join(_LATEX.get(character, character) for character in text)


def duration(seconds: float | None) -> str:
    """
    >>> duration(75.2)
    '1 min 15 s'
    """
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
