"""What the report says, as plain data for its template: facts of the run, tables, protocols, published values."""

import json
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import read_json
from evaluation.measuring.images import check_complete
from evaluation.measuring.published_order import TITLES
from evaluation.rundir import COMPARED, PHOTOS, Method, RunDirectory, Score
from human_study.analysis.published import SOURCE as PAPER
from human_study.analysis.published import TABLE_1, published_preference
from reports.record import published, tables
from reports.record.commands import commands, without_images
from reports.record.formatting import MISSING, duration
from reports.record.seeds import seeds_table

CONDITIONAL = ("modes", "differences", "agreement", "effects")  # metrics that many a run can have no score of


def context(run: RunDirectory) -> dict[str, Any]:
    """Everything in the report that is not a picture."""
    methods, scores, record = run.methods(), run.scores(), run.config()
    rows = [*methods, *run.merged_methods()]
    table = tables.main_table(rows, scores)
    whole_run = tables.whole_run_tables(rows, scores)
    config = record["config"]
    return {
        "title": run.path.resolve().name,
        "facts": facts(run, record, methods, scores),
        "methods": methods,
        "rows": rows,
        "duration": duration,
        "table": table,
        "interval_notes": interval_notes(scores),
        "oracle_notes": oracle_notes(scores),
        "per_class": tables.per_class_tables(rows, scores),
        "differences": tables.differences_table(methods, scores),
        "seeds": seeds_table(run),
        "reference_values": tables.reference_values(rows, scores),
        "agreement": whole_run.pop("agreement", None),
        "whole_run": {tables.metric_title(metric): found for metric, found in whole_run.items()},
        "warnings": tables.warnings(scores) + mixed_precisions(rows),
        "problems": problems(run, scores, table) + tables.stale_scores(rows, scores),
        "doubts": doubts(table),
        "legend": legend(run),
        "protocols": protocols(rows, scores),
        "published": published_table(config["data"]["dataset"], rows, scores),
        "caution": published.CAUTION,
        "preferences": preferences(),
        "studies": studies(run, methods),
        "commands": commands(run),
        "config_text": json.dumps(record, indent=2, ensure_ascii=False),
    }


def facts(run: RunDirectory, record: dict, methods: list[Method], scores: list[Score]) -> list[tuple[str, str]]:
    """What was run, as (label, text)."""
    config, data = record["config"], record["config"]["data"]
    height, width = data["size"]
    budgets = sorted({m.images_seen for m in methods if m.images_seen is not None})
    devices = sorted({str(score.protocol["device"]) for score in scores if "device" in score.protocol})
    found = [
        ("Preset", str(record.get("preset") or MISSING)),
        ("Dataset", data["dataset"] + (f", {data['train']} training pairs" if data.get("train") else "")),
        ("Scored", f"{len(run.layouts())} validation layouts, {height}×{width} pixels"),
        ("Budget", " / ".join(f"{n:,}" for n in budgets) + " images seen per method" if budgets else MISSING),
        ("Seed", str(config.get("seed", MISSING))),
        ("Trained in", ", ".join(sorted(trained_in(methods))) or MISSING),
        ("Device", ", ".join(devices) or str(config.get("device") or MISSING)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()) or MISSING),
    ]
    return [(label, text) for label, text in found if text != MISSING]


def problems(run: RunDirectory, scores: list[Score], table: tables.ScoreTable) -> list[str]:
    """What a reader expects and this run has not, one line each."""
    methods = run.methods()
    lines = [f"no images: {name} is configured but has not been synthesized" for name in without_images(run)]
    lines += [line for method in methods for line in _incomplete(run, method)]
    if not table.columns:
        lines.append("not scored: this run has no scores yet")
    elif PHOTOS not in {score.method for score in scores}:
        lines.append("not scored: the photographs (oracle row) are missing, so the judge itself is not checked")
    return lines + _unscored(run, scores) + tables.missing(methods, scores)


def _unscored(run: RunDirectory, scores: list[Score]) -> list[str]:
    asked = run.config()["config"].get("score", {}).get("metrics", [])
    absent = [name for name in asked if name not in (*CONDITIONAL, *(score.metric for score in scores))]
    return [f"not scored: {name} is in score.metrics, and has no scores" for name in absent if scores]


def _incomplete(run: RunDirectory, method: Method) -> list[str]:
    try:
        check_complete(run, method)
    except InputError as error:
        return [f"images of {method.title} do not fit the layouts: {error}"]
    return []


def doubts(table: tables.ScoreTable) -> list[str]:
    """Where methods score like the photographs or better: such a judge separates nothing, or has been fooled."""
    found = table.above_oracle()[:1]  # the first value says it; the others follow it
    return [f"judge in doubt: {'; '.join(titles)} {'reaches' if len(titles) == 1 else 'reach'} the {column.name} of "
            f"the photographs ({column.format(oracle.value)}); a score that does not put photographs first says little"
            for column, oracle, titles in found]


def interval_notes(scores: list[Score]) -> dict[str, list[str]]:
    """Why there is no interval -> names of the values; those of a comparison are named after other metrics' values, so
    the comparison is named with them."""
    found: dict[str, list[str]] = {}
    for score in scores:
        what = f" ({tables.metric_title(score.metric)})" if score.metric in COMPARED else ""
        for value in score.values:
            names = found.setdefault(value.interval_note or "not given", [])
            if value.interval is None and value.name + what not in names:
                names.append(value.name + what)
    return {note: names for note, names in found.items() if names}


def oracle_notes(scores: list[Score]) -> list[str]:
    """What the row of the photographs is for metrics in which it is not the photographs themselves."""
    return [f"{tables.metric_title(s.metric)}: the row of the photographs is {s.protocol['photographs']}, scored like "
            "a method’s images" for s in scores if s.method == PHOTOS and "photographs" in s.protocol]


def trained_in(methods: list[Method]) -> dict[str, list[str]]:
    """Precision -> titles of the methods that were trained in it."""
    found: dict[str, list[str]] = {}
    for method in methods:
        if method.precision:
            found.setdefault(method.precision, []).append(method.title)
    return found


def mixed_precisions(methods: list[Method]) -> list[str]:
    """Who was trained in what, where that is not the same for all."""
    found = trained_in(methods)
    who = [f"{', '.join(titles)} in {precision}" for precision, titles in sorted(found.items())]
    return [f"Methods were trained in different precisions: {'; '.join(who)}"] if len(found) > 1 else []


def legend(run: RunDirectory) -> list[tuple[str, str]]:
    """(class name, colour as #rrggbb)."""
    labels = run.labels()
    return [(name, "#{:02x}{:02x}{:02x}".format(*colour))
            for name, colour in zip(labels.names, labels.colours, strict=True)]


def protocols(methods: list[Method], scores: list[Score]) -> list[dict[str, Any]]:
    """Per metric: what all its scores share, and what differs, by method. Complete: every key of every protocol."""
    titles = {row.name: row.title for row in tables.table_rows(methods)}
    order = [*titles, *(score.method for score in scores)]
    return [_protocol(metric, sorted((s for s in scores if s.metric == metric), key=lambda s: order.index(s.method)),
                      titles) for metric in tables.metric_order(scores)]


def _protocol(metric: str, group: list[Score], titles: dict[str, str]) -> dict[str, Any]:
    keys = list(dict.fromkeys(key for score in group for key in score.protocol))
    shared = [key for key in keys if len({_text(score.protocol.get(key)) for score in group}) == 1]
    differing = [key for key in keys if key not in shared]
    return {"title": tables.metric_title(metric), "metric": metric,
            "shared": [(key, _text(group[0].protocol[key])) for key in shared], "differing": differing,
            "rows": [(titles.get(s.method, s.method), [_text(s.protocol.get(key)) for key in differing])
                     for s in group]}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else MISSING if value is None else json.dumps(value, ensure_ascii=False)


PUBLISHED_SCORES = ("mIoU", "pixel accuracy", "FID")


def published_table(dataset: str, methods: list[Method], scores: list[Score]) -> dict[str, Any]:
    """This run's rows above the published ones, in the unit of the publications; a score of another name stays out.

    Rows come in groups of one dataset, protocol and source.
    """
    ours = [{"title": row.title, "values": [_in_percent(row.name, score, scores) for score in PUBLISHED_SCORES]}
            for row in tables.table_rows(methods)]
    ours = [row for row in ours if set(row["values"]) != {MISSING}]
    groups = [{"dataset": dataset, "protocol": _own_protocol(scores), "source": "this run", "ours": True,
               "rows": ours}] if ours else []
    for row in published.for_dataset(dataset):
        place = {"dataset": row.dataset, "protocol": row.protocol, "source": row.source, "ours": False}
        if not groups or {key: groups[-1][key] for key in place} != place:
            groups.append(place | {"rows": []})
        groups[-1]["rows"].append({"title": row.title, "values": [_plain(row.values.get(s)) for s in PUBLISHED_SCORES]})
    return {"scores": PUBLISHED_SCORES, "groups": groups,
            "same_dataset": any(published.same_dataset(row, dataset) for row in published.PUBLISHED)}


def _in_percent(method: str, name: str, scores: list[Score]) -> str:
    found = (value for s in scores if s.method == method and (value := s.value(name)) and value.value is not None)
    value = next(found, None)
    if value is None:
        return MISSING
    return f"{value.value * (100 if name in published.PERCENT and value.unit != '%' else 1):.1f}"


def _plain(value: float | None) -> str:
    return MISSING if value is None else str(value)


def _own_protocol(scores: list[Score]) -> str:
    """The entries that move a published score most; the rest stands in the full list of protocols."""
    protocol = next((s.protocol for s in scores if any(s.value(name) for name in PUBLISHED_SCORES)), {})
    named = {key: value.get("name", value) if isinstance(value, dict) else value for key, value in protocol.items()}
    shown = [f"{key}: {_text(named[key])}" for key in ("judge", "image size", "N", "void") if key in named]
    return "; ".join(shown) or "see the protocol of every number"


def preferences() -> dict[str, Any]:
    """The paper's Table 1: percent of comparisons in which people chose CRN's image over the column's method."""
    columns = list(next(iter(TABLE_1.values())))
    names = {"cityscapes": "Cityscapes", "nyu": "NYU"}
    return {"columns": [TITLES[name] for name in columns], "source": PAPER,
            "rows": [(names.get(dataset, dataset), [row[name] for name in columns])
                     for dataset, row in TABLE_1.items()]}


def studies(run: RunDirectory, methods: list[Method]) -> list[dict[str, Any]]:
    """The run’s A/B batches: where they lie, what is in them, and the analysis of the responses where there is one."""
    return [_study(folder, methods) for folder in sorted(run.study.glob("*/")) if (folder / "public").is_dir()]


def _study(folder: Path, methods: list[Method]) -> dict[str, Any]:
    return {"name": folder.name, "folder": str(folder),
            "hits": sorted(file.name for file in (folder / "public").glob("*.csv")),
            "images": sum(1 for _ in (folder / "public" / "images").glob("*")),
            "responses": (folder / "responses.csv").is_file(),
            "analysis": _analysis(folder / "analysis" / "analysis.json", methods)}


def _analysis(file: Path, methods: list[Method]) -> dict[str, Any] | None:
    """Preferences of an analysed study, the paper's beside them; None without an analysis."""
    if not file.is_file():
        return None
    content = read_json(file)
    titles = {PHOTOS: "photographs"} | {method.name: method.title for method in methods}
    rows = [{"pair": f"{titles.get(p['a'], p['a'])} over {titles.get(p['b'], p['b'])}",
             "exposure": "unlimited" if p["exposure_ms"] is None else f"{p['exposure_ms']:g} ms",
             "percent": _percent(p["share"]), "clustered": _percents(p["clustered"]), "naive": _percents(p["naive"]),
             "n": p["n"], "paper": _percent(published_preference(p["a"], p["b"], p["exposure_ms"])),
             "verdict": p.get("verdict", "")} for p in content["preferences"]]
    return {"rows": rows, "simulated": content["identity"]["simulated"], "notes": content["notes"],
            "folder": str(file.parent)}


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f}"


def _percents(interval: list[float] | None) -> str:
    return MISSING if interval is None else f"[{_percent(interval[0])}, {_percent(interval[1])}]"
