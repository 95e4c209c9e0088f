"""HITs whose image addresses name the methods, as the paper's authors wrote them in 2017 (ours/, GAN/, cityscapes/).

New batches use opaque names and are mapped back by plan.csv; this parser is only for tables of the old kind.
"""

import re
from dataclasses import dataclass

from data.errors import InputError
from evaluation.rundir import PHOTOS
from human_study.design.matlab import FIRST_FILE
from human_study.table.responses import condition_name

# Folder -> method. L1cGAN is pix2pix by its loss, GAN the baseline with semantic segmentation: both names are inferred.
FOLDERS = {"cityscapes": PHOTOS, "ours": "crn", "L1cGAN": "pix2pix", "GAN": "gan_segmentation", "L1": "image_space"}
ANCHOR = "image_space"  # of the timed study's sentinels
ORDER = (PHOTOS, "crn")  # a condition names these first
ADDRESS = re.compile(r"/(\w+)/(\d{6})\.jpg$")
NO_SPECIFICATION = "none (addresses of 2017)"


@dataclass(frozen=True)
class Shown:
    """One trial read from its two addresses."""

    image_id: str
    condition: str
    left_method: str
    right_method: str
    exposure_req_ms: float | None
    sentinel: str
    sentinel_answer: str | None


def parse_address(address: str) -> tuple[str, int] | None:
    """(method, image number 1..500) of an address, None for any other.

    >>> parse_address("http://web.stanford.edu/~cqf/mturk/ours/003051.jpg")
    ('crn', 1)
    """
    match = ADDRESS.search(address)
    if match is None or match[1] not in FOLDERS:
        return None
    return FOLDERS[match[1]], int(match[2]) - FIRST_FILE.get(match[1], 1) + 1


def parse_trial(left: str, right: str, exposure: str = "") -> Shown | None:
    """A trial from `image_A_url_N`, `image_B_url_N` and `time_N`; None where the addresses are not of this kind or show
    different scenes.

    Sentinels: unlimited, the photograph against any method but the reference; timed, against the anchor. Raises
    InputError for a time that is no number of milliseconds.
    """
    found = parse_address(left), parse_address(right)
    if None in found or found[0][1] != found[1][1] or found[0][0] == found[1][0]:
        return None
    (a, image), (b, _) = found
    if exposure and not re.fullmatch(r"\d{1,9}(\.\d*)?", exposure):
        raise InputError(f"time '{exposure}' is no number of milliseconds")
    ms = float(exposure) if exposure else None
    pair = {a, b}
    checks = pair == {PHOTOS, ANCHOR} if ms is not None else PHOTOS in pair and "crn" not in pair
    first, second = sorted((a, b), key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return Shown(f"{image:06d}", condition_name(first, second), a, b, ms, "perceptual" if checks else "none",
                 ("left" if a == PHOTOS else "right") if checks else None)
