"""Numbers and tables, from small made-up runs."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd

from evaluation.run_directory import FLOOR, PHOTOS, Method, RunDirectory, Score, Value
from evaluation.trainings import Trainings, training_of, write_trainings
from reports.tables import export
from reports.tables import scores as tables
from reports.tables.classes import per_class_tables
from reports.tables.seeds import read_seeds
from tests.scores import fd, moved, score_of, tau, value_of


def add_method(run: RunDirectory, name: str, title: str) -> None:
    shutil.copytree(run.method_folder("pix2pix"), run.method_folder(name))
    run.write_method(Method(name, title, kind="images", notes=["made <elsewhere>"]))


def test_table_holds_the_numbers_of_the_files(scored_run):
    table = tables.main_table(scored_run.methods(), scored_run.scores())
    frame = table.frame().set_index("name")
    for score in scored_run.scores():
        content = json.loads(scored_run.score_file(score.metric, score.method).read_text())
        for value in content["values"]:
            key = f"{score.metric}/{value['name']}"
            assert frame.loc[score.method, key] == value["value"]
            assert [frame.loc[score.method, f"{key} {end}"] for end in ("low", "high")] == value["interval"]


def test_reference_rows_stand_last_and_are_never_best(scored_run):
    table = tables.main_table(scored_run.methods(), scored_run.scores())
    assert [row.name for row in table.rows] == ["crn", "crn_diversity", "pix2pix", "image_space", PHOTOS]
    assert table.rows[-1].reference
    assert table.marked == {("crn", "segmentation/mIoU"), ("crn", "segmentation/pixel accuracy"),
                            ("crn", "distances/FD-judge")}


def test_ties_are_all_best_and_values_without_order_never(tiny_run):
    for name, number in (("crn", 3.0), ("pix2pix", 3.0), ("image_space", 1.0)):
        tiny_run.write_score(Score("new_metric", name, [Value("ordered", number, None, "exact", True),
                                                        Value("count", number, None, "exact")], {}))
    table = tables.main_table(tiny_run.methods(), tiny_run.scores())
    assert table.marked == {("crn", "new_metric/ordered"), ("pix2pix", "new_metric/ordered")}
    assert table.groups()[0][0] == "New metric"
    assert tables.missing(tiny_run.methods(), tiny_run.scores()) == ["not scored: New metric of CRN, diversity"]


def test_a_score_without_values_is_not_missing(tiny_run):
    for name, values in (("crn", [value_of("parameters", 9.0, None, "exact count")]), ("crn_diversity", []),
                         ("pix2pix", [])):
        tiny_run.write_score(score_of("cost", name, values))
    assert tables.missing(tiny_run.methods(), tiny_run.scores()) == ["not scored: Cost of Image-space loss"]


def test_methods_of_one_title_keep_their_own_numbers(scored_run):
    add_method(scored_run, "theirs", "CRN")
    scored_run.write_score(score_of("segmentation", "theirs", [value_of("mIoU", 0.1)], per_image={"mIoU": [0.1] * 12},
                                 details={"IoU per class": {"road": 0.2}}))
    methods, scores = scored_run.methods(), scored_run.scores()
    classes = per_class_tables(methods, scores)["IoU per class"]
    assert list(classes.values["road"][["crn", "theirs"]]) == [0.9, 0.2]
    assert {"CRN (crn)", "CRN (theirs)"} <= set(classes.titled().index)
    assert {"CRN (crn)", "CRN (theirs)"} <= {row.title for row in tables.main_table(methods, scores).rows}


def test_decimals_follow_the_intervals_too(scored_run):
    scored_run.write_score(score_of("agreement", "nyu", [tau(1.0, (1 / 3, 1.0)), fd(1.0, (0.6, 1.0))]))
    for name in ("crn", "pix2pix"):
        scored_run.write_score(Score("new_metric", name, [Value("share", 1.0, (0.25, 1.0))], {}))
    methods, scores = scored_run.methods(), scored_run.scores()
    whole, main = tables.whole_run_tables(methods, scores)["agreement"], tables.main_table(methods, scores)
    assert whole.columns[0].format.interval(whole.cell(whole.rows[0], whole.columns[0]).interval) == "[0.333, 1.000]"
    assert main.columns[-1].format.interval(main.cell(main.rows[0], main.columns[-1]).interval) == "[0.250, 1.000]"


def test_spread_over_seeds_is_a_table(scored_run):
    first = training_of(scored_run)
    second = moved(first, 1, 0.2)
    second.scores[:] = [replace(score, method="oasis" if score.method == "pix2pix" else score.method)
                        for score in second.scores]
    assert not read_seeds(scored_run).table.columns
    write_trainings(Trainings([first, second]), scored_run.trainings_file)
    found = read_seeds(scored_run).table
    assert [row.name for row in found.rows] == ["crn", "crn_diversity", "image_space", PHOTOS]
    assert found.note(found.rows[0], found.columns[0]) == "spread 0.141"
    assert found.columns[0].higher_is_better
    files = {file.name: file for file in export.export(scored_run, scored_run.report / "tables")}
    assert "segmentation/mIoU spread" in pd.read_csv(files["seeds.csv"]).columns


def test_values_of_the_floor_alone_make_no_column(scored_run):
    scored_run.write_score(score_of("distances", FLOOR, [fd(1.3, (1.0, 1.7)), fd(0.9, variant="train against val")]))
    methods, scores = scored_run.methods(), scored_run.scores()
    table = tables.main_table(methods, scores)
    assert [column.name for column in table.columns] == ["mIoU", "pixel accuracy", "FD-judge"]
    assert table.rows[-1].name == FLOOR
    assert tables.reference_values(methods, scores) == {
        "Photographs against photographs (floor)": [("Fréchet distance (judge), train against val", "0.900")]}


def test_differences_are_marked_by_the_corrected_p_value(scored_run):
    for name, p in (("pix2pix", 0.0002), ("image_space", 0.2)):
        scored_run.write_score(score_of("differences", name, [value_of("mIoU", -0.1, (-0.2, -0.05), against="crn")],
                                     details={"tests": {"mIoU minus crn": {"p": p / 2, "p (Holm)": p}}}))
    table = tables.differences_table(scored_run.methods(), scored_run.scores())
    assert [row.name for row in table.rows] == ["pix2pix", "image_space"]
    assert table.marked == {("pix2pix", "differences/mIoU minus crn")}
    assert table.note(table.rows[0], table.columns[0]) == "p < 0.001"
    assert [table.sense(row, table.columns[0]) for row in table.rows] == ["worse", ""]
    assert table.columns[0].heading == "mIoU minus CRN"
    assert table.frame()["differences/mIoU minus crn p"].tolist() == [0.0002, 0.2]
    main = tables.main_table(scored_run.methods(), scored_run.scores())
    assert "differences" not in {column.metric for column in main.columns}
    assert not tables.missing(scored_run.methods(), scored_run.scores())


def test_scores_of_the_whole_run_are_tables_of_their_own(scored_run):
    for order, found in (("cityscapes", 0.6), ("nyu", 0.2)):
        scored_run.write_score(score_of("agreement", order, [tau(found, (0, 1))],
                                     details={"p": {"mIoU": 0.01}, "p (Holm)": {"mIoU": 0.25},
                                              "tau of random orders, 95 %": {"mIoU": [-0.8, 0.8]}}))
    methods, scores = scored_run.methods(), scored_run.scores()
    table = tables.whole_run_tables(methods, scores)["agreement"]
    assert [column.name for column in table.columns] == ["cityscapes", "nyu"]
    assert [table.cell(table.rows[0], column).value for column in table.columns] == [0.6, 0.2]
    assert table.note(table.rows[0], table.columns[0]) == "p = 0.250, random ±0.800"
    assert table.frame()[["agreement/nyu p", "agreement/nyu random"]].to_numpy().tolist() == [[0.25, 0.8]]
    assert "agreement" not in {column.metric for column in tables.main_table(methods, scores).columns}
    assert not tables.stale_scores(methods, scores)


def test_score_of_a_method_without_images_is_named_and_left_out(scored_run):
    scored_run.write_score(score_of("segmentation", "gone", [value_of("mIoU", 0.9)]))
    methods, scores = scored_run.methods(), scored_run.scores()
    assert "gone" not in set(tables.main_table(methods, scores).frame()["name"])
    assert tables.stale_scores(methods, scores) == [
        "left out: scores/segmentation/gone.json is about a method without images in this run"]


def test_per_class_table_with_intervals_and_an_absent_class(scored_run):
    score = scored_run.scores("segmentation")[0]
    score.details = {"IoU per class": {"road": 0.9, "car": None}, "IoU per class, interval": {"road": [0.85, 0.95]}}
    scored_run.write_score(score)
    table = per_class_tables(scored_run.methods(), scored_run.scores())["IoU per class"]
    assert table.values.loc[score.method, "road"] == 0.9
    assert np.isnan(table.values.loc[score.method, "car"])
    assert table.intervals.loc[score.method, "road"] == "[0.850, 0.950]"
    assert table.intervals.loc[score.method, "car"] == ""
    assert table.titled().index[-1] == table.rows[-1].title == "Photographs (oracle)"


def test_exported_files_hold_the_same_numbers(scored_run, tmp_path):
    files = {file.name: file for file in export.export(scored_run, tmp_path / "tables")}
    frame = pd.read_csv(files["scores.csv"]).set_index("name")
    score = next(s for s in scored_run.scores("distances") if s.method == "pix2pix")
    assert frame.loc["pix2pix", "distances/FD-judge"] == score.values[0].value
    assert frame.loc["pix2pix", "distances/FD-judge high"] == score.values[0].interval[1]
    classes = pd.read_csv(files["iou-per-class.csv"]).set_index("method")
    assert classes.loc["CRN", "car"] == 0.5


def test_latex_is_escaped_and_balanced(scored_run, tmp_path):
    add_method(scored_run, "odd", "100% & R_1 #2")
    for metric in ("segmentation", "distances"):
        found = next(s for s in scored_run.scores(metric) if s.method == "pix2pix")
        scored_run.write_score(replace(found, method="odd"))
    text = next(f for f in export.export(scored_run, tmp_path) if f.name == "scores.tex").read_text()
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert any(line.startswith(r"100\% \& R\_1 \#2 & ") for line in rows)
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows if "multicolumn" not in row} == {3}
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert r"\textbf{0.700} {\scriptsize [0.680, 0.720]}" in text
    assert text.index("100\\%") < text.rindex(r"\midrule") < text.index("Photographs (oracle)")


def test_scores_are_ordered_by_their_resolution(scored_run):
    first = training_of(scored_run)
    write_trainings(Trainings([first, moved(first, 1, 0.01), moved(first, 2, -0.01)]), scored_run.trainings_file)
    seeds = read_seeds(scored_run)
    assert seeds.n == 3 and [column.name for column, _ in seeds.ratios()][0] == "FD-judge"


def test_a_score_with_one_value_and_what_draws_would_score_are_no_columns_to_compare(tiny_run):
    for name in ("crn", "pix2pix"):
        tiny_run.write_score(score_of("modes", name, [
            value_of("times of day covered", 0.25, (0.25, 0.25)),
            value_of("times of day covered", 0.25, None, "exact", draws=1)]))
    table = tables.main_table(tiny_run.methods(), tiny_run.scores())
    assert [column.name for column in table.shown().columns] == ["times of day covered"]
    assert [column.name for column in table.shown().constant()] == ["times of day covered"]
