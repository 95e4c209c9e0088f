"""Tables of text as Markdown and LaTeX. CSV, which contains numbers, is written by pandas' `to_csv`."""

from collections.abc import Sequence

import pandas as pd

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
          "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
          ">": r"\textgreater{}", "|": r"\textbar{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--",
          "×": r"$\times$"}


def latex_escape(text: str) -> str:
    """Plain text as LaTeX prints it, character for character."""
    return "".join(_LATEX.get(character, character) for character in text)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table. Cells are plain text: a pipe in one is escaped, a line break becomes a space."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |"
                     for line in lines)


def latex(header: Sequence[str], rows: Sequence[Sequence[str]], *, escape: bool = True, align: str = "r",
          groups: Sequence[str] = (), rule_before: int | None = None, caption: str = "", label: str = "") -> str:
    r"""A booktabs tabular; with a caption or a label inside a table environment.

    escape: whether cells, header and groups are plain text, not LaTeX (the caption is always escaped).
    align: of every column but the first, which is aligned left. groups: one heading per column, above the header;
    equal neighbours share one. rule_before: a \midrule precedes this row.
    """
    clean = latex_escape if escape else str
    columns: pd.Index = pd.Index([clean(name) for name in header])
    if groups:
        columns = pd.MultiIndex.from_arrays([[clean(name) for name in groups], columns])
    frame = pd.DataFrame([[clean(cell) for cell in row] for row in rows], columns=columns)
    text = frame.to_latex(index=False, escape=False, multicolumn_format="c",
                          column_format="l" + align * (len(header) - 1), caption=latex_escape(caption) or None,
                          label=label or None, position="htbp" if caption or label else None)
    lines = text.replace("\\begin{table}[htbp]\n", "\\begin{table}[htbp]\n\\centering\n").splitlines()
    if rule_before is not None and 0 < rule_before < len(rows):
        lines.insert(lines.index(r"\bottomrule") - (len(rows) - rule_before), r"\midrule")
    return "\n".join(lines) + "\n"
