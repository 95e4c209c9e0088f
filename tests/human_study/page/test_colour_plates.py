"""Colour plates: without the cones that a plate is for it is read no better than by guessing, with them always."""

import numpy as np
import pytest

from human_study.page import page as pages
from tests.human_study.page.visits import needs_browser

# 10 plates of a kind and the shapes of all digits at every third point, as text: lists take seconds to leave the
# browser; random numbers are the same in every run
DRAW = """(kind) => {
  %s
  let state = 1;
  Math.random = () => (state = (state * 48271) %% 2147483647) / 2147483647;
  const side = 300, points = Array.from({ length: 10_000 }, (_, i) => [3 * (i %% 100), 3 * Math.floor(i / 100)]);
  const digits = Array.from("0123456789");
  const shapes = digits.map((digit) => digitShape(digit, side))
    .map((inside) => points.map(([x, y]) => Number(inside(x, y))).join(""));
  const plates = digits.map((digit) => plateCanvas(digit, kind, side).getContext("2d").getImageData(0, 0, side, side))
    .map(({ data }) => points.map(([x, y]) => 4 * (y * side + x))
      .map((at) => String.fromCharCode(...data.slice(at, at + 4))).join(""));
  return { shapes, plates };
}"""
LMS = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
OBSERVERS = {  # what each sees of the three cones: brightness and colour
    "normal": lambda lms: (lms[0] + lms[1], lms[0] / lms[1], lms[2] / lms[1]),
    "protan": lambda lms: (lms[1], lms[2] / lms[1]), "deutan": lambda lms: (lms[0], lms[2] / lms[0])}


def moments(parts: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and squared standard error of what is seen in each part of a plate."""
    count = parts.sum(axis=1)
    mean = parts @ seen / count
    return mean, (parts @ seen**2 / count - mean**2) / count


def reads(plate: np.ndarray, shapes: np.ndarray, observer: str) -> int:
    """The digit whose shape differs most from its ground, to this observer."""
    pixels = plate.reshape(-1, 4)
    dots = pixels[:, 3] == 255
    coded = pixels[dots, :3] / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    inside = shapes[:, dots].astype(float)
    contrast = np.zeros(10)
    for seen in OBSERVERS[observer](LMS @ linear.T):
        seen = seen - seen.mean()
        (mean, share), (rest, rest_share) = (moments(part, seen) for part in (inside, 1 - inside))
        contrast = np.maximum(contrast, np.abs(mean - rest) / np.sqrt(share + rest_share))
    return int(contrast.argmax())


@needs_browser
@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_plates_are_read_by_those_who_have_the_cones(browser, kind):
    parts = "".join((pages.PAGES / part).read_text(encoding="utf-8") for part in ("trial.js", "questions.js"))
    page = browser.new_page()
    found = page.evaluate(DRAW % parts, kind)
    page.close()
    shapes = np.array([[point == "1" for point in shape] for shape in found["shapes"]])
    plates = [np.frombuffer(plate.encode("latin-1"), np.uint8) for plate in found["plates"]]
    right = {who: sum(reads(plate, shapes, who) == digit for digit, plate in enumerate(plates)) for who in OBSERVERS}
    assert right["normal"] == 10 and right[kind] <= 4  # by guessing 1 of 10; more than 4 in 0.2 % of cases
