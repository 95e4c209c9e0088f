"""The preference values and counts of the paper's Table 1 and Figure 4, to compare with and to test the analysis on.

Chen & Koltun, "Photographic Image Synthesis with Cascaded Refinement Networks", ICCV 2017. Table 1 is printed as
percentages without the number of judgments; the counts behind Figure 4 are read from the figure's vector data.
"""

from dataclasses import dataclass

from evaluation.statistics.published_order import TABLE_1
from human_study.protocol.matlab import EXPOSURES_MS

SOURCE = "Chen & Koltun, ICCV 2017"
FIGURE_4_JUDGMENTS = 980  # per point
# judgments, of 980, for the method named first, Cityscapes, by exposure
FIGURE_4 = {
    ("photos", "pix2pix"): (710, 833, 932, 965, 963, 964, 973),
    ("crn", "pix2pix"): (719, 823, 856, 898, 905, 912, 896),
    ("photos", "crn"): (515, 562, 629, 785, 863, 846, 893),
}


@dataclass(frozen=True)
class Counts:
    """Votes for method `a` against method `b`; exposure_ms None means unlimited time."""

    a: str
    b: str
    exposure_ms: float | None
    wins: int
    n: int


def figure_4_counts() -> list[Counts]:
    """The 21 cells of Figure 4."""
    return [Counts(a, b, float(ms), wins, FIGURE_4_JUDGMENTS) for (a, b), row in FIGURE_4.items()
            for ms, wins in zip(EXPOSURES_MS, row, strict=True)]


def published_preference(a: str, b: str, exposure_ms: float | None, dataset: str = "cityscapes") -> float | None:
    """Share (0..1) of judgments for `a` over `b` in the paper, either way round; None where it reports none."""
    if exposure_ms is None:
        table = TABLE_1.get(dataset, {})
        percent = table.get(b) if a == "crn" else None
        swapped = table.get(a) if b == "crn" else None
        return percent / 100 if percent is not None else 1 - swapped / 100 if swapped is not None else None
    if exposure_ms not in EXPOSURES_MS or dataset != "cityscapes":
        return None
    column = EXPOSURES_MS.index(int(exposure_ms))
    if (a, b) in FIGURE_4:
        return FIGURE_4[a, b][column] / FIGURE_4_JUDGMENTS
    return 1 - FIGURE_4[b, a][column] / FIGURE_4_JUDGMENTS if (b, a) in FIGURE_4 else None
