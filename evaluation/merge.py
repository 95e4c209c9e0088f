"""Scored tables as JSON: export one run's, merge those of several machines, put them into a run; several trainings.

    python -m evaluation.merge export runs/street --out street.json
    python -m evaluation.merge merge a.json b.json --out both.json
    python -m evaluation.merge into runs/street b.json
    python -m evaluation.merge trainings runs/seed-0 runs/seed-1 runs/seed-2 --out runs/seed-0/scores/trainings.json
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputError, one_line_errors
from data.files import read_json, write_json
from evaluation.run_directory import FLOOR, PHOTOS, Method, RunDirectory, Score, checked
from evaluation.trainings import Trainings, training_of, write_trainings

FORMAT = "semantic-image-synthesis scores 2"
OF_ONE_ROW = ("inputs", "images", "versions", "k", "interval", "independent layouts", "leaks",
              "published protocol", "merged from")  # all else must agree
REFERENCES = (PHOTOS, FLOOR)
NEARLY = {"rtol": 1e-3, "atol": 1e-6}  # the same photographs through the same network on two machines


def export_table(run: RunDirectory) -> dict[str, Any]:
    """All scores of a run and its methods, as one JSON value. Raises InputError when there are none."""
    scores = [score.to_json() for score in run.scores() if not score.comparison]
    if not scores:
        raise InputError(f"{run.path}: no scores to export; run the stage score first")
    methods = [*run.methods(), *run.merged_methods()]
    table = {"format": FORMAT, "run": run.path.name, "methods": {m.name: asdict(m) for m in methods}, "scores": scores}
    return json.loads(json.dumps(table))  # lists for tuples, as in a table that was read


def read_table(file: Path) -> dict[str, Any]:
    """A table written by `export`. Raises InputError naming the file."""
    table = read_json(file)
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise InputError(f"{file}: not a table of scores (made by python -m evaluation.merge export)")
    if missing := [key for key in ("run", "methods", "scores") if key not in table]:
        raise InputError(f"{file}: not a whole table of scores, without {', '.join(missing)}; export it again")
    try:
        for content in table["scores"]:
            Score.from_json(content)
        for name, about in table["methods"].items():
            checked(Method, about, f"{file}: '{name}' is not the record of a method")
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: a score or a method is not complete ({error})") from None
    return table


def merge_tables(tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One table of several. Equal scores are kept once, of nearly equal ones of the photographs the first. Raises
    InputError when two tables have different values of one score, or when the methods of a metric were measured on or
    with different things."""
    runs = " + ".join(dict.fromkeys(table["run"] for table in tables))
    merged: dict[str, Any] = {"format": FORMAT, "run": runs, "methods": {}, "scores": []}
    seen: dict[tuple[str, str], dict] = {}
    for table in tables:
        merged["methods"] |= {name: m for name, m in table["methods"].items() if name not in merged["methods"]}
        for content in table["scores"]:
            key = (content["metric"], content["method"])
            if key not in seen:
                seen[key] = content
            elif not _same_values(content, seen[key]):
                raise InputError(f"score {key[0]} of '{key[1]}' is given twice with different values; rename one of "
                                 "the methods, or leave one table out")
    merged["scores"] = [seen[key] for key in sorted(seen)]
    _check_comparable(merged["scores"])
    return merged


def _same_values(one: dict, other: dict) -> bool:
    """Whether a score is the same in two tables. Cost depends on the machine. The photographs are scored on every
    machine: their values must nearly agree; the renderer is drawn as often as a table's methods need (k)."""
    if one["metric"] == "cost" or one["method"] not in REFERENCES:
        return one["metric"] == "cost" or one["values"] == other["values"]
    a, b = ({value["name"]: value["value"] for value in content["values"]} for content in (one, other))
    names = [name for name in a if name in b]
    return one["provenance"].get("k") != other["provenance"].get("k") or np.allclose(
        [a[name] for name in names], [b[name] for name in names], **NEARLY)


def _check_comparable(scores: Sequence[dict]) -> None:
    """Raises InputError when two methods were scored in different ways. The photographs have their own number (N)."""
    first: dict[str, dict] = {}
    for content in scores:
        if content["metric"] == "cost" or content["method"] in REFERENCES:
            continue
        known = first.setdefault(content["metric"], content)
        a, b = content["provenance"], known["provenance"]
        if different := [key for key in {**b, **a} if key not in OF_ONE_ROW and a.get(key) != b.get(key)]:
            raise InputError(f"{content['metric']}: '{content['method']}' and '{known['method']}' were scored "
                             f"differently ({', '.join(different)}); their numbers cannot stand in one table")


def into_run(run: RunDirectory, table: dict[str, Any]) -> list[str]:
    """Write a table's scores of methods that the run does not have itself; returns their names. The rows appear in
    tables, without images. Raises InputError when they were scored in another way than the run's own methods."""
    own = {method.name for method in run.methods()}
    theirs = [content for content in table["scores"] if content["method"] not in {*own, *REFERENCES}]
    _check_comparable([*(score.to_json() for score in run.scores() if not score.comparison), *theirs])
    for content in theirs:
        content["provenance"]["merged from"] = table["run"]
        run.write_score(Score.from_json(content))
    names = sorted({content["method"] for content in theirs})
    known = {method.name: asdict(method) for method in run.merged_methods()}
    write_json(run.merged_file, known | {name: _merged_method(table, name) for name in names})
    return names


def _merged_method(table: dict[str, Any], name: str) -> dict[str, Any]:
    about = Method(**table["methods"].get(name, {"name": name, "title": name}))
    return asdict(replace(about, notes=[*about.notes, f"scores of the run {table['run']}; no images in this one"]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m evaluation.merge", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write a run's scores as one JSON file")
    export.add_argument("run")
    into = commands.add_parser("into", help="add the scores of a table to a run")
    into.add_argument("run")
    into.add_argument("tables", nargs="+", type=Path)
    merge = commands.add_parser("merge", help="merge tables of several machines")
    merge.add_argument("tables", nargs="+", type=Path)
    trainings = commands.add_parser("trainings", help="scores of several trainings (seeds, budgets) as one file")
    trainings.add_argument("runs", nargs="+")
    for command in ("export", "merge", "trainings"):
        commands.choices[command].add_argument("--out", type=Path, required=True)
    with one_line_errors("evaluation.merge"):
        _run(parser.parse_args(arguments))


def _run(options: argparse.Namespace) -> None:
    if options.command == "export":
        write_json(options.out, export_table(RunDirectory.open(options.run)))
    elif options.command == "into":
        run = RunDirectory.open(options.run)
        for file in options.tables:
            print(f"{file}: added {', '.join(into_run(run, read_table(file))) or 'nothing'}")
        return
    elif options.command == "merge":
        write_json(options.out, merge_tables([read_table(file) for file in options.tables]))
    else:
        runs = [RunDirectory.open(run) for run in options.runs]
        write_trainings(Trainings([training_of(run) for run in runs]), options.out)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
