"""The menu of pages, the choice of the run, and the page itself."""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import streamlit as st

from data.errors import InputError
from reports.app.parts import sources
from reports.app.parts.text import plain
from reports.app.views import compare, diversity, find, grid, leaderboard, runs, study, training

PAGES: dict[str, Callable[[sources.Source], None]] = {
    "Compare": compare.show,
    "Find": find.show,
    "Grid": grid.show,
    "Leaderboard": leaderboard.show,
    "Diversity": diversity.show,
    "Human study": study.show,
    "Training": training.show,
    "Runs": runs.show,
}
EVERY = 10  # seconds between looks at a run that is not finished
_STYLE = """<style>
.stMainBlockContainer { padding: 4rem clamp(0.8rem, 2.5vw, 2.5rem) 2rem }
[data-testid="stCaptionContainer"] { color: inherit !important; opacity: .85 }  /* captions fade below legibility */
[data-testid="stMultiSelectTagsContainer"] [data-tag] { background-color: #0b5cad !important }
  /* white on the dark theme's primary colour is illegible */
</style>"""


def main() -> None:
    st.set_page_config(page_title="Semantic image synthesis", layout="wide")
    st.html(_STYLE)
    paths = sources.folders(sys.argv[1:])
    names = sources.names(paths)
    pages = {title: st.Page(lambda: None, title=title, default=number == 0, url_path=title.lower().replace(" ", "-"))
             for number, title in enumerate(PAGES)}
    chosen = st.navigation(list(pages.values()), position="top")
    # Not run by Streamlit: choices made in a page would be its own, and leave the address when the reader goes on to
    # another page, or back.
    _guarded(PAGES[chosen.title], names, paths)


def _guarded(show: Callable[[sources.Source], None], names: list[str], paths: list[Path]) -> None:
    """The page, or one line that says what is wrong with the run."""
    try:
        name = names[0]
        if len(names) > 1:
            name = st.selectbox("Run", names, key="run", bind="query-params", persist_state="session", width=320)
        number = names.index(name)
        source = sources.open_source(number, name, paths[number])
        show(source)
        for problem in source.problems:
            st.warning(plain(problem), icon=":material/warning:")
        if not source.finished:
            st.fragment(_follow, run_every=EVERY)(number, name, paths[number], source.state())
    except InputError as error:
        _stop(error)


def _follow(number: int, name: str, path: Path, before: tuple) -> None:
    """Run the page again as soon as an unfinished run has something new."""
    with suppress(InputError):
        if sources.open_source(number, name, path).state() != before:
            st.rerun()


def _stop(error: InputError) -> None:
    st.error(plain(str(error)), icon=":material/error:")
    st.stop()

