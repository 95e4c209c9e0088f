"""The HTML report, from small made-up runs."""

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from data.errors import InputError
from data.files import write_json, write_png
from evaluation import merge
from evaluation.run_directory import PHOTOS, Method, RunDirectory, Score, Value
from human_study.analysis.outputs import write_analysis
from human_study.analysis.preference import PairCounts
from human_study.analysis.results import analyse, analyse_counts
from human_study.responses.table import make_responses
from reports.findings import people
from reports.report import write_report
from reports.tables import scores as tables
from reports.tables.commands import finish
from reports.tables.names import entry_text, entry_title
from reports.tables.scores import Row
from tests.scores import score_of, value_of

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
        for key, value in score.provenance.items():
            assert entry_title(key) in report.text and entry_text(value) in report.text
    for expected in ("99.7 %", "GAN + semantic segmentation", "52.4", "104.7", "DRN-D-105", "no task batch",
                     "CRN, diversity: 3 images per layout"):
        assert expected.lower() in report.text.lower()


def test_report_of_a_run_without_scores_variants_and_logs(tiny_run, no_figures):
    remove_logs(tiny_run)
    shutil.rmtree(tiny_run.method_folder("crn_diversity") / "variants")
    tiny_run.image_file("pix2pix", "00003").unlink()
    text = page_of(write_report(tiny_run)).text
    assert "Not scored: this run has no scores yet" in text
    assert "2 (00003_1.png" not in text and "1 (00003) of 12 layouts missing" in text
    assert "No training logs" in text
    assert "Not scored yet" in text and "No findings yet: this run has no scores" in text
    assert text.count("no such image") == 6 * 3 + 1


def test_a_judge_that_does_not_put_photographs_first_is_doubted(scored_run, no_figures):
    write_report(scored_run)
    assert "Judge in doubt" not in (scored_run.report / "index.html").read_text()
    score = next(s for s in scored_run.scores("segmentation") if s.method == "crn")
    score.values[0] = value_of("mIoU", 0.95, (0.9, 1.0))
    scored_run.write_score(score)
    text = page_of(write_report(scored_run)).text
    assert "Judge in doubt: CRN is at or above the mIoU of the photographs (0.800)" in text


def test_report_names_what_is_missing(scored_run, no_figures):
    shutil.rmtree(scored_run.method_folder("image_space"))
    scored_run.score_file("distances", "crn").unlink()
    scored_run.score_file("segmentation", PHOTOS).unlink()
    scored_run.score_file("distances", PHOTOS).unlink()
    text = page_of(write_report(scored_run)).text
    assert "No images: image_space is configured but has not been synthesized" in text
    assert "Not scored: Distance to the photographs of CRN" in text
    assert "the photographs (oracle row) are missing" in text
    assert "Left out: scores/segmentation/image_space.json" in text


def test_report_gives_the_command_that_made_the_run(tiny_run, no_figures):
    """For the folder where the run lies now: a copy must not go on in the folder that it was copied from."""
    command = "python -m evaluation.run --stages train --preset presets/mine.yaml --set 'seed=1' --data 'a b'"
    record = tiny_run.config() | {"command": f"{command} --out runs/elsewhere"}
    write_json(tiny_run.path / "run.json", record)
    now = f"{command.replace(chr(39) + 'seed=1' + chr(39), 'seed=1')}"
    assert f"{now} --out {tiny_run.path} --all" in page_of(write_report(tiny_run)).text
    shutil.rmtree(tiny_run.method_folder("pix2pix"))
    assert finish(tiny_run) == (f"{now} --methods crn,crn_diversity,pix2pix,image_space --out {tiny_run.path} --all")
    write_json(tiny_run.path / "run.json", record | {"command": ""})
    assert "To finish the run" not in page_of(write_report(tiny_run)).text


def test_a_run_that_goes_on_is_not_told_to_be_finished(tiny_run, no_figures):
    write_json(tiny_run.path / "run.json", tiny_run.config() | {"command": "python -m evaluation.run --all"})
    shutil.rmtree(tiny_run.method_folder("pix2pix") / "images")
    text = page_of(write_report(tiny_run)).text
    assert "The run has not ended" in text and "To finish the run" not in text
    for file in [*tiny_run.path.glob("methods/*/*"), *tiny_run.path.glob("judges/*/*")]:
        os.utime(file, (0, 0))
    text = page_of(write_report(tiny_run)).text
    assert "The run has not ended" not in text and "To finish the run" in text


def test_the_headline_stands_before_the_tables(scored_run, no_figures):
    text = page_of(write_report(scored_run)).text
    places = [text.index(part) for part in ("CRN and 3 other methods on street", "CRN is 1st of 4 by mIoU",
                                            "Chosen by a rule", "CRN leads among these checkpoints: mIoU 0.700",
                                            "small-scale demonstration", "rank 1",
                                            "Full provenance", "Appendix: the provenance")]
    assert places == sorted(places)


def test_images_alone_have_findings_a_ranking_and_no_command_that_finishes_nothing(tiny_run, no_figures):
    """Pictures of other systems, scored without judge and extractor."""
    record = tiny_run.config()
    command = "python -m evaluation.run --stages score,study,report --data d --images crn=a pix2pix=b"
    write_json(tiny_run.path / "run.json", record | {"command": command, "config": record["config"] | {"methods": []}})
    for name, psnr in (("crn", 20.0), ("pix2pix", 24.0)):
        value = Value("PSNR", psnr, (psnr - 1, psnr + 1), higher_is_better=True)
        tiny_run.write_score(Score("similarity", name, [value], {"N": 12}, {"PSNR": [psnr + i for i in range(12)]},
                                   title="Similarity to the photograph"))
    for name in ("crn_diversity", "image_space"):
        shutil.rmtree(tiny_run.method_folder(name))
    text = page_of(write_report(tiny_run)).text
    assert "CRN is 2nd of 2 by PSNR" in text and "pix2pix leads among these checkpoints: PSNR 24" in text
    assert "A judge (judge.source) would measure" in text and "An extractor (score.extractors)" in text
    assert "Not scored" not in text and "To finish the run" not in text and "rank 1" in text
    assert "the layout with the median PSNR" in text
    assert "--all" not in finish(tiny_run) and "--stages score,study,report" in finish(tiny_run)


def test_a_metric_that_nobody_scored_is_named(scored_run, no_figures):
    write_json(scored_run.metrics_file, {"segmentation": "Layout", "diversity": "Diversity and best of k"})
    write_json(scored_run.path / "scores" / "protocol.json", {
        "asked for": "spade", "table": "SPADE, Table 1", "kept by": [], "differs": {"FID": ["N is 12, not 500"]},
        "needs": ["FID: the official weights"], "left open by the paper": ["the filter"]})
    text = page_of(write_report(scored_run)).text
    assert "Not scored: Diversity and best of k (diversity in score.metrics)" in text
    assert "No value of this run bears the name of the protocol spade (SPADE, Table 1)" in text
    assert all(part in text for part in ("FID: N is 12, not 500", "FID: the official weights", "the filter"))


def test_the_renderers_row_is_not_called_photographs(scored_run, no_figures):
    for name in ("crn", PHOTOS):
        told = {"photographs": "5 independent draws of the renderer for each layout"} if name == PHOTOS else {}
        scored_run.write_score(score_of("modes", name, [value_of("car colours covered", 0.4)], told))
    text = page_of(write_report(scored_run)).text
    assert "The row of the photographs is 5 independent draws of the renderer" in text


def test_study_batch_and_analysis_are_shown(tiny_run, no_figures):
    remove_logs(tiny_run)
    folder = tiny_run.study / "crn2017-unlimited"
    (folder / "public" / "images").mkdir(parents=True)
    (folder / "public" / "hits-01.csv").write_text("image_A_url_1\n")
    (folder / "public" / "images" / "a1.png").write_bytes(b"")
    text = page_of(write_report(tiny_run)).text
    assert "1 HIT table" in text and "hits-01.csv" in text and "1 images with opaque names" in text
    assert "No responses yet" in text and "human_study analyze" in text
    counts = [PairCounts("crn", "pix2pix", None, 97, 100), PairCounts("photos", "crn", 125.0, 515, 980)]
    write_analysis(analyse_counts(counts, "test study", "crn"), folder / "analysis")
    text = page_of(write_report(tiny_run)).text
    assert "CRN over pix2pix unlimited 97.0" in text
    assert "photographs over CRN 125 ms 52.6" in text and "96.9" in text
    assert "No responses yet" not in text


def test_single_pictures_of_a_study_are_shown(tiny_run, no_figures):
    folder = tiny_run.study / "hype-infinity"
    (folder / "public" / "images").mkdir(parents=True)
    rows = [{"study_id": "s", "spec_sha256": "0", "platform": "local", "session_id": f"s{w}", "participant": f"w{w}",
             "trial_index": i, "trial_id": f"t{i}", "block": "test", "task": "real_or_fake", "layout": "single",
             "image_id": f"i{i % 4}", "sentinel": "none", "submit_status": "submitted", "shown": shown,
             "chosen": chosen, "condition": "photos_vs_crn", "adaptive": i > 7,
             "exposure_req_ms": 490.0 if i > 7 else None}
            for w in range(3) for i in range(16) for shown in (("photos", "crn")[i % 2],)
            for chosen in ("fake" if i % 4 == 3 else "real",)]
    write_analysis(analyse(make_responses(rows), "crn"), folder / "analysis")
    sentence = people.sentence(people.studies(tiny_run, tiny_run.methods()))
    assert "people were wrong about CRN in 25.0 % of 24 answers (chance: 50 %)" in sentence
    assert sentence.endswith("CRN at 490 ms.")
    text = page_of(write_report(tiny_run)).text
    assert "CRN unlimited 25.0" in text and "CRN 490 [490, 490] 3" in text


def test_odd_names_are_escaped_everywhere(scored_run, no_figures):
    add_method(scored_run, ODD, ODD)
    page = page_of(write_report(scored_run))
    assert ODD in page.text
    assert not [values for tag, values in page.tags if tag == "b" and values]
    assert "made <elsewhere>" in page.text
    for link in page.links:
        assert link.startswith(("#", "data:")) or (scored_run.report / unquote(link)).is_file()


def test_second_report_drops_what_the_first_left(scored_run, monkeypatch):
    monkeypatch.setattr("reports.page.figure_files.MOST_PROCESSES", 1)
    write_report(scored_run)
    shutil.rmtree(scored_run.method_folder("pix2pix"))
    shutil.rmtree(scored_run.path / "scores")
    remove_logs(scored_run)
    second = write_report(scored_run).read_text()
    assert "Not scored: this run has no scores yet" in second
    assert not (scored_run.report / "images" / "methods" / "pix2pix").exists()
    assert not list(scored_run.report.rglob("*.csv")) and not list(scored_run.report.rglob("*.svg"))
    assert second == write_report(scored_run).read_text()


def test_report_needs_layouts(tiny_run):
    shutil.rmtree(tiny_run.dataset / "layouts")
    with pytest.raises(InputError, match="no layouts"):
        write_report(tiny_run)


def test_large_images_are_shown_at_half_size(tiny_run, no_figures):
    remove_logs(tiny_run)
    for name in tiny_run.layouts()[1:]:
        (tiny_run.dataset / "layouts" / f"{name}.png").unlink()
    write_png(tiny_run.dataset / "layouts" / "00000.png", np.zeros((4, 1024), np.uint8))
    text = write_report(tiny_run).read_text()
    assert "--w: 1024; --h: 4; --zoom: 0.5" in text


def test_scores_of_another_run_are_rows_without_images(scored_run, no_figures):
    other = json.loads(json.dumps(merge.export_table(scored_run)).replace('"pix2pix"', '"oasis"'))
    merge.into_run(scored_run, other)
    rows = [*scored_run.methods(), *scored_run.merged_methods()]
    table = tables.main_table(rows, scored_run.scores())
    oasis = next(row for row in table.rows if row.name == "oasis")
    assert table.cell(oasis, table.columns[0]) == table.cell(Row("pix2pix", ""), table.columns[0])
    page = page_of(write_report(scored_run))
    assert "Left out" not in page.text and "Not scored" not in page.text
    assert "oasis: scores of the run run; no images in this one" in page.text
    assert not [image for image in page.images if "oasis" in image["src"]]
