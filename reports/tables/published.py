"""Scores that papers report for CRN and its successors, each with the protocol it was measured under.

They were measured by other people, on retrained models, with other judges. They stand beside a run's own numbers so
that a reader can see the order of magnitude and the order of methods; none of them is a target to be matched exactly.
"""

from dataclasses import dataclass

PERCENT = ("mIoU", "pixel accuracy")  # published in percent; a run's own values of these names are fractions


@dataclass(frozen=True)
class PublishedRow:
    """What one paper reports for one method on one dataset.

    method: name of the method in this suite where it has one. values: score name -> number as printed (percent for
    PERCENT). protocol: judge or extractor, image size, number of images, as far as the source states them.
    """

    method: str
    title: str
    dataset: str
    values: dict[str, float]
    protocol: str
    source: str


_SPADE = "Park et al. 2019 (SPADE), Table 1; all methods retrained by its authors"
_SPADE_SCORES = ("mIoU", "pixel accuracy", "FID")
_SPADE_JUDGES = {
    "COCO-Stuff": "judge DeepLabV2, FID on Inception features",
    "ADE20K": "judge UperNet101, FID on Inception features",
    "ADE20K-outdoor": "judge UperNet101, FID on Inception features",
    "Cityscapes": "judge DRN-D-105, FID on Inception features, 256x512, 500 validation images",
}
_SPADE_TABLE = {
    "crn": ("CRN", {"COCO-Stuff": (23.7, 40.4, 70.4), "ADE20K": (22.4, 68.8, 73.3),
                    "ADE20K-outdoor": (16.5, 68.6, 99.0), "Cityscapes": (52.4, 77.1, 104.7)}),
    "sims": ("SIMS", {"ADE20K-outdoor": (13.1, 74.7, 67.7), "Cityscapes": (47.2, 75.5, 49.7)}),
    "pix2pixhd": ("pix2pixHD", {"COCO-Stuff": (14.6, 45.8, 111.5), "ADE20K": (20.3, 69.2, 81.8),
                                "ADE20K-outdoor": (17.4, 71.6, 97.8), "Cityscapes": (58.3, 81.4, 95.0)}),
    "spade": ("SPADE", {"COCO-Stuff": (37.4, 67.9, 22.6), "ADE20K": (38.5, 79.9, 33.9),
                        "ADE20K-outdoor": (30.8, 82.9, 63.3), "Cityscapes": (62.3, 81.9, 71.8)}),
}
_PIX2PIXHD = ("Wang et al. 2018 (pix2pixHD), Table 1; CRN stands below pix2pix on these scores, although people "
              "preferred CRN in 96.9 % of comparisons")
_OASIS = "Schönfeld et al. 2021 (OASIS)"

PUBLISHED: tuple[PublishedRow, ...] = (
    *(PublishedRow(method, title, dataset, dict(zip(_SPADE_SCORES, numbers, strict=True)), _SPADE_JUDGES[dataset],
                   _SPADE)
      for method, (title, table) in _SPADE_TABLE.items() for dataset, numbers in table.items()),
    PublishedRow("oasis", "OASIS", "Cityscapes", {"mIoU": 69.3, "FID": 47.7},
                 "judge: the authors' own DRN at 256x512, not published; LPIPS diversity 0.275", _OASIS),
    PublishedRow("oasis", "OASIS", "ADE20K", {"mIoU": 48.8, "FID": 28.3}, "LPIPS diversity 0.265", _OASIS),
    *(PublishedRow(method, title, "Cityscapes", {"mIoU": miou, "pixel accuracy": accuracy}, "judge PSPNet", _PIX2PIXHD)
      for method, title, miou, accuracy in (("pix2pix", "pix2pix", 39.48, 78.34), ("crn", "CRN", 34.83, 70.55),
                                            ("pix2pixhd", "pix2pixHD", 63.89, 83.78))),
)

CAUTION = (
    "For one and the same SPADE checkpoint on Cityscapes, projects that rebuilt the protocol report pixel accuracy "
    "81.9 or 93.5 (void counted or ignored) and FID 71.8 or about 63 (scale and resize filter); CRN's mIoU is 52.4 "
    "with one judge and 34.83 with another. Compare numbers only under equal protocols.")


def for_dataset(dataset: str, table: str = "") -> list[PublishedRow]:
    """Published rows, those on `dataset` (any spelling of case and hyphens) first, then Cityscapes, then the rest; of a
    dataset those of `table` first, where one is named."""
    def order(row: PublishedRow) -> tuple[bool, bool, str, bool, str]:
        return (not same_dataset(row, dataset), row.dataset != "Cityscapes", row.dataset,
                not row.source.startswith(table), row.protocol)

    return sorted(PUBLISHED, key=order)  # stable: the order above within one protocol


def same_dataset(row: PublishedRow, dataset: str) -> bool:
    return _plain(row.dataset) == _plain(dataset)


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
