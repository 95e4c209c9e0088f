"""Score tables as sortable tables of numbers, with an interval beside each value and empty cells for missing ones."""

import pandas as pd
import streamlit as st

from reports.tables.scores import Column, ScoreTable
from writing.numbers import arrow


def heading(column: Column) -> str:
    return f"{column.heading} {arrow(column.higher_is_better)}".strip()


def numbers(table: ScoreTable, head: str = "Method") -> pd.DataFrame:
    """One row per table row with a value, its title in the column `head`. Each column is in its unit, followed by its
    interval as text."""
    rows = [row for row in table.rows if any(table.cell(row, column) for column in table.columns)]
    frame = pd.DataFrame({head: [row.title for row in rows]})
    for column in table.columns:
        cells = [table.cell(row, column) for row in rows]
        frame[heading(column)] = [cell.value / column.format.divisor if cell else None for cell in cells]
        if any(cell and cell.interval for cell in cells):
            frame[f"{heading(column)}, 95 %"] = [column.format.interval(cell.interval) if cell else ""
                                                 for cell in cells]
    return frame


def show_table(table: ScoreTable, key: str, head: str = "Method") -> None:
    frame = numbers(table, head)
    columns = {head: st.column_config.TextColumn(pinned=True)}
    for column in table.columns:
        name = heading(column)
        columns[name] = st.column_config.NumberColumn(name, format=f"%.{column.format.decimals}f")
        columns[f"{name}, 95 %"] = st.column_config.TextColumn("95 %", width=130)
    st.dataframe(frame, hide_index=True, key=key, column_config=columns, width="stretch", placeholder="–")
