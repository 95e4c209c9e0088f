"""The meaning of every column of a table of responses, as a table for readers in R, JASP or pandas."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from data.files import write_text
from human_study.responses.columns import COLUMNS, ResponseColumn

FILE = "codebook.csv"


def codebook(columns: Iterable[str]) -> pd.DataFrame:
    """One row per column of a table: name, type, values allowed (joined by "; "), range, whether it is never empty,
    meaning. Columns beyond COLUMNS are answers to the protocol's own questions."""
    known = {column.name: column for column in COLUMNS}
    rows = []
    for name in columns:
        own = f"answer to the protocol's question '{name.partition('_')[2]}'"
        column = known.get(name, ResponseColumn(name, "text", own))
        rows.append({"column": name, "type": column.kind, "values": "; ".join(column.values),
                     "minimum": column.minimum, "maximum": column.maximum, "never_empty": column.required,
                     "meaning": column.meaning})
    return pd.DataFrame(rows)


def write_codebook(frame: pd.DataFrame, folder: Path) -> None:
    write_text(folder / FILE, codebook(frame.columns).to_csv(index=False))
