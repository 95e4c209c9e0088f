"""Figures of the report and for a paper."""

from dataclasses import replace

import numpy as np
import pytest

from data.files import read_image, write_png
from evaluation.trainings import Trainings, training_of
from reports.figures import grids, people, scores, training
from reports.figures.budgets import curves
from reports.figures.style import BRIGHT, COLOURS, DPI, WIDTH, save, svg
from reports.findings.axes import leading_scores
from reports.findings.trainings import Evidence
from reports.page.figure_files import draw_figures
from reports.tables import scores as tables
from tests.scores import moved, score_of, tau, value_of


def test_figures_name_every_method_and_are_reproducible(scored_run):
    table = tables.main_table(scored_run.methods(), scored_run.scores())
    for make in (scores.leading, scores.every, scores.trade_off):
        text = svg(make(table))
        assert text == svg(make(table))
        assert all(m.title in text for m in scored_run.methods())


def test_no_figure_without_numbers(tiny_run):
    table = tables.main_table(tiny_run.methods(), tiny_run.scores())
    for make in (scores.leading, scores.every, scores.trade_off, scores.cost_quality):
        assert make(table) is None
    assert people.agreement(tiny_run.scores()) is None


def test_curves_over_budgets_show_every_training_and_where_a_single_run_is(scored_run):
    table, first = tables.main_table(scored_run.methods(), scored_run.scores()), training_of(scored_run)
    columns = [column for _, column in leading_scores(table)]
    one = Evidence(Trainings([first, moved(first, 1, 0.1)]), 100)
    assert curves(table, columns, one) is None
    several = Trainings([first, moved(first, 1, 0.1), moved(first, 0, 0.2, 1000)])
    figure = curves(table, columns, Evidence(several, 100))
    points = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    assert sorted(len(line.get_xdata()) for line in points) == [3, 3, 3, 3] and "this run" not in svg(figure)
    assert all(method.title in svg(figure) for method in scored_run.methods())
    assert "this run" in svg(curves(table, columns, Evidence(several, 100, " of the reference results street")))


@pytest.mark.parametrize("content", [None, "", "step,images,seconds\n", "step,images,seconds,total\n", "\x00\x01"])
def test_a_log_without_numbers_is_no_curve(tiny_run, content):
    assert list(training.read_log(tiny_run, "crn").columns) == ["images", "total"]
    file = tiny_run.method_folder("crn") / "log.csv"
    file.unlink() if content is None else file.write_text(content)
    assert training.read_log(tiny_run, "crn") is None
    assert training.curves(tiny_run) is not None  # of the other methods


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours #rrggbb."""
    def luminance(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.213, 0.715, 0.072))
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("i", range(len(COLOURS)))
def test_method_colours_can_be_seen_on_light_and_on_dark_pages(i):
    assert contrast(COLOURS[i], "#ffffff") >= 3
    assert contrast(BRIGHT[i], "#15181d") >= 4.5


def test_figures_for_a_paper_are_vectors_with_text_and_sharp_pixels(scored_run, tmp_path):
    figure = scores.leading(tables.main_table(scored_run.methods(), scored_run.scores()))
    files = {file.suffix: file for file in save(figure, tmp_path / "leading")}
    assert set(files) == {".pdf", ".png", ".svg"}
    assert files[".pdf"].read_bytes().startswith(b"%PDF")
    assert read_image(files[".png"]).shape[1] == pytest.approx(WIDTH * DPI, abs=1)
    again = scores.leading(tables.main_table(scored_run.methods(), scored_run.scores()))
    assert save(again, tmp_path / "again")[1].read_bytes() == files[".png"].read_bytes()


def test_grids_show_every_method_and_name_what_is_missing(scored_run, tmp_path):
    names = scored_run.layouts()[:2]
    scored_run.image_file("crn", names[0]).unlink()
    figure = grids.qualitative(scored_run, names)
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 2 * (2 + len(scored_run.methods())) - 1
    assert [text.get_text() for axis in figure.axes for text in axis.texts] == ["missing"]
    photo = read_image(scored_run.photo_file(names[0]))
    assert any(np.array_equal(axis.images[0].get_array(), photo) for axis in shown)
    method = next(m for m in scored_run.methods() if m.images_per_layout > 1)
    assert len(grids.diversity(scored_run, method, names).axes) == 2 * (2 + 3)


def test_curves_break_where_the_weights_change(tiny_run):
    method = next(m for m in tiny_run.methods() if m.name == "crn")
    tiny_run.write_method(replace(method, calibrated_at=40))
    axis = next(a for a in training.curves(tiny_run).axes if a.get_title(loc="left") == method.title)
    assert [list(line.get_xdata()) for line in axis.lines if line.get_label() == "weights set"] == [[40, 40]]


def test_samples_stand_beside_the_curves(tiny_run):
    assert training.over_time(tiny_run) is None
    strip = np.zeros((32, 128, 3), np.uint8)
    for step in (8, 16):
        write_png(tiny_run.method_folder("crn") / "samples" / f"step_{step:07d}.png", strip)
    figure = training.over_time(tiny_run)
    assert [axis.get_title(loc="left") for axis in figure.axes if axis.images] == ["step 8", "step 16"]
    assert {axis.images[0].get_array().shape for axis in figure.axes if axis.images} == {(32, 64, 3)}


def test_people_and_cost_figures(scored_run):
    for order in ("cityscapes", "nyu"):
        scored_run.write_score(score_of(
            "agreement", order, [tau(0.6, (0, 1))], subject=f"The paper’s order on {order}", details={
                "human order": {"crn": 50.0, "pix2pix": 3.1}, "tau of random orders, 95 %": {"mIoU": [-0.8, 0.8]}}))
    for i, method in enumerate(scored_run.methods()):
        scored_run.write_score(score_of("cost", method.name, [value_of("parameters", 10.0**i, None, "exact")]))
    table, found = tables.main_table(scored_run.methods(), scored_run.scores()), scored_run.scores()
    assert "the paper’s order on NYU" in svg(people.agreement(found)).lower().replace("nyu", "NYU")
    assert len(people.against_people(table, found).axes) == 2
    assert [axis.get_xscale() for axis in scores.cost_quality(table).axes] == ["log", "log"]


def test_every_figure_of_a_run_is_a_file(scored_run, tmp_path):
    drawn = draw_figures(scored_run, tmp_path, scored_run.layouts()[0])
    assert {"leading scores", "scores", "trade-off", "training", "qualitative", "diversity crn_diversity",
            "class IoU per class"} <= set(drawn)
    assert all((tmp_path / file).is_file() for figure in drawn.values() for file in figure.files)
    assert all(figure.svg is None or "var(--ink)" in figure.svg for figure in drawn.values())
    assert "var(--c0)" in drawn["leading scores"].svg
