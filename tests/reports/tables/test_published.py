"""Values of publications, and this run's beside them."""

import pytest

from data.errors import InputError
from data.files import write_json
from evaluation import published
from evaluation.run_directory import Method
from reports.tables.published_values import named_protocol, published_table
from tests.scores import score_of, tau, value_of


def test_published_values_spot_checks():
    crn = {(table.name, table.title): table.rows["CRN"] for table in published.tables() if "CRN" in table.rows}
    assert crn["spade", "Cityscapes"] == {"mIoU": 52.4, "pixel accuracy": 77.1, "FID": 104.7}
    assert crn["pix2pixhd", "Cityscapes"] == {"mIoU": 34.83, "pixel accuracy": 70.55}
    assert sum(len(table.rows) for table in published.tables()) == 4 + 2 + 4 + 4 + 2 + 3
    assert all(table.measured and table.source for table in published.tables())


def test_rows_of_the_same_dataset_come_first():
    assert {table.title for table in published.tables_for("ade20k")[:2]} == {"ADE20K"}
    assert published.tables_for("street")[0].title == "Cityscapes"


def test_this_runs_row_bears_the_protocol_of_its_segmentation():
    """Agreement has values of the same names, which are Kendall's tau and have another protocol."""
    scores = [score_of("agreement", "cityscapes", [tau(-0.8)], {"statistic": "Kendall's tau-b"}),
              score_of("segmentation", "crn", [value_of("mIoU", 0.5)],
                    {"judge": {"name": "a judge", "input size": [32, 64]}, "N": 20, "image size": [32, 64],
                     "void": "ignored"})]
    ours = published_table("street", [Method("crn", "CRN")], scores)["groups"][0]
    assert ours["rows"] == [{"title": "CRN", "values": ["50.0", "–", "–"]}]
    assert ours["protocol"] == "Judged by a judge at 32×64; 20 layouts at 32×64; void: ignored."


def test_beside_a_published_value_stands_the_one_that_keeps_its_protocol():
    """SPADE's pixel accuracy counts void, pix2pixHD's table has the plain one and no FID."""
    scores = [score_of("segmentation", "crn", [value_of("mIoU", 0.5), value_of("pixel accuracy", 0.863),
                                               value_of("pixel accuracy, void counted", 0.783)], {})]
    groups = published_table("cityscapes", [Method("crn", "CRN")], scores)["groups"]
    beside = {after["source"][:4]: before["rows"][0]["values"]
              for before, after in zip(groups, groups[1:], strict=False) if before["ours"]}
    assert beside == {"Park": ["50.0", "78.3", "–"], "Wang": ["50.0", "86.3", "–"]}
    assert any("pixel accuracy is this run’s “pixel accuracy, void counted”" in group["protocol"] for group in groups)


def test_the_published_protocol_asked_for_and_why_its_name_is_refused(tiny_run):
    assert named_protocol(tiny_run) is None
    found = {"asked for": "spade", "dataset": "cityscapes", "table": "SPADE, Table 1", "values": {"mIoU": "mIoU"},
             "kept by": ["FID"], "differs": {"mIoU": ["N is 12, not 500", "the judge is a, not b"], "FID": []},
             "needs": ["judge b"], "left open by the paper": ["the filter"]}
    write_json(file := tiny_run.path / "scores" / "protocol.json", found)
    said = named_protocol(tiny_run)
    assert said["verdict"] == "This run’s FID is measured as in SPADE, Table 1 (protocol spade)"
    assert said["refused"] == ["mIoU: N is 12, not 500; the judge is a, not b"] and said["needs"] == ["judge b"]
    groups = published_table("cityscapes", [], [], said | {"table": "Wang et al. 2018 (pix2pixHD), Table 1"})["groups"]
    assert [(group["source"][:4], group["same"]) for group in groups[:2]] == [("Wang", "FID"), ("Park", "")]
    write_json(file, found | {"kept by": [], "differs": {"FID": ["N is 12, not 500"]}})
    assert named_protocol(tiny_run)["verdict"].startswith("No value of this run bears the name of the protocol spade")
    write_json(file, found | {"kept by": ["FID", "mIoU"], "differs": {"FID": [], "mIoU": []}})
    assert named_protocol(tiny_run)["refused"] == named_protocol(tiny_run)["needs"] == []
    file.write_text("{}")
    with pytest.raises(InputError, match="protocol.json: not a record of a published protocol"):
        named_protocol(tiny_run)
