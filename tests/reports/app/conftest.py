"""The app by Streamlit's own test harness: any page on any run directory."""

import json
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

SCRIPT = Path(__file__).resolve().parents[3] / "reports" / "app" / "script.py"


class Seen:
    """What a page shows."""

    def __init__(self, test: AppTest):
        assert not test.exception, test.exception
        self.test = test

    @property
    def errors(self) -> list[str]:
        return [_unescaped(error.value) for error in self.test.error]

    @property
    def html(self) -> str:
        return "".join(block.body for block in self.test.get("html"))

    @property
    def viewer(self) -> dict:
        """The data that the page sends to its component."""
        return json.loads(self.test.get("bidi_component")[0].proto.json)

    @property
    def words(self) -> str:
        kinds = (self.test.markdown, self.test.caption, self.test.info, self.test.warning, self.test.error)
        return _unescaped("\n".join(element.value for kind in kinds for element in kind))

    def frame(self, column: str):
        """The first table that has such a column."""
        return next(frame.value for frame in self.test.dataframe if column in frame.value)


def _unescaped(text: str) -> str:
    return text.replace("\\", "")


@pytest.fixture
def app(monkeypatch):
    """app(run, ..., page="Grid", **query): the page after its first run."""
    def start(*runs, page: str = "", **query) -> Seen:
        arguments = [str(getattr(run, "path", run)) for run in runs]
        if not arguments or not arguments[0].startswith("--"):
            arguments = ["--run", *arguments]
        monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
        monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # Streamlit leaves the script there
        test = AppTest.from_file(str(SCRIPT), default_timeout=30)
        test.query_params.update(query)
        test._page_hash = calc_hash(page.lower().replace(" ", "-")) if page else ""  # as a click in the menu does
        return Seen(test.run())
    return start
