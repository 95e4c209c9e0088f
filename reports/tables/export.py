"""Tables of a run as files: CSV at full precision and LaTeX (booktabs) for a paper."""

from pathlib import Path

import pandas as pd

from data.files import write_text
from evaluation.run_directory import RunDirectory
from reports.tables import scores as tables
from reports.tables.classes import per_class_tables
from reports.tables.scores import Column, Row, ScoreTable
from reports.tables.seeds import read_seeds
from writing.numbers import MISSING, arrow
from writing.tables import latex, latex_escape


def export(run: RunDirectory, folder: Path) -> list[Path]:
    """Write every table of the run into `folder`; returns the files. None for a run without scores."""
    methods, scores = [*run.methods(), *run.merged_methods()], run.scores()
    score_tables = {"scores": tables.main_table(methods, scores),
                    "differences": tables.differences_table(methods, scores),
                    "seeds": read_seeds(run).table, **tables.whole_run_tables(methods, scores)}
    files: dict[str, str] = {}
    for name, table in score_tables.items():
        if table.columns:
            files |= {f"{name}.csv": table.frame().to_csv(index=False), f"{name}.tex": latex_table(table)}
    for name, table in per_class_tables(methods, scores).items():
        stem, frame = file_stem(name), table.titled()
        files |= {f"{stem}.csv": frame.to_csv(index_label="method"), f"{stem}.tex": latex_frame(frame)}
    for name, text in files.items():
        write_text(folder / name, text)
    return [folder / name for name in files]


def file_stem(name: str) -> str:
    """The name in letters, digits and hyphens, valid on any file system."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def latex_table(table: ScoreTable) -> str:
    """A booktabs tabular: headings by metric, intervals in small type, marked values bold, references apart."""
    header = [latex_escape(f"{column.heading} {arrow(column.higher_is_better)}".strip()) for column in table.columns]
    groups = [latex_escape(title) for title, group in table.groups() for _ in group]
    rows = [[latex_escape(row.title), *(_latex_cell(table, row, column) for column in table.columns)]
            for row in table.rows]
    methods = sum(not row.reference for row in table.rows)
    return "% needs \\usepackage{booktabs}; brackets: 95 % intervals\n" + latex(
        ["", *header], rows, groups=["", *groups], escape=False, align="c", rule_before=methods)


def _latex_cell(table: ScoreTable, row: Row, column: Column) -> str:
    value = table.cell(row, column)
    if value is None:
        return latex_escape(MISSING)
    text = column.format(value.value)
    text = rf"\textbf{{{text}}}" if table.is_marked(row, column) else text
    small = " ".join(filter(None, [column.format.interval(value.interval), latex_escape(table.note(row, column))]))
    return text + (rf" {{\scriptsize {small}}}" if small else "")


def latex_frame(frame: pd.DataFrame) -> str:
    """A table of numbers as booktabs LaTeX, three decimals."""
    rows = [[str(name), *(MISSING if pd.isna(number) else f"{number:.3f}" for number in line)]
            for name, line in zip(frame.index, frame.to_numpy(), strict=True)]
    return latex(["", *(str(name) for name in frame.columns)], rows)
