"""Numbers, words and tables as text."""

import doctest
import importlib
import math

import pytest

from writing.numbers import number_format
from writing.tables import latex, latex_escape, markdown

SPECIAL = r"a_b & 100% $x$ #1 {~^\} <|>"


@pytest.mark.parametrize("module", ["numbers", "words", "tables"])
def test_the_examples_in_the_docstrings(module):
    assert doctest.testmod(importlib.import_module(f"writing.{module}")).failed == 0


@pytest.mark.parametrize(("values", "shown"), [
    ([0.52431, 0.1], ["0.524", "0.100"]),
    ([123.456, 1.5], ["123.5", "1.5"]),
    ([97_863_171, 5_400_000], ["97.86", "5.40"]),
    ([36_347, 3_131], ["36.35", "3.13"]),
    ([999_999, 9_999], ["1000.0", "10.0"]),
    ([9_999, 0.5], ["9999.0", "0.5"]),
    ([0.00123, -0.0000001], ["0.00123", "0.00000"]),
    ([7, 3, None], ["7", "3", "–"]),
    ([0.5, math.nan, math.inf], ["0.500", "–", "–"]),
    ([], []),
])
def test_one_number_format_per_column(values, shown):
    assert [number_format(values)(value) for value in values] == shown


def test_prefix_and_interval_follow_the_column():
    assert [number_format([v]).prefix for v in (9_999, 36_347, 2e6, 3e9, 4e12)] == ["", "k", "M", "G", "T"]
    form = number_format([97_863_171])
    assert form.prefix == "M"
    assert form.interval((97e6, 98.5e6)) == "[97.00, 98.50]"
    assert form.interval(None) == ""


def test_latex_escapes_every_special_character():
    assert latex_escape(SPECIAL) == (r"a\_b \& 100\% \$x\$ \#1 \{\textasciitilde{}\textasciicircum{}\textbackslash{}\} "
                                     r"\textless{}\textbar{}\textgreater{}")


def test_latex_tabular_with_groups_and_a_rule():
    text = latex(["method", "IoU", "time"], [["a_b", "0.5", "–"], ["photographs", "1", "2"]],
                 groups=["", "Layout", "Cost"], rule_before=1)
    assert text.splitlines() == [
        r"\begin{tabular}{lrr}", r"\toprule", r" & Layout & Cost \\", r"method & IoU & time \\", r"\midrule",
        r"a\_b & 0.5 & -- \\", r"\midrule", r"photographs & 1 & 2 \\", r"\bottomrule", r"\end{tabular}"]


def test_latex_with_a_caption_is_a_table_environment_and_takes_equal_headings():
    text = latex(["", "95 %", "95 %"], [["x", "1", "2"]], caption="Shares & more", label="tab:x")
    assert text.startswith("\\begin{table}[htbp]\n\\centering\n\\caption{Shares \\& more}\n\\label{tab:x}\n")
    assert r" & 95 \% & 95 \% \\" in text


def test_a_markdown_table_keeps_its_columns_whatever_the_cells_hold():
    assert markdown(["a", "b"], [["x|y", "two\nlines"]]) == "| a | b |\n| --- | --- |\n| x\\|y | two lines |"
