"""The contents of the report as plain data for its template, in the order of a reader's questions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation import published
from evaluation.run_directory import Method, RunDirectory, Score
from reports.findings import doubts, people, trust, verdict
from reports.findings.ranking import ranking
from reports.findings.trainings import Evidence
from reports.page.reference_results import evidence, reference_results
from reports.reference import matching_reference
from reports.tables import facts
from reports.tables.classes import ClassTable, per_class_tables
from reports.tables.commands import commands, is_running
from reports.tables.names import dataset_title
from reports.tables.provenance import provenances
from reports.tables.published_values import named_protocol, published_table
from reports.tables.readable import ReadableRun
from reports.tables.scores import (
    ScoreTable,
    differences_table,
    main_table,
    reference_values,
    whole_run_tables,
)
from reports.tables.seeds import read_seeds
from writing.numbers import duration
from writing.words import capitalised

OPEN = ("segmentation", "distances")  # tables that are open from the start


def context(run: ReadableRun) -> dict[str, Any]:
    """Everything in the report that is not a picture."""
    methods, scores, record = run.methods(), run.scores(), run.config()
    rows = [*methods, *run.merged_methods()]
    table, classes, seeds = main_table(rows, scores), per_class_tables(rows, scores), read_seeds(run)
    differences, whole_run = differences_table(methods, scores), whole_run_tables(rows, scores)
    baselines, titles = {column.about.against for column in differences.columns}, {row.name: row.title for row in rows}
    dataset = record["config"]["data"]["dataset"]
    reference = matching_reference(run)
    studies, named = people.studies(run, methods), named_protocol(run)
    return _headline(run, record, rows, scores, table, seeds.n, evidence(run, reference)) | {
        "facts": facts.facts(run, record, methods, scores),
        "doubts_of_run": [*map(capitalised, run.problems), *doubts.judge(table), *doubts.unseen_classes(classes),
                          *doubts.smallest_p(record, differences), *doubts.mixed_precisions(rows)],
        "problems": [capitalised(line) for line in facts.problems(run, rows, scores, table)],
        "running": is_running(run),
        "reference_results": reference_results(run, reference),
        "people_sentence": people.sentence(studies),
        "agreement_sentences": people.agreement_sentences(scores),
        "methods": methods, "rows": rows, "duration": duration,
        "ranking": ranking(table),
        "metrics": _metrics(rows, scores, table, classes),
        "trust": trust.sentences(scores),
        "differences": differences, "baseline": ", ".join(titles.get(name, name) for name in sorted(baselines)),
        "seeds": seeds,
        "per_class": classes, "class_doubts": doubts.classes_above_photographs(classes),
        "agreement": whole_run.pop("agreement", None),
        "whole_run": {found.columns[0].metric_title: found for metric, found in whole_run.items()
                      if metric != trust.METRIC},
        "legend": facts.legend(run),
        "provenances": provenances(rows, scores),
        "versions": ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()),
        "published": published_table(dataset, rows, scores, named), "caution": published.caution(),
        "named_protocol": named,
        "preferences": people.preferences(), "studies": studies,
        "commands": commands(run),
        "config_text": json.dumps(record, indent=2, ensure_ascii=False),
    }


def _headline(run: RunDirectory, record: Mapping, rows: Sequence[Method], scores: Sequence[Score], table: ScoreTable,
              seeds: int, trained: Evidence) -> dict[str, Any]:
    layouts, first = len(run.layouts()), verdict.baseline(record, rows)
    height, width = record["config"]["data"]["size"]
    return {"title": verdict.title(record, rows, dataset_title(record["config"]["data"]["dataset"])),
            "subtitle": f"{layouts:,} validation layout{'s' if layouts != 1 else ''} at {height}×{width} pixels",
            "answer": verdict.answer(table, first, scores, rows),
            "findings": verdict.findings(table, scores, rows, trained, first),
            "budget": verdict.budget(record, rows, layouts, seeds, facts.independent_layouts(scores))}


def _metrics(rows: Sequence[Method], scores: Sequence[Score], table: ScoreTable,
             classes: Mapping[str, ClassTable]) -> list[dict[str, Any]]:
    """For each metric its table, doubts about it, and notes on how to read it."""
    lines = {p["metric"]: p["line"] for p in provenances(rows, scores)}
    notes, oracle, warnings = facts.interval_notes(scores), facts.oracle_notes(scores), doubts.warnings(scores)
    beyond = reference_values(rows, scores)
    found = []
    for heading, columns in table.shown().groups():
        metric = columns[0].metric
        own = table.shown().of_metric(metric)
        concerns = [*doubts.floor(own), *doubts.constant_scores(own), *warnings.get(metric, [])]
        hints = [oracle[metric]] if metric in oracle else []
        group = [score for score in scores if score.metric == metric]
        hints += [f"For comparison, independent draws would score: {text}" for text in facts.expectations(group)]
        hints += [f"{title}, more values: {'; '.join(f'{name} {text}' for name, text in values)}"
                  for title, values in reference_values(rows, group).items()] if beyond else []
        hints += notes.get(metric, [])
        found.append({"heading": heading, "metric": metric, "table": own, "doubts": concerns, "hints": hints,
                      "line": lines.get(metric, ""), "open": metric in OPEN})
    return found
