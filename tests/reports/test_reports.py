"""Tables, figures and the HTML report, from small made-up runs."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.files import read_image, write_json, write_png
from evaluation import merge
from evaluation.rundir import FLOOR, PHOTOS, Method, RunDirectory, Score, Value
from human_study.analysis.outputs import write_analysis
from human_study.analysis.published import Counts
from human_study.analysis.results import analyse_counts
from reports import contact_sheet
from reports.figures import drawing as figures
from reports.page.sections import context
from reports.record import export, pictures, published, tables
from reports.record.commands import finish
from reports.record.formatting import duration, latex_escape, number_format
from reports.record.seeds import seeds_table
from reports.record.tables import Row
from reports.report import write_report

VOID_TAGS = {"meta", "link", "img", "input", "br", "hr", "path", "use"}
ODD = "odd <b>&\"'#%_name"  # a folder of images may bear any name that a file system takes


class Page(HTMLParser):
    """Checks that tags nest, and collects ids, links, images and text."""

    def __init__(self, text: str):
        super().__init__()
        self.stack, self.ids, self.links, self.images, self.texts, self.tags = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.stack, f"unclosed: {self.stack}"

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append((tag, values))
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[key] for key in ("href", "src", "xlink:href") if key in values]
        self.images += [values] if tag == "img" else []
        if tag not in VOID_TAGS:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID_TAGS:
            self.stack.pop()

    def handle_endtag(self, tag):
        if tag not in VOID_TAGS:
            assert self.stack and self.stack.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, text):
        if not self.stack or self.stack[-1] not in ("script", "style"):
            self.texts.append(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page_of(index: Path) -> Page:
    return Page(index.read_text(encoding="utf-8"))


def add_method(run: RunDirectory, name: str, title: str) -> None:
    shutil.copytree(run.method_folder("pix2pix"), run.method_folder(name))
    run.write_method(Method(name, title, kind="images", notes=["made <elsewhere>"]))


def remove_logs(run: RunDirectory) -> None:
    for file in run.path.glob("methods/*/log.csv"):
        file.unlink()


# --- formatting -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("values", "shown"), [
    ([0.52431, 0.1], ["0.524", "0.100"]),
    ([123.456, 1.5], ["123.5", "1.5"]),
    ([97_863_171, 5_400_000], ["97.86", "5.40"]),
    ([36_347, 3_131], ["36.35", "3.13"]),
    ([999_999, 9_999], ["1000.0", "10.0"]),
    ([9_999, 0.5], ["9999.0", "0.5"]),
    ([0.00123, -0.0000001], ["0.00123", "0.00000"]),
    ([7, 3, None], ["7", "3", "–"]),
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


def test_latex_escape_covers_every_special_character():
    assert latex_escape(r"a_b & 100% $x$ #1 {~^\}") == (
        r"a\_b \& 100\% \$x\$ \#1 \{\textasciitilde{}\textasciicircum{}\textbackslash{}\}")


def test_durations():
    assert [duration(s) for s in (0.5, 75.2, 7260, None)] == ["0.5 s", "1 min 15 s", "2 h 1 min", "–"]


# --- tables -----------------------------------------------------------------------------------------------------------

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
    assert tables.missing(tiny_run.methods(), tiny_run.scores()) == [
        "not scored: CRN, diversity has no new_metric score"]


def test_a_score_without_values_is_not_missing(tiny_run):
    for name, values in (("crn", [Value("parameters", 9.0, None, "exact count")]), ("crn_diversity", []),
                         ("pix2pix", [])):
        tiny_run.write_score(Score("cost", name, values, {}))
    assert tables.missing(tiny_run.methods(), tiny_run.scores()) == ["not scored: Image-space loss has no cost score"]


def test_scores_of_another_run_are_rows_without_images(scored_run):
    other = json.loads(json.dumps(merge.export_table(scored_run)).replace('"pix2pix"', '"oasis"'))
    merge.into_run(scored_run, other)
    rows = [*scored_run.methods(), *scored_run.merged_methods()]
    table = tables.main_table(rows, scored_run.scores())
    oasis = next(row for row in table.rows if row.name == "oasis")
    assert table.cell(oasis, table.columns[0]) == table.cell(Row("pix2pix", ""), table.columns[0])
    page = page_of(write_report(scored_run))
    assert "left out" not in page.text and "not scored" not in page.text
    assert "oasis: scores of the run run; no images in this one" in page.text
    assert not [image for image in page.images if "oasis" in image["src"]]


def test_methods_of_one_title_keep_their_own_numbers(scored_run):
    add_method(scored_run, "theirs", "CRN")
    scored_run.write_score(Score("segmentation", "theirs", [Value("mIoU", 0.1)], {}, {"mIoU": [0.1] * 12},
                                 {"IoU per class": {"road": 0.2}}))
    methods, scores = scored_run.methods(), scored_run.scores()
    classes = tables.per_class_tables(methods, scores)["IoU per class"]
    assert list(classes.values["road"][["crn", "theirs"]]) == [0.9, 0.2]
    assert {"CRN (crn)", "CRN (theirs)"} <= set(classes.titled().index)
    assert {"CRN (crn)", "CRN (theirs)"} <= {row.title for row in tables.main_table(methods, scores).rows}
    assert len(figures.training_curves(scored_run).axes) >= len(methods)
    assert "0.200" in page_of(write_report(scored_run)).text


def test_decimals_follow_the_intervals_too(scored_run):
    tau = [Value("mIoU", 1.0, (1 / 3, 1.0)), Value("FD-judge", 1.0, (0.6, 1.0))]
    scored_run.write_score(Score("agreement", "nyu", tau, {}))
    for name in ("crn", "pix2pix"):
        scored_run.write_score(Score("new_metric", name, [Value("share", 1.0, (0.25, 1.0))], {}))
    methods, scores = scored_run.methods(), scored_run.scores()
    whole, main = tables.whole_run_tables(methods, scores)["agreement"], tables.main_table(methods, scores)
    assert tables.cell_text(whole.cell(whole.rows[0], whole.columns[0]), whole.columns[0]) == "1.000 [0.333, 1.000]"
    assert tables.cell_text(main.cell(main.rows[0], main.columns[-1]), main.columns[-1]) == "1.000 [0.250, 1.000]"


def test_spread_over_seeds_is_a_table(scored_run):
    table = merge.export_table(scored_run)
    other = json.loads(json.dumps(table).replace('"pix2pix"', '"oasis"'))
    for score in other["scores"]:
        score["values"][0]["value"] += 0.2
    assert not seeds_table(scored_run).columns
    write_json(scored_run.path / "scores" / "seeds.json", merge.summarise_seeds([table, other]))
    found = seeds_table(scored_run)
    assert [row.name for row in found.rows] == ["crn", "crn_diversity", "image_space", PHOTOS]
    assert found.note(found.rows[0], found.columns[0]) == "spread 0.141, 2 seeds"
    assert found.columns[0].higher_is_better
    assert "Spread over training seeds" in page_of(write_report(scored_run)).text
    assert "segmentation/mIoU spread" in pd.read_csv(scored_run.report / "tables" / "seeds.csv").columns
    write_json(scored_run.path / "scores" / "seeds.json", [{"mean": 1}])
    with pytest.raises(InputError, match="seeds.json: not made by"):
        seeds_table(scored_run)


def test_values_of_the_floor_alone_make_no_column(scored_run):
    scored_run.write_score(Score("distances", FLOOR, [Value("FD-judge", 1.3, (1.0, 1.7), "", False),
                                                      Value("FD-judge, train against val", 0.9)], {}))
    methods, scores = scored_run.methods(), scored_run.scores()
    table = tables.main_table(methods, scores)
    assert [column.name for column in table.columns] == ["mIoU", "pixel accuracy", "FD-judge"]
    assert table.rows[-1].name == FLOOR
    assert tables.reference_values(methods, scores) == {
        "Photographs against photographs (floor)": [("FD-judge, train against val", "0.900")]}


def test_differences_are_marked_by_the_corrected_p_value(scored_run):
    for name, p in (("pix2pix", 0.0002), ("image_space", 0.2)):
        scored_run.write_score(Score("differences", name, [Value("mIoU minus crn", -0.1, (-0.2, -0.05), "", True)], {},
                                     details={"tests": {"mIoU": {"p": p / 2, "p (Holm)": p}}}))
    table = tables.differences_table(scored_run.methods(), scored_run.scores())
    assert [row.name for row in table.rows] == ["pix2pix", "image_space"]
    assert table.marked == {("pix2pix", "differences/mIoU minus crn")}
    assert table.note(table.rows[0], table.columns[0]) == "p < 0.001"
    assert table.frame()["differences/mIoU minus crn p"].tolist() == [0.0002, 0.2]
    main = tables.main_table(scored_run.methods(), scored_run.scores())
    assert "differences" not in {column.metric for column in main.columns}
    assert not tables.missing(scored_run.methods(), scored_run.scores())


def test_scores_of_the_whole_run_are_tables_of_their_own(scored_run):
    for order, tau in (("cityscapes", 0.6), ("nyu", 0.2)):
        scored_run.write_score(Score("agreement", order, [Value("mIoU", tau, (0, 1), "", True)], {},
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
    scored_run.write_score(Score("segmentation", "gone", [Value("mIoU", 0.9)], {}))
    methods, scores = scored_run.methods(), scored_run.scores()
    assert "gone" not in set(tables.main_table(methods, scores).frame()["name"])
    assert tables.stale_scores(methods, scores) == [
        "left out: scores/segmentation/gone.json is about a method without images in this run"]


def test_per_class_table_with_intervals_and_an_absent_class(scored_run):
    score = scored_run.scores("segmentation")[0]
    score.details = {"IoU per class": {"road": 0.9, "car": None}, "IoU per class, interval": {"road": [0.85, 0.95]}}
    scored_run.write_score(score)
    table = tables.per_class_tables(scored_run.methods(), scored_run.scores())["IoU per class"]
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
        score = next(s for s in scored_run.scores(metric) if s.method == "pix2pix")
        scored_run.write_score(Score(metric, "odd", score.values, score.protocol))
    text = next(f for f in export.export(scored_run, tmp_path) if f.name == "scores.tex").read_text()
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert any(line.startswith(r"100\% \& R\_1 \#2 & ") for line in rows)
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows if "multicolumn" not in row} == {3}
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert r"\textbf{0.700} {\scriptsize [0.680, 0.720]}" in text
    assert text.index("100\\%") < text.rindex(r"\midrule") < text.index("Photographs (oracle)")


def test_warnings_of_protocols_are_told_and_their_scores_stay_out_of_the_headline(scored_run):
    for name, number in (("crn", 20.0), ("image_space", 25.0)):
        scored_run.write_score(Score("reference", name, [Value("PSNR", number, (19, 26), "", True)],
                                     {"warning": "a blurred average scores well"}))
    scores = scored_run.scores()
    assert tables.warnings(scores) == ["For reference only: a blurred average scores well"]
    table = tables.main_table(scored_run.methods(), scores)
    assert "PSNR" in {column.name for column in table.columns}
    assert "PSNR" not in {column.name for column in table.headline().columns}


# --- published values -------------------------------------------------------------------------------------------------

def test_published_values_spot_checks():
    crn = {(row.dataset, row.protocol[:13]): row.values for row in published.PUBLISHED if row.method == "crn"}
    assert crn["Cityscapes", "judge DRN-D-1"] == {"mIoU": 52.4, "pixel accuracy": 77.1, "FID": 104.7}
    assert crn["Cityscapes", "judge PSPNet"] == {"mIoU": 34.83}
    assert len(published.PUBLISHED) == 4 + 2 + 4 + 4 + 2 + 1
    assert all(row.protocol and row.source for row in published.PUBLISHED)


def test_rows_of_the_same_dataset_come_first():
    assert {row.dataset for row in published.for_dataset("ade20k")[:4]} == {"ADE20K"}
    assert published.for_dataset("street")[0].dataset == "Cityscapes"


# --- pictures ---------------------------------------------------------------------------------------------------------

def test_evenly_spaced_names():
    assert pictures.evenly_spaced([str(i) for i in range(10)], 4) == ["0", "3", "6", "9"]
    assert pictures.evenly_spaced(["a", "b"], 4) == ["a", "b"]


def test_layout_picture_has_the_colours_of_the_classes(tiny_run, tmp_path):
    layout, labels = tiny_run.layout("00000"), tiny_run.labels()
    (tmp_path / "x.png").write_bytes(pictures.layout_png(layout, labels))
    assert (read_image(tmp_path / "x.png") == labels.colourise(layout)).all()
    with pytest.raises(InputError, match=r"class 9, expected 0\.\.3"):
        pictures.layout_png(np.full((2, 2), 9, np.uint8), labels)


def test_only_whole_png_files_are_shown(tiny_run, tmp_path):
    file = tiny_run.photo_file("00000")
    assert pictures.png_bytes(file) == file.read_bytes()
    (tmp_path / "cut.png").write_bytes(file.read_bytes()[:-20])
    (tmp_path / "fake.png").write_bytes(b"\xff\xd8\xff jpeg")
    for name, problem in (("cut.png", "truncated"), ("fake.png", "not a PNG"), ("none.png", "no such image")):
        with pytest.raises(InputError, match=problem):
            pictures.png_bytes(tmp_path / name)


def test_class_shares_sum_to_one():
    shares = pictures.class_shares(np.array([[0, 0], [2, 3]], np.uint8), 4)
    assert shares.tolist() == [0.5, 0, 0.25, 0.25]


# --- figures ----------------------------------------------------------------------------------------------------------

def test_figures_name_every_method_and_are_reproducible(scored_run):
    table = tables.main_table(scored_run.methods(), scored_run.scores())
    for make in (figures.scores, figures.trade_off):
        text = figures.svg(make(table))
        assert text == figures.svg(make(table))
        assert all(m.title in text for m in scored_run.methods())


def test_no_figure_without_numbers(tiny_run):
    table = tables.main_table(tiny_run.methods(), tiny_run.scores())
    assert figures.scores(table) is None
    assert figures.trade_off(table) is None


@pytest.mark.parametrize("content", [None, "", "step,images,seconds\n", "step,images,seconds,total\n", "\x00\x01"])
def test_a_log_without_numbers_is_no_curve(tiny_run, content):
    file = tiny_run.method_folder("crn") / "log.csv"
    file.unlink() if content is None else file.write_text(content)
    assert figures.read_log(tiny_run, "crn") is None
    assert figures.training_curves(tiny_run) is not None  # of the other methods


def test_log_keeps_loss_terms_only(tiny_run):
    assert list(figures.read_log(tiny_run, "crn").columns) == ["images", "total"]


# --- report -----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def report(read_only_run) -> Page:
    return page_of(write_report(read_only_run))


def test_report_is_well_formed_and_self_contained(read_only_run, report):
    assert len(report.ids) == len(set(report.ids))
    for link in report.links:
        if link.startswith("#"):
            assert link[1:] in report.ids
        elif not link.startswith("data:"):
            assert not re.match(r"[a-z]+:|/|\.\.", link), f"{link} leaves the folder"
            assert (read_only_run.report / unquote(link)).is_file(), link
    text = (read_only_run.report / "index.html").read_text()
    assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//|fetch\(|<script[^>]+src", text)


def test_report_shows_exact_copies(read_only_run, report):
    shown = {unquote(image["src"]) for image in report.images}
    assert {f"images/photos/{name}.png" for name in read_only_run.layouts()} <= shown
    for name in read_only_run.layouts():
        for method in read_only_run.methods():
            copy = read_only_run.report / "images" / "methods" / method.name / "images" / f"{name}.png"
            assert copy.read_bytes() == read_only_run.image_file(method.name, name).read_bytes()
    variants = [s for s in shown if "/variants/" in s]
    assert len(variants) == 6 * 3
    assert all(image["alt"] for image in report.images)


def test_report_prints_the_numbers_and_protocols_of_the_files(read_only_run, report):
    shown = {(values["data-key"], values["data-value"]) for tag, values in report.tags if "data-value" in values}
    assert shown == {(f"{s.metric}/{v.name}", str(v.value)) for s in read_only_run.scores() for v in s.values}
    for score in read_only_run.scores():
        for key, value in score.protocol.items():
            assert key in report.text and str(value) in report.text
    for expected in ("99.7 %", "GAN + semantic segmentation", "52.4", "104.7", "DRN-D-105", "no A/B batch",
                     "CRN, diversity: 3 images per layout"):
        assert expected.lower() in report.text.lower()


def test_report_of_a_run_without_scores_variants_and_logs(tiny_run):
    remove_logs(tiny_run)
    shutil.rmtree(tiny_run.method_folder("crn_diversity") / "variants")
    tiny_run.image_file("pix2pix", "00003").unlink()
    text = page_of(write_report(tiny_run)).text
    assert "not scored: this run has no scores yet" in text
    assert "2 (00003_1.png" not in text and "1 (00003) of 12 layouts missing" in text
    assert "No training logs" in text
    assert "No numbers yet" in text
    assert text.count("no such image") == 6 * 3 + 1


def test_a_judge_that_does_not_put_photographs_first_is_doubted(scored_run):
    write_report(scored_run)
    assert "judge in doubt" not in (scored_run.report / "index.html").read_text()
    score = next(s for s in scored_run.scores("segmentation") if s.method == "crn")
    score.values[0] = Value("mIoU", 0.95, (0.9, 1.0), "", True)
    scored_run.write_score(score)
    text = page_of(write_report(scored_run)).text
    assert "judge in doubt: CRN reaches the mIoU of the photographs (0.800)" in text


def test_report_names_what_is_missing(scored_run):
    shutil.rmtree(scored_run.method_folder("image_space"))
    scored_run.score_file("distances", "crn").unlink()
    scored_run.score_file("segmentation", PHOTOS).unlink()
    scored_run.score_file("distances", PHOTOS).unlink()
    text = page_of(write_report(scored_run)).text
    assert "no images: image_space is configured but has not been synthesized" in text
    assert "not scored: CRN has no distances score" in text
    assert "the photographs (oracle row) are missing" in text
    assert "left out: scores/segmentation/image_space.json" in text


def test_report_gives_the_command_that_made_the_run(tiny_run):
    command = "python -m evaluation.run --stages train --preset presets/mine.yaml --set 'seed=1' --data 'a b'"
    record = tiny_run.config() | {"command": command}
    write_json(tiny_run.path / "run.json", record)
    assert f"{command} --all" in page_of(write_report(tiny_run)).text
    shutil.rmtree(tiny_run.method_folder("pix2pix"))
    assert finish(tiny_run) == f"{command} --methods crn,crn_diversity,pix2pix,image_space --all"
    write_json(tiny_run.path / "run.json", record | {"command": ""})
    assert "To finish the run" not in page_of(write_report(tiny_run)).text


def test_a_metric_that_nobody_scored_is_named(scored_run):
    record = scored_run.config()
    record["config"]["score"] = {"metrics": ["segmentation", "diversity", "modes"]}
    write_json(scored_run.path / "run.json", record)
    assert "not scored: diversity is in score.metrics, and has no scores" in page_of(write_report(scored_run)).text


def test_the_renderers_row_is_not_called_photographs(scored_run):
    for name in ("crn", PHOTOS):
        told = {"photographs": "5 independent draws of the renderer for each layout"} if name == PHOTOS else {}
        scored_run.write_score(Score("modes", name, [Value("car colours covered", 0.4)], told))
    text = page_of(write_report(scored_run)).text
    assert "Coverage of known modes: the row of the photographs is 5 independent draws of the renderer" in text


def test_study_batch_and_analysis_are_shown(tiny_run):
    remove_logs(tiny_run)
    folder = tiny_run.study / "crn2017-unlimited"
    (folder / "public" / "images").mkdir(parents=True)
    (folder / "public" / "hits-01.csv").write_text("image_A_url_1\n")
    (folder / "public" / "images" / "a1.png").write_bytes(b"")
    text = page_of(write_report(tiny_run)).text
    assert "1 HIT table" in text and "hits-01.csv" in text and "1 images under opaque names" in text
    assert "No responses yet" in text and "human_study analyze" in text
    counts = [Counts("crn", "pix2pix", None, 97, 100), Counts("photos", "crn", 125.0, 515, 980)]
    write_analysis(analyse_counts(counts, "test study", "crn"), folder / "analysis")
    text = page_of(write_report(tiny_run)).text
    assert "CRN over pix2pix unlimited 97.0" in text
    assert "photographs over CRN 125 ms 52.6" in text and "96.9" in text
    assert "No responses yet" not in text


def test_odd_names_are_escaped_everywhere(scored_run):
    add_method(scored_run, ODD, ODD)
    page = page_of(write_report(scored_run))
    assert ODD in page.text
    assert not [values for tag, values in page.tags if tag == "b" and values]
    assert "made <elsewhere>" in page.text
    for link in page.links:
        assert link.startswith(("#", "data:")) or (scored_run.report / unquote(link)).is_file()


def test_second_report_drops_what_the_first_left(scored_run):
    write_report(scored_run)
    shutil.rmtree(scored_run.method_folder("pix2pix"))
    shutil.rmtree(scored_run.path / "scores")
    remove_logs(scored_run)
    second = write_report(scored_run).read_text()
    assert "not scored: this run has no scores yet" in second
    assert not (scored_run.report / "images" / "methods" / "pix2pix").exists()
    assert not list(scored_run.report.rglob("*.csv")) and not list(scored_run.report.rglob("*.svg"))
    assert second == write_report(scored_run).read_text()


def test_report_needs_layouts(tiny_run):
    shutil.rmtree(tiny_run.dataset / "layouts")
    with pytest.raises(InputError, match="no layouts"):
        write_report(tiny_run)


def test_large_images_are_shown_at_half_size(tiny_run):
    remove_logs(tiny_run)
    for name in tiny_run.layouts()[1:]:
        (tiny_run.dataset / "layouts" / f"{name}.png").unlink()
    write_png(tiny_run.dataset / "layouts" / "00000.png", np.zeros((4, 1024), np.uint8))
    text = write_report(tiny_run).read_text()
    assert "--w: 1024; --h: 4; --zoom: 0.5" in text


def test_report_in_a_browser(read_only_run, report, tmp_path, browser_page):
    """Copied elsewhere and opened from disk: every image arrives, exact, nothing else is asked for, no script fails."""
    copy = tmp_path / "copied elsewhere"
    shutil.copytree(read_only_run.report, copy)
    asked, failures = [], []
    page = browser_page
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: failures.append(request.url))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto((copy / "index.html").as_uri())
    page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].filter((image) => image.naturalWidth !== 64).length") == 0
    assert page.evaluate("getComputedStyle(document.images[0]).imageRendering") == "pixelated"
    width = "document.images[0].getBoundingClientRect().width"
    assert page.evaluate(width) == 64 * 3
    figure = page.locator("#gallery figure[data-key=pix2pix]").first
    assert figure.is_visible()
    page.get_by_label("pix2pix", exact=True).uncheck()
    assert not figure.is_visible()
    page.get_by_label("1×", exact=True).check()
    assert page.evaluate(width) == 64
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not failures
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_contact_sheet_holds_exact_pixels(scored_run, tmp_path):
    out = tmp_path / "sheet.png"
    assert contact_sheet.main(["--run", str(scored_run.path), "--out", str(out), "--layouts", "00003"]) == 0
    sheet, photo = read_image(out), read_image(scored_run.photo_file("00003"))
    scale = 256 // photo.shape[1]
    x, y = contact_sheet.GAP * 2 + photo.shape[1] * scale, contact_sheet.TITLE
    shown = sheet[y : y + photo.shape[0] * scale, x : x + photo.shape[1] * scale]
    assert np.array_equal(shown, photo.repeat(scale, 0).repeat(scale, 1))


def test_contact_sheet_of_a_run_without_layouts(tiny_run, tmp_path, capsys):
    shutil.rmtree(tiny_run.dataset / "layouts")
    with pytest.raises(SystemExit):
        contact_sheet.main(["--run", str(tiny_run.path), "--out", str(tmp_path / "x.png")])
    assert "no layouts" in capsys.readouterr().err


def test_contact_sheet_of_an_unknown_layout(scored_run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        contact_sheet.main(["--run", str(scored_run.path), "--out", str(tmp_path / "x.png"), "--layouts", "nowhere"])
    assert "no layout named nowhere" in capsys.readouterr().err


def test_methods_of_different_precision_are_told(scored_run):
    for method, precision in zip(scored_run.methods(), ["float32", "bf16", "bf16"], strict=False):
        scored_run.write_method(replace(method, precision=precision))
    said = "Methods were trained in different precisions: CRN, diversity, pix2pix in bf16; CRN in float32"
    assert said in context(scored_run)["warnings"]
    scored_run.write_method(replace(scored_run.methods()[0], precision="bf16"))
    assert not any("precision" in line for line in context(scored_run)["warnings"])
