"""The app: look at the images and scores of a run.

    streamlit run reports/app.py -- --run runs/street

A further page is one file in reports/app_pages with a function show(run), and one line in PAGES.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

# Streamlit puts this file's folder first on the path. The rooms are found from its parent, installed or not. (For the
# same reason no file beside this one may bear the name of a module that Streamlit imports, such as html.)
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(p for p in sys.path if Path(p or ".").resolve() not in (_HERE, _HERE.parent))]

from data.errors import InputError  # noqa: E402
from evaluation.rundir import RunDirectory  # noqa: E402
from reports.app_pages import compare  # noqa: E402
from reports.app_pages.text import plain  # noqa: E402

PAGES: dict[str, Callable[[RunDirectory], None]] = {
    "Compare": compare.show,
}


def main() -> None:
    st.set_page_config(page_title="Semantic image synthesis", layout="wide")
    st.html("<style>.stMainBlockContainer { padding: 3rem 2.5rem } </style>")
    try:
        path = run_argument(sys.argv[1:])
        run = RunDirectory.open(path)
    except InputError as error:
        _stop(error)
    pages = [st.Page(partial(_guarded, show, run), title=title, url_path=title.lower().replace(" ", "-"),
                     default=number == 0) for number, (title, show) in enumerate(PAGES.items())]
    st.navigation(pages, position="sidebar" if len(pages) > 1 else "hidden").run()


def run_argument(arguments: list[str]) -> str:
    """The value of --run. Raises InputError for anything else on the command line."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--run", nargs="?", default="runs/street")
    known, unknown = parser.parse_known_args(arguments)
    if unknown or not known.run:
        raise InputError(f"unexpected arguments {' '.join(unknown) or '--run without a folder'}; "
                         "expected: streamlit run reports/app.py -- --run runs/street")
    return known.run


def _guarded(show: Callable[[RunDirectory], None], run: RunDirectory) -> None:
    try:
        show(run)
    except InputError as error:
        _stop(error)


def _stop(error: InputError) -> None:
    st.error(plain(str(error)), icon=":material/error:")
    st.stop()


main()
