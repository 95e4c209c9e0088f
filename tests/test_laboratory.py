"""A whole study in a real browser while its server is killed and its pictures are away."""

import shutil

import pytest

pytest.importorskip("playwright", reason="needs playwright")

from benchmarks.laboratory.__main__ import whole_study  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")


def test_a_whole_study(tiny_run, tmp_path):
    story = whole_study(tiny_run, tmp_path, participants=5, pilot=3, kills=1, outages=1, withdrawing=1, forgetting=1,
                        at_once=5)
    assert story.faults == []
    assert (story.finished, story.withdrawn, story.forgotten, story.kills, story.outages) == (4, 1, 1, 1, 1)
