"""The app: look at the images and scores of one run or several.

    streamlit run reports/app.py -- --run runs/street
    streamlit run reports/app.py -- --run runs/street runs/cityscapes

This file is the server: Streamlit's own, with one route more that hands out pictures as files. What is shown stands in
reports/app_pages: a further page is one file there with a function show(source), and one line in menu.PAGES.
"""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's folder first on the path. The rooms are found from its parent, installed or not. (For the
# same reason no file beside this one may bear the name of a module that Streamlit imports, such as html.)
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(p for p in sys.path if Path(p or ".").resolve() not in (_HERE, _HERE.parent))]

from reports.app_pages import menu  # noqa: E402, F401 - loaded before the first reader comes, who need not wait
from reports.app_parts.serving import routes  # noqa: E402

app = st.App(_HERE / "app_pages" / "script.py", routes=routes(sys.argv[1:]))
