"""Published protocols by name: what they set, and that no name is printed where anything differs."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from data.errors import InputError
from data.files import read_json
from evaluation import published
from evaluation.metrics.work import Context, Work
from evaluation.pipeline.call import make_preset
from evaluation.protocols import differences, named, named_protocol, needs
from evaluation.run import parser
from evaluation.scoring import score_run
from presets.schema import ScoreConfig


def work_of(wanted, **changes):
    """A stand-in for a run that keeps a protocol in everything but the changes."""
    name = wanted.judge["name"] if wanted.judge else None
    judge = {"name": name, "label mapping": {str(i): i for i in range(wanted.classes)}}
    given = {"n": wanted.layouts, "size": wanted.size or (8, 8), "judge": judge, "fid": wanted.columns.get("FID"),
             "classes": wanted.classes} | changes
    context = SimpleNamespace(judge=SimpleNamespace(provenance=given["judge"]) if given["judge"] else None)
    return SimpleNamespace(n=given["n"], measurements=SimpleNamespace(size=given["size"]), context=context,
                           extractors=[SimpleNamespace(extractor=SimpleNamespace(
                               quantity=lambda score: SimpleNamespace(name=given["fid"])))],
                           run=SimpleNamespace(labels=lambda: range(given["classes"] + 1)))


@pytest.mark.parametrize("name, dataset", [(name, dataset) for name, of in named().items() for dataset in of])
def test_a_name_is_kept_only_where_nothing_differs(name, dataset):
    table = named_protocol(name, dataset)
    wanted = table.protocol
    assert not any(differences(work_of(wanted), wanted).values())
    assert all(differences(work_of(wanted, n=wanted.layouts - 1), wanted).values())
    if wanted.size:
        assert all(differences(work_of(wanted, size=(64, 128)), wanted).values())
    other = differences(work_of(wanted, judge={"name": "another"}, fid="FID"), wanted)
    assert all(other.values()) and set(other) == set(wanted.columns)
    assert needs(wanted) and wanted.open and table.source


@pytest.mark.parametrize("change, problem", [
    ({"label mapping": {"0": 1, "1": 0} | {str(i): i for i in range(2, 19)}}, "mapped in another order"),
    ({"input size": [64, 128]}, "the judge sees images at 64x128, smaller than 256x512"),
    ({"name": "DRN-D-22"}, "the judge is DRN-D-22, not DRN-D-105")])
def test_a_judge_that_differs_in_one_fact_keeps_no_name(change, problem):
    wanted = named_protocol("spade", "cityscapes").protocol
    judge = {"name": "DRN-D-105", "label mapping": {str(i): i for i in range(19)}, "input size": [1024, 2048]}
    assert not any(differences(work_of(wanted, judge=judge), wanted).values())
    assert problem in differences(work_of(wanted, judge=judge | change), wanted)["mIoU"][0]


def test_every_filter_before_inception_has_a_source():
    tables = [table for of in named().values() for table in of.values() if table.protocol.fid_resize]
    assert tables and all("FID's resize filter" in table.protocol.sources for table in tables)
    assert differences(work_of(tables[0].protocol, fid="FID"), tables[0].protocol)["FID"] == [
        "no extractor is the official Inception behind torch-bilinear"]


def test_settings_of_a_protocol_and_ones_own_before_them():
    def preset_of(arguments):
        return make_preset(parser().parse_args(arguments), "cityscapes-256p")
    call = ["--stages", "report", "--preset", "cityscapes-256p", "--set", "score.protocol=spade"]
    preset = preset_of(call)
    assert preset.data.size == [256, 512] and preset.data.val is None
    assert [(c.kind, c.resize) for c in preset.score.extractors] == [("inception", "torch-bilinear")]
    preset = preset_of([*call, "data.size=[128, 256]"])
    assert preset.data.size == [128, 256]
    with pytest.raises(InputError, match="unknown protocol 'spad': did you mean 'spade'"):
        preset_of([*call[:-1], "score.protocol=spad"])
    for name in ("pix2pix-fcn", "freestyle"):
        with pytest.raises(InputError, match=f"'{name}' cannot be checked here: .*; known: oasis, pix2pixhd, spade$"):
            preset_of([*call[:-1], f"score.protocol={name}"])
    with pytest.raises(InputError, match="'spade' has no table on dataset 'street'; it has one on cityscapes"):
        named_protocol("spade", "street")


def test_a_run_lists_what_differs_and_prints_no_name(tiny_run, tiny_judge, monkeypatch):
    cityscapes = named_protocol("spade", "cityscapes")
    monkeypatch.setattr(published, "tables", lambda: [replace(cityscapes, dataset="street")])
    options = ScoreConfig(metrics=["similarity"], protocol="spade")
    score_run(tiny_run, Context(tiny_judge, bootstrap=200, options=options))
    found = read_json(tiny_run.path / "scores" / "protocol.json")
    assert found["kept by"] == [] and "N is 12, not 500" in found["differs"]["FID"]
    assert "the judge is random judge, not DRN-D-105" in found["differs"]["mIoU"]
    assert "published protocol" not in tiny_run.scores("similarity")[0].provenance
    context = Context(tiny_judge, bootstrap=200, options=ScoreConfig(metrics=["similarity"]))
    score_run(tiny_run, context)
    assert not (tiny_run.path / "scores" / "protocol.json").exists()
    assert "published protocol" not in Work(tiny_run, context).provenance()
