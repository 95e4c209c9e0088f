"""Which distances can be trusted, in words."""

from types import SimpleNamespace

from data.files import write_json
from reports.findings.trust import sentences


def test_distances_that_prefer_blurs_are_named(tmp_path):
    assert sentences(SimpleNamespace(path=tmp_path)) == []
    rows = [{"score": "best-of-1 pixels", "draw nearer": 0.1, "mean / draw": 0.8, "layouts": 40},
            {"score": "best-of-1 map distance-VGG", "draw nearer": 0.9, "mean / draw": 1.4, "layouts": 40},
            {"score": "FD-judge", "draw nearer": 1.0, "mean / draw": 1.53, "layouts": None}]
    (tmp_path / "scores").mkdir()
    write_json(tmp_path / "scores" / "trust.json", {"protocol": {"layouts": 40}, "scores": rows})
    asked, doubted, sets = sentences(SimpleNamespace(path=tmp_path))
    assert "40 layouts" in asked and "in 10%" in asked and "in 90%" in asked
    assert "ixels" in doubted and "VGG" not in doubted and "prefers" in doubted
    assert "1.5 times" in sets
