"""Published values with this run's values above them, in the unit of the publications."""

from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import InputError
from data.files import read_mapping
from evaluation import published
from evaluation.run_directory import Method, RunDirectory, Score
from reports.tables.names import dataset_title
from reports.tables.provenance import line
from reports.tables.scores import table_rows
from writing.numbers import MISSING
from writing.words import listed

COLUMNS = {"mIoU": "segmentation", "pixel accuracy": "segmentation", "FID": "distances"}  # score -> its metric


def published_table(dataset: str, methods: Sequence[Method], scores: Sequence[Score],
                    named: dict[str, Any] | None = None) -> dict[str, Any]:
    """Rows in groups of one dataset, protocol and source. This run's rows precede every table on its dataset, with the
    score in each column that is measured like the table's; without such a table they come once, at the top. The table
    of the run's published protocol (`named`, see named_protocol) is first. Scores with other names are left out: a
    Fréchet distance on other features is not an FID."""
    asked = named["table"] if named else ""
    same_dataset = any(table.dataset == dataset for table in published.tables())
    groups = [] if same_dataset else _own(dataset, methods, scores, dict(zip(COLUMNS, COLUMNS, strict=True)))
    for table in published.tables_for(dataset, asked):
        if table.dataset == dataset and table.protocol:
            groups += _own(dataset, methods, scores, table.protocol.columns)
        same = listed(named["kept"]) if named and (table.dataset, table.source) == (dataset, asked) else ""
        rows = [{"title": title, "values": [str(values.get(name, MISSING)) for name in COLUMNS]}
                for title, values in table.rows.items()]
        groups.append({"dataset": table.title, "protocol": table.measured, "source": table.full_source, "ours": False,
                       "same": same, "rows": rows})
    return {"scores": list(COLUMNS), "groups": groups, "same_dataset": same_dataset}


def _own(dataset: str, methods: Sequence[Method], scores: Sequence[Score],
         columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """This run's group, from column -> score; empty without these scores."""
    rows = [{"title": row.title, "values": [_in_percent(row.name, column, columns.get(column), scores)
                                            for column in COLUMNS]} for row in table_rows(methods)]
    rows = [row for row in rows if set(row["values"]) != {MISSING}]
    other = [f"{column} is this run’s “{score}”." for column, score in columns.items() if score != column]
    return [{"dataset": dataset_title(dataset), "protocol": " ".join([_own_protocol(scores), *other]),
             "source": "this run", "ours": True, "same": "", "rows": rows}] if rows else []


def named_protocol(run: RunDirectory) -> dict[str, Any] | None:
    """The content of scores/protocol.json on the run's published protocol (score.protocol), as sentences; None without
    one. kept: columns of the table whose values may bear its name."""
    if not (file := run.path / "scores" / "protocol.json").exists():
        return None
    found = read_mapping(file)
    try:
        name, table, kept = found["asked for"], found["table"], found["kept by"]
        refused = [f"{column}: {'; '.join(why)}" for column, why in found["differs"].items() if why]
        needs, left_open = found["needs"], found["left open by the paper"]
    except (KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{file}: not a record of a published protocol ({error!r}); delete it and score again"
                         ) from None
    verdict = (f"This run’s {listed(kept)} {'is' if len(kept) == 1 else 'are'} measured as in {table} (protocol {name})"
               if kept else f"No value of this run bears the name of the protocol {name} ({table})")
    return {"name": name, "table": table, "kept": kept, "verdict": verdict, "refused": refused,
            "needs": needs if refused else [], "open": left_open, "unchecked": found.get("not checked", [])}


def _in_percent(method: str, column: str, name: str | None, scores: Sequence[Score]) -> str:
    found = (value for s in scores if name and s.method == method and s.metric == COLUMNS[column]
             and (value := s.value(name)) and value.value is not None)
    value = next(found, None)
    if value is None:
        return MISSING
    return f"{value.value * (100 if column in published.PERCENT and value.unit != '%' else 1):.1f}"


def _own_protocol(scores: Sequence[Score]) -> str:
    """Provenance of the metrics in the columns: judge, void rule, size and number."""
    lines = []
    for metric in dict.fromkeys(COLUMNS.values()):
        group = [s for s in scores if s.metric == metric and any(s.value(name) for name in COLUMNS)]
        lines += [line(group)] if group else []
    return " ".join(lines)
