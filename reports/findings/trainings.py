"""What holds for the methods, over training seeds and budgets. Never mixed with what holds for one run's checkpoints,
whose intervals are over layouts: those are the findings of reports.findings.verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations

from evaluation.run_directory import FLOOR, PHOTOS
from evaluation.statistics.over_seeds import LEAST, over_seeds, settled_leader, settled_pairs, settled_ranks
from evaluation.trainings import Trainings
from reports.tables.scores import Column
from writing.words import counted, listed


@dataclass(frozen=True)
class Evidence:
    """Trainings of a run's methods. budget: the run's own. source: whose they are, empty for the run's own."""

    trainings: Trainings
    budget: int
    source: str = ""

    def at(self, column: Column, budget: int) -> dict[str, list[float]]:
        """Method -> the score in each training at a budget, without photographs."""
        values = self.trainings.at(budget).values(column.metric, column.name)
        return {method: numbers for method, numbers in values.items() if method not in (PHOTOS, FLOOR)}


def on_seeds(column: Column, best: str, found: Evidence, titles: Mapping[str, str]) -> tuple[str, bool]:
    """A sentence on the order of the methods over seeds at the run's budget, and whether its own trainings settle that
    one method leads. best: the method that leads this run."""
    values = found.at(column, found.budget)
    n = min((len(numbers) for numbers in values.values()), default=0)
    if n < 2 or best not in values:
        return "One training each: another seed may change this order.", False
    leader = settled_leader(values, bool(column.higher_is_better)) if n >= LEAST else None
    where = f"In {counted(n, 'training')}{found.source}"
    if leader is not None:
        differs = "" if leader == best else f", unlike in this run, where {titles.get(best, best)} is ahead"
        return f"{where} {titles.get(leader, leader)} leads as a method: settled{differs}.", not found.source
    moved = f"{where} another seed moved {titles.get(best, best)} by {column.text(over_seeds(values[best]).spread)}"
    if n < LEAST:
        return f"{moved}; {counted(n, 'training')} settle no order.", False
    first = [titles.get(method, method) for method, (rank, _) in
             settled_ranks(values, bool(column.higher_is_better)).items() if rank == 1]
    which = f"{listed(first)} may each be first" if len(first) < len(values) else "every method may be first"
    return f"{moved}, so this order is not settled: as a method, {which}.", False


def on_budgets(columns: list[Column], baseline: str, found: Evidence, titles: Mapping[str, str]) -> str:
    """Where the run's budget is among those that were trained, who leads at the largest, and where orders change."""
    budgets = found.trainings.budgets
    if len(budgets) < 2:
        return ""
    larger = [budget for budget in budgets if budget > found.budget]
    where = f"Each method of this run saw {found.budget:,} images. The trainings{found.source} have " \
            f"{listed([f'{budget:,}' for budget in budgets])}"
    sentences = [f"{where}." if larger else f"{where}: this is the largest budget."]
    for column in columns:
        if larger and (leader := _leader(column, larger[-1], found, titles)):
            sentences.append(leader)
        sentences += _crossings(column, baseline, found, titles)
    return " ".join(sentences)


def _leader(column: Column, budget: int, found: Evidence, titles: Mapping[str, str]) -> str:
    values = found.at(column, budget)
    if len(values) < 2:
        return ""
    means = {method: sum(numbers) / len(numbers) for method, numbers in values.items()}
    best = (max if column.higher_is_better else min)(means, key=means.get)
    settled = settled_leader(values, bool(column.higher_is_better))
    kind = "settled" if settled else f"not settled, {counted(min(map(len, values.values())), 'training')}"
    name = titles.get(best, best)
    return f"At {budget:,} images {name} has the best {column.label}, {column.text(means[best])} ({kind})."


def _crossings(column: Column, baseline: str, found: Evidence, titles: Mapping[str, str]) -> Iterator[str]:
    """Sentences on who passes whom from one budget to the next: the baseline, or a method that leads at one of them.
    With LEAST seeds at both budgets only settled orders count; else the order of means, named as such."""
    sign = 1 if column.higher_is_better else -1
    for low, high in pairwise(found.trainings.budgets):
        before, after = found.at(column, low), found.at(column, high)
        shared = [method for method in before if method in after]
        orders, few = [], False
        for values in ({m: before[m] for m in shared}, {m: after[m] for m in shared}):
            if min(map(len, values.values()), default=0) >= LEAST:
                orders.append(settled_pairs(values, bool(column.higher_is_better)))
            else:
                few, means = True, {m: sign * sum(x) / len(x) for m, x in values.items()}
                orders.append({(a, b) for a, b in permutations(shared, 2) if means[a] > means[b]})
        passed: dict[str, list[str]] = {}
        for a, b in sorted(orders[1]):
            if (b, a) in orders[0] and baseline in (a, b):
                passed.setdefault(a, []).append(titles.get(b, b))
        for method, others in passed.items():
            seeds = " (by the means of few trainings, not settled)" if few else " (settled)"
            yield f"{titles.get(method, method)} passes {listed(others)} in {column.label} between {low:,} and " \
                  f"{high:,} images{seeds}."
