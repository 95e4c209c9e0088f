"""This run's rows above published ones, in the unit of the publications."""

from collections.abc import Sequence
from typing import Any

from data.errors import InputError
from data.files import read_mapping
from evaluation import published
from evaluation.run_directory import Method, RunDirectory, Score
from reports.tables.names import dataset_title
from reports.tables.protocol import line
from reports.tables.scores import table_rows
from writing.numbers import MISSING
from writing.words import listed

COLUMNS = {"mIoU": "segmentation", "pixel accuracy": "segmentation", "FID": "distances"}  # score -> its metric


def published_table(dataset: str, methods: Sequence[Method], scores: Sequence[Score],
                    named: dict[str, Any] | None = None) -> dict[str, Any]:
    """Rows in groups of one dataset, protocol and source; this run's first, then those of the published table that the
    run asked for (`named`, see named_protocol). A score of another name stays out: a Fréchet distance on other features
    is no FID."""
    asked = named["table"] if named else ""
    ours = [{"title": row.title, "values": [_in_percent(row.name, name, scores) for name in COLUMNS]}
            for row in table_rows(methods)]
    ours = [row for row in ours if set(row["values"]) != {MISSING}]
    groups = [{"dataset": dataset_title(dataset), "protocol": _own_protocol(scores), "source": "this run", "ours": True,
               "same": "", "rows": ours}] if ours else []
    for table in published.tables_for(dataset, asked):
        same = listed(named["kept"]) if named and (table.dataset, table.source) == (dataset, asked) else ""
        rows = [{"title": title, "values": [str(values.get(name, MISSING)) for name in COLUMNS]}
                for title, values in table.rows.items()]
        groups.append({"dataset": table.title, "protocol": table.measured, "source": table.full_source, "ours": False,
                       "same": same, "rows": rows})
    return {"scores": list(COLUMNS), "groups": groups,
            "same_dataset": any(table.dataset == dataset for table in published.tables())}


def named_protocol(run: RunDirectory) -> dict[str, Any] | None:
    """What scores/protocol.json says of the published protocol that the run asked for (score.protocol), as sentences;
    None where it asked for none. `kept`: columns of the table whose values may bear its name."""
    if not (file := run.path / "scores" / "protocol.json").exists():
        return None
    found = read_mapping(file)
    try:
        name, table, kept = found["asked for"], found["table"], found["kept by"]
        refused = [f"{column}: {'; '.join(why)}" for column, why in found["differs"].items() if why]
        needs, left_open = found["needs"], found["left open by the paper"]
    except (KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{file}: not a record of a published protocol ({error!r}); delete it, and score again"
                         ) from None
    verdict = (f"This run’s {listed(kept)} {'is' if len(kept) == 1 else 'are'} measured as in {table} (protocol {name})"
               if kept else f"No value of this run bears the name of the protocol {name} ({table})")
    return {"name": name, "table": table, "kept": kept, "verdict": verdict, "refused": refused,
            "needs": needs if refused else [], "open": left_open}


def _in_percent(method: str, name: str, scores: Sequence[Score]) -> str:
    found = (value for s in scores if s.method == method and s.metric == COLUMNS[name]
             and (value := s.value(name)) and value.value is not None)
    value = next(found, None)
    if value is None:
        return MISSING
    return f"{value.value * (100 if name in published.PERCENT and value.unit != '%' else 1):.1f}"


def _own_protocol(scores: Sequence[Score]) -> str:
    """Of the metrics whose scores stand in the columns: judge, void rule, size and number."""
    lines = []
    for metric in dict.fromkeys(COLUMNS.values()):
        group = [s for s in scores if s.metric == metric and any(s.value(name) for name in COLUMNS)]
        lines += [line(group)] if group else []
    return " ".join(lines)
