"""Numbers as text: one number of decimals per column, intervals, percentages, p-values, exposures, durations."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

MISSING = "–"
Interval = tuple[float, float]
_PREFIXES = ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from, divisor, letter


@dataclass(frozen=True)
class NumberFormat:
    """Values are divided by `divisor` and written with `decimals`; `prefix` is the SI letter for the divisor, to be
    written with the unit."""

    divisor: float
    prefix: str
    decimals: int

    def __call__(self, value: float | None) -> str:
        """MISSING for None, NaN and infinite values; never a negative zero."""
        if value is None or not math.isfinite(value):
            return MISSING
        text = f"{value / self.divisor:.{self.decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text

    def interval(self, interval: Interval | None) -> str:
        return "" if interval is None else f"[{self(interval[0])}, {self(interval[1])}]"


def number_format(values: Iterable[float | None]) -> NumberFormat:
    """One format for a column: three or four significant digits of its largest value, SI prefix from 10,000 up.

    Whole numbers below 10,000 stay whole. Missing, NaN and infinite values have no influence.
    """
    values = [abs(value) for value in values if value is not None and math.isfinite(value)]
    largest = max(values, default=0.0)
    divisor, prefix = next(((size, letter) for start, size, letter in _PREFIXES if largest >= start), (1.0, ""))
    if not prefix and all(value == int(value) for value in values):
        return NumberFormat(divisor, prefix, 0)
    magnitude = math.floor(math.log10(largest / divisor))
    return NumberFormat(divisor, prefix, min(8, max(1, (3 if magnitude >= 0 else 2) - magnitude)))


def arrow(higher_is_better: bool | None) -> str:
    """Points to the better side of a score; empty for one without an order."""
    return {True: "↑", False: "↓", None: ""}[higher_is_better]


def percent(share: float | None) -> str:
    """
    >>> percent(0.625), percent(None), percent(float("nan"))
    ('62.5', '–', '–')
    """
    return MISSING if share is None or math.isnan(share) else f"{share * 100:.1f}"


def percent_interval(interval: Interval | None) -> str:
    return MISSING if interval is None else f"[{percent(interval[0])}, {percent(interval[1])}]"


def p_value(p: float | None, decimals: int | None = None) -> str:
    """Two significant digits, from 0.1 up two decimals; `decimals` fixes their number for a column.

    >>> p_value(0.0001), p_value(0.0123), p_value(0.25), p_value(0.25, decimals=3), p_value(None)
    ('< 0.001', '0.012', '0.25', '0.250', '–')
    """
    if p is None or math.isnan(p):
        return MISSING
    if p < 0.001:
        return "< 0.001"
    return f"{p:.{decimals}f}" if decimals is not None else f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"


def exposure_text(ms: float | None) -> str:
    """Of a study's pictures; None: no time limit.

    >>> exposure_text(125.0), exposure_text(None)
    ('125 ms', 'unlimited')
    """
    return "unlimited" if ms is None else f"{ms:g} ms"


def duration(seconds: float | None) -> str:
    """
    >>> duration(0.5), duration(75.2), duration(7260)
    ('0.5 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
