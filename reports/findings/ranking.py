"""The ranking: every method by the leading scores, with the range of places that the intervals allow."""

from dataclasses import replace

from reports.findings.axes import leading_scores, ordered, rank_ranges
from reports.tables.scores import ScoreTable

COSTS = ("parameters", "seconds per image")


def ranking(table: ScoreTable) -> ScoreTable:
    """The leading scores that two methods or more have, then costs. Methods are ordered by the first.

    Extras "rank": (best, worst) place that the intervals allow.
    """
    leading = [column for _, column in leading_scores(table) if len(table.values(column)) > 1]
    costs = [c for name in COSTS for c in table.columns if (c.metric, c.name) == ("cost", name)]
    places = {(name, c.key): places for c in leading for name, places in rank_ranges(table, c).items()}
    order = [name for name, _ in ordered(table, leading[0])] if leading else []
    rows = sorted(table.rows, key=lambda row: (row.reference, order.index(row.name) if row.name in order
                                               else len(order)))
    return replace(table, rows=rows, columns=leading + (costs if leading else []), extras={"rank": places})
