"""The spread over training seeds, from scores/seeds.json (python -m evaluation.merge seeds), as a table."""

from dataclasses import replace

from data.errors import InputError
from data.files import read_json
from evaluation.rundir import FLOOR, PHOTOS, Method, RunDirectory, Score, Value
from reports.record.tables import ScoreTable, main_table


def seeds_table(run: RunDirectory) -> ScoreTable:
    """Mean over the seeds with its interval, standard deviation below; no columns where nothing was summarised.

    Methods that this run does not have are rows too. Raises InputError for a file of something else.
    """
    file = run.path / "scores" / "seeds.json"
    entries = read_json(file) if file.exists() else []
    try:
        scores = [_score(entry) for entry in entries]
        extras = {kind: {(e["method"], f"{e['metric']}/{e['value']}"): e[kind] for e in entries}
                  for kind in ("spread", "n")}
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: not made by python -m evaluation.merge seeds ({error!r})") from None
    return replace(main_table(_methods(run, scores), scores), extras=extras)


def _score(entry: dict) -> Score:
    mean = Value(entry["value"], entry["mean"], tuple(entry["interval"]), "", entry["higher_is_better"], entry["unit"])
    return Score(entry["metric"], entry["method"], [mean], {})


def _methods(run: RunDirectory, scores: list[Score]) -> list[Method]:
    """Those that have a score, the run's own first."""
    known = {method.name: method for method in [*run.methods(), *run.merged_methods()]}
    names = {score.method for score in scores} - {PHOTOS, FLOOR}
    return [known.get(name, Method(name, name)) for name in [*known, *sorted(names - set(known))] if name in names]
