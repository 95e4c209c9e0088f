"""Which distances can be trusted, in words."""

from reports.findings.trust import sentences
from tests.scores import fd, score_of, value_of


def test_distances_that_prefer_blurs_are_named():
    assert sentences([]) == []
    found = score_of("trust", "redrawn", [value_of("pixels", 0.1, images=1), fd(1.0),
                                       value_of("map distance", 0.9, features="VGG", images=1)], {"layouts": 40},
                  details={"mean / draw": {"best-of-1 pixels": 0.8, "best-of-1 map distance-VGG": 1.4,
                                           "FD-judge": 1.53}})
    asked, doubted, sets = sentences([found])
    assert "40 layouts" in asked and "in 10%" in asked and "in 90%" in asked
    assert "ixels" in doubted and "VGG" not in doubted and "prefers" in doubted
    assert "1.5 times" in sets
