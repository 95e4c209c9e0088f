"""Which tables of scores may stand together."""

import copy

import pytest

from data.errors import InputError
from data.files import write_json
from evaluation import merge
from evaluation.metrics.work import Context
from evaluation.run_directory import FLOOR, PHOTOS
from evaluation.scoring import score_run

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
def test_rows_of_another_provenance_are_refused(table, metric, key):
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


def test_tables_of_two_machines(scored_run, tmp_path):
    """On the command line; a row that both have stands once."""
    merge.main(["export", str(scored_run.path), "--out", str(tmp_path / "a.json")])
    table = merge.read_table(tmp_path / "a.json")
    write_json(tmp_path / "b.json", elsewhere(table))
    merge.main(["merge", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--out", str(tmp_path / "c.json")])
    merged = merge.read_table(tmp_path / "c.json")
    assert merged["methods"]["crn"]["title"] == "CRN"
    methods = {score["method"] for score in merged["scores"] if score["metric"] == "segmentation"}
    assert methods == {"photos", "crn", "crn_diversity", "pix2pix", "image_space", "oasis"}
    assert merge.merge_tables([table, table])["scores"] == merge.merge_tables([table])["scores"]


def test_rows_of_another_machine_in_a_run(scored_run):
    table = merge.export_table(scored_run)
    assert merge.into_run(scored_run, elsewhere(table)) == ["oasis"]
    found = next(score for score in scored_run.scores("distances") if score.method == "oasis")
    assert found.provenance["merged from"] == "run"
    merge.into_run(scored_run, elsewhere(table, ("pix2pix", "spade")))
    assert [method.name for method in scored_run.merged_methods()] == ["oasis", "spade"]
    assert "oasis" in merge.export_table(scored_run)["methods"]


def test_a_method_may_be_called_photos_something(tiny_run, table):
    other = elsewhere(table, ("pix2pix", "photos_mine"))
    assert merge.into_run(tiny_run, other) == ["photos_mine"]
    of(other, "segmentation", "photos_mine")["provenance"]["void"] = "another"
    with pytest.raises(InputError, match="differently"):
        merge.merge_tables([table, other])


@pytest.mark.parametrize("key", ["run", "methods", "scores"])
def test_half_a_table_is_named_in_one_line(table, tmp_path, capsys, key):
    del table[key]
    write_json(tmp_path / "t.json", table)
    with pytest.raises(SystemExit):
        merge.main(["merge", str(tmp_path / "t.json"), "--out", str(tmp_path / "out.json")])
    error = capsys.readouterr().err
    assert f"not a whole table of scores, without {key}" in error and "Traceback" not in error
