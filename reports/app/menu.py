"""The menu of pages, the choice of a run, and the current page."""

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
EVERY = 10  # seconds between checks of an unfinished run
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
    # Not run by Streamlit: it would tie choices to one page and drop them from the address on the way to another.
    _show_page(PAGES[chosen.title], names, paths)


def _show_page(show: Callable[[sources.Source], None], names: list[str], paths: list[Path]) -> None:
    """The page, or one line on what is wrong with the run; rerun when an unfinished run has something new."""
    name = names[0]
    if len(names) > 1:
        name = st.selectbox("Run", names, key="run", bind="query-params", persist_state="session", width=320)
    number = names.index(name)
    before = _state(number, name, paths[number])
    try:
        source = sources.open_source(number, name, paths[number])
        show(source)
        for problem in source.problems:
            st.warning(plain(problem), icon=":material/warning:")
        unfinished = not source.finished
    except InputError as error:
        st.error(plain(str(error)), icon=":material/error:")
        unfinished = True
    if unfinished:
        st.fragment(_follow, run_every=EVERY)(number, name, paths[number], before)


def _follow(number: int, name: str, path: Path, before: tuple | None) -> None:
    if _state(number, name, path) != before:
        st.rerun()


def _state(number: int, name: str, path: Path) -> tuple | None:
    """The state of the run; None while it cannot be read."""
    with suppress(InputError):
        return sources.open_source(number, name, path).state()
    return None
