"""Values of publications, and this run's beside them."""

from evaluation.rundir import Method, Score, Value
from reports.record import published
from reports.record.beside import published_table


def test_published_values_spot_checks():
    crn = {(row.dataset, row.protocol[:13]): row.values for row in published.PUBLISHED if row.method == "crn"}
    assert crn["Cityscapes", "judge DRN-D-1"] == {"mIoU": 52.4, "pixel accuracy": 77.1, "FID": 104.7}
    assert crn["Cityscapes", "judge PSPNet"] == {"mIoU": 34.83, "pixel accuracy": 70.55}
    assert len(published.PUBLISHED) == 4 + 2 + 4 + 4 + 2 + 3
    assert "pix2pix" in {row.method for row in published.PUBLISHED}
    assert all(row.protocol and row.source for row in published.PUBLISHED)


def test_rows_of_the_same_dataset_come_first():
    assert {row.dataset for row in published.for_dataset("ade20k")[:4]} == {"ADE20K"}
    assert published.for_dataset("street")[0].dataset == "Cityscapes"


def test_this_runs_row_bears_the_protocol_of_its_segmentation():
    """Agreement has values of the same names, which are Kendall's tau and have another protocol."""
    scores = [Score("agreement", "cityscapes", [Value("mIoU", -0.8)], {"statistic": "Kendall's tau-b"}),
              Score("segmentation", "crn", [Value("mIoU", 0.5)],
                    {"judge": {"name": "a judge", "input size": [32, 64]}, "N": 20, "image size": [32, 64],
                     "void": "ignored"})]
    ours = published_table("street", [Method("crn", "CRN")], scores)["groups"][0]
    assert ours["rows"] == [{"title": "CRN", "values": ["50.0", "–", "–"]}]
    assert ours["protocol"] == "Judged by a judge at 32×64; 20 layouts at 32×64; void: ignored."
