"""Many layouts at a glance, of one method or several, in any order."""

import math
from dataclasses import asdict

import streamlit as st

from reports.app.parts import navigation, selection, viewer
from reports.app.parts.sources import Source
from reports.app.parts.text import plain
from writing.numbers import number_format

PER_PAGE = (12, 24, 48)

_component = st.components.v2.component(
    "sis_grid", html=(viewer.WEB / "grid.html").read_text(encoding="utf-8"),
    css=(viewer.WEB / "grid.css").read_text(encoding="utf-8"),
    js=navigation.SCRIPT + (viewer.WEB / "grid.js").read_text(encoding="utf-8"))


def show(source: Source) -> None:
    """The page. Raises InputError when the run has no layouts."""
    size = source.size
    st.subheader("Grid", anchor=False)
    panes = {name: viewer.pane(source, name) for name in viewer.names(source)}
    shown = st.multiselect("Pictures", list(panes), default=list(panes)[:4], key="panes",
                           format_func=lambda name: panes[name].title, bind="query-params", persist_state="session")
    found = selection.choose(source)
    if not shown or not found.layouts:
        st.warning("Choose at least one picture." if not shown else "No layout matches; choose fewer classes or tags.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        each = st.selectbox("Layouts on a page", PER_PAGE, key="each", bind="query-params", persist_state="session",
                            width=150)
        page = st.pagination(math.ceil(len(found.layouts) / each), key="page", bind="query-params")
    names = found.layouts[(page - 1) * each : page * each]
    st.caption(plain(f"{len(found.layouts)} layouts" + (f", by {found.about}" if found.about else "")
                     + ". Pictures wider than 320 pixels are reduced here; click one to open it in full size."))
    chosen = [asdict(panes[name]) for name in panes if name in shown]
    _component(key="grid", data={"panes": chosen, "size": list(size), "most": 320, "rows": _rows(found, names)})


def _rows(found: selection.Selection, names: list[str]) -> list[dict[str, str]]:
    if found.values is None:
        return [{"layout": name, "title": name} for name in names]
    written = number_format(found.values)
    return [{"layout": name, "title": f"{name} · {written(found.values[name])}"} for name in names]
