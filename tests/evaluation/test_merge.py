"""Which tables of scores may stand together, and which may be summarised over training seeds."""

import copy

import numpy as np
import pytest
from scipy.stats import f_oneway

from data.errors import InputError
from data.files import write_json
from evaluation import merge
from evaluation.metrics.work import Context
from evaluation.run_directory import FLOOR, PHOTOS
from evaluation.scoring import score_run
from evaluation.statistics.intervals import resolution

SCORED = []  # the table, scored once


@pytest.fixture
def table(tiny_run, tiny_judge):
    if not SCORED:
        score_run(tiny_run, Context(tiny_judge, bootstrap=200),
                  ["segmentation", "distances", "diversity", "similarity"])
        SCORED.append(merge.export_table(tiny_run))
    return copy.deepcopy(SCORED[0])


def of(table, metric, method):
    return next(s for s in table["scores"] if (s["metric"], s["method"]) == (metric, method))


def elsewhere(table, names=("pix2pix", "oasis")):
    """The table of another machine, where one method has another name."""
    other = copy.deepcopy(table)
    for content in other["scores"]:
        content["method"] = names[1] if content["method"] == names[0] else content["method"]
        content["provenance"] |= {"versions": {"torch": "9"}, "inputs": "x", "interval": "95 %, another seed", "k": 7}
    return other


@pytest.mark.parametrize("metric, key", [
    ("distances", "kernel"), ("distances", "neighbours of precision and recall"), ("distances", "extractors"),
    ("diversity", "maps and LPIPS"), ("segmentation", "judge"), ("segmentation", "labels"), ("segmentation", "void"),
    ("segmentation", "dataset"), ("similarity", "SSIM")])
def test_rows_of_another_protocol_are_refused(table, metric, key):
    other = elsewhere(table)
    merge.merge_tables([table, other])
    assert key in of(other, metric, "oasis")["provenance"]
    of(other, metric, "oasis")["provenance"][key] = "another"
    with pytest.raises(InputError, match=rf"{metric}: 'oasis' and 'crn' .* differently \({key}\)"):
        merge.merge_tables([table, other])


def test_photographs_scored_on_two_machines_need_agree_only_nearly(table):
    for metric, method in (("segmentation", PHOTOS), ("distances", FLOOR)):
        other = copy.deepcopy(table)
        value = of(other, metric, method)["values"][0]
        value["value"] *= 1.0005
        assert merge.merge_tables([table, other])["scores"] == merge.merge_tables([table])["scores"]
        value["value"] *= 1.01
        with pytest.raises(InputError, match="given twice with different values"):
            merge.merge_tables([table, other])
    other = copy.deepcopy(table)
    of(other, "segmentation", "crn")["values"][0]["value"] *= 1.0005
    with pytest.raises(InputError, match="given twice with different values"):
        merge.merge_tables([table, other])


def test_a_method_may_be_called_photos_something(tiny_run, table):
    other = elsewhere(table, ("pix2pix", "photos_mine"))
    assert merge.into_run(tiny_run, other) == ["photos_mine"]
    of(other, "segmentation", "photos_mine")["provenance"]["void"] = "another"
    with pytest.raises(InputError, match="differently"):
        merge.merge_tables([table, other])


@pytest.mark.parametrize("key", ["dataset", "N", "image size"])
def test_seeds_of_other_photographs_are_refused(table, key):
    other = copy.deepcopy(table)
    for content in other["scores"]:
        content["values"][0]["value"] += 0.1
    assert merge.summarise_seeds([table, other])
    of(other, "distances", "crn")["provenance"][key] = "another"
    with pytest.raises(InputError, match=f"distances of 'crn' in table 2: another {key} .* only the training seed"):
        merge.summarise_seeds([table, other])


def test_one_table_is_not_two_seeds(table):
    other = copy.deepcopy(table)
    other["run"] = "a copy"
    with pytest.raises(InputError, match="table 1 and table 2 hold the same values"):
        merge.summarise_seeds([table, other])


@pytest.mark.parametrize("key", ["run", "methods", "scores"])
def test_half_a_table_is_named_in_one_line(table, tmp_path, capsys, key):
    del table[key]
    write_json(tmp_path / "t.json", table)
    with pytest.raises(SystemExit):
        merge.main(["merge", str(tmp_path / "t.json"), "--out", str(tmp_path / "out.json")])
    error = capsys.readouterr().err
    assert f"not a whole table of scores, without {key}" in error and "Traceback" not in error


def test_resolution_of_a_score_over_seeds(table):
    """Spread over methods over spread over seeds: by hand, and what chance gives."""
    values = np.array([[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]])
    found = resolution(values)
    assert found.ratio == pytest.approx(np.sqrt(50 - 1 / 3)) and (found.methods, found.seeds) == (2, 3)
    assert found.p == pytest.approx(f_oneway(*values).pvalue)
    rng = np.random.default_rng(0)
    chance = [resolution(rng.normal(size=(6, 3))) for _ in range(400)]
    assert np.mean([one.p < 0.05 for one in chance]) == pytest.approx(0.05, abs=0.03)
    assert np.median([one.ratio for one in chance]) < 0.5
    wide = [resolution(rng.normal(size=(40, 3)) + 4 * rng.normal(size=(40, 1))).ratio for _ in range(50)]
    assert np.mean(wide) == pytest.approx(4, rel=0.1)
    assert resolution(np.ones((3, 3))) is None and resolution(np.ones((1, 3))) is None


def test_seeds_table_holds_resolutions(table):
    tables, step = [copy.deepcopy(table) for _ in range(3)], 1e-3
    for i, one in enumerate(tables):
        for content in one["scores"]:
            for value in content["values"]:
                value["value"] += i * step
    rows = merge.summarise_seeds(tables)
    psnr = [row for row in rows if row["value"]["name"] == "PSNR"]
    means = np.array([row["value"]["value"] for row in psnr])
    assert len(psnr) == 4 and {row["resolution"]["methods"] for row in psnr} == {4}
    assert psnr[0]["resolution"]["ratio"] == pytest.approx(np.sqrt(means.var(ddof=1) / step**2 - 1 / 3))
    assert "F test" in psnr[0]["resolution"]["protocol"]
    assert all(row["resolution"] is None for row in rows if row["value"]["name"].endswith("same layouts"))
