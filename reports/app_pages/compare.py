"""One layout, its photograph and the methods: side by side or in one place, with legend, scores and notes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from markupsafe import Markup, escape

from data.errors import InputError
from data.labels import LabelSpace
from evaluation.rundir import PHOTOS, Method, Score
from reports.record import pictures, tables
from reports.app_parts import address, viewer
from reports.app_parts.sources import Source
from reports.app_parts.text import plain
from reports.record.commands import finish
from reports.record.formatting import MISSING, arrow, number_format

DEFAULT_METHODS = 3


def show(source: Source) -> None:
    """The page. Raises InputError when the run has no layouts or no synthesized images."""
    size = pictures.image_size(source.run)
    if not source.methods:
        raise InputError(f"{source.run.path}: no synthesized images yet; {to_finish(source)}")
    layouts = source.layouts
    name = address.layout(layouts)
    chosen, view, pair, zoom = _controls(source)
    panes = [viewer.layout_pane(source), viewer.photo_pane(source),
             *(viewer.method_pane(source, method) for method in chosen)]
    viewer.show(source, panes, layouts, name, size, view, pair, zoom)
    _choose_layout(layouts, name)
    _legend(source.run.layout(name), source.labels)
    _layout_scores(source, name, chosen)


def to_finish(source: Source) -> str:
    return f"finish the run: {command}" if (command := finish(source.run)) else "finish the run"


def _controls(source: Source) -> tuple[list[str], str, tuple[str, str], str]:
    """Methods in table order, the view, its pair of panes, the zoom."""
    titles = source.titles
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect("Methods", list(titles), default=list(titles)[:DEFAULT_METHODS], key="methods",
                                format_func=titles.get, bind="query-params", persist_state="session")
        view = st.segmented_control("View", list(viewer.VIEWS), default="side", required=True, key="view",
                                    format_func=viewer.VIEWS.get, bind="query-params", persist_state="session")
        zoom = st.segmented_control("Zoom", list(viewer.ZOOMS), default="Fit", required=True, key="zoom",
                                    bind="query-params", persist_state="session")
    chosen = [name for name in titles if name in chosen]
    return chosen, view, _pair(source, chosen, view), zoom


def _pair(source: Source, chosen: list[str], view: str) -> tuple[str, str]:
    if view not in ("slider", "blink", "difference"):
        return viewer.LAYOUT, PHOTOS
    titles = {viewer.LAYOUT: "Layout", PHOTOS: "Photograph"} | {name: source.titles[name] for name in chosen}
    first = chosen[0] if chosen else viewer.LAYOUT
    second = chosen[1] if len(chosen) > 1 else PHOTOS
    with st.container(horizontal=True):
        a = st.selectbox("A", list(titles), index=list(titles).index(first), key="left", format_func=titles.get,
                         bind="query-params", persist_state="session")
        b = st.selectbox("B", list(titles), index=list(titles).index(second), key="right", format_func=titles.get,
                         bind="query-params", persist_state="session")
    return a, b


def _choose_layout(layouts: list[str], name: str) -> None:
    st.session_state["layout choice"] = name
    st.selectbox("Layout", layouts, key="layout choice",
                 on_change=lambda: address.go_to_layout(st.session_state["layout choice"]))


def _legend(layout: np.ndarray, labels: LabelSpace) -> None:
    """Colour, name and share of every class of this layout, the largest first."""
    shares = pictures.class_shares(layout, len(labels))
    items = Markup("").join(_legend_item(labels, i, shares[i]) for i in np.argsort(-shares, kind="stable")
                            if shares[i] > 0)
    st.html(Markup('<ul aria-label="Classes of this layout" style="display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;'
                   'margin:4px 0;list-style:none;font-size:14px">{}</ul>').format(items))


def _legend_item(labels: LabelSpace, index: int, share: float) -> Markup:
    colour = "#{:02x}{:02x}{:02x}".format(*labels.colours[index])
    percent = f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"
    return Markup('<li style="margin:0"><span style="display:inline-block;width:13px;height:13px;border-radius:3px;'
                  'margin-right:6px;vertical-align:-2px;background:{};border:1px solid rgba(128,128,128,.5)"></span>'
                  '{} <span style="opacity:.65">{}</span></li>').format(colour, escape(labels.names[index]), percent)


def _layout_scores(source: Source, name: str, chosen: Sequence[str]) -> None:
    methods = [method for method in source.methods if method.name in chosen]
    own = per_image(source.scores, methods, source.layouts.index(name), len(source.layouts))
    if not source.scores:
        st.info(plain(f"Not scored yet; {to_finish(source)}"))
    elif not own.empty:
        st.markdown(f"**Scores of layout {plain(name)}**")
        formats = {column: number_format(own[column].dropna()) for column in own}
        st.dataframe(own.style.format(formats, na_rep=MISSING), width="content")


def per_image(scores: list[Score], chosen: list[Method], position: int, count: int) -> pd.DataFrame:
    """Values of one layout, a row per method and the photograph; a score list of another length is left out. Of a
    distance between sets one layout has only its share."""
    titles = {PHOTOS: "Photograph"} | {row.name: row.title for row in tables.table_rows(chosen) if not row.reference}
    rows: dict[str, dict[str, float | None]] = {}
    ordered = [score for metric in tables.metric_order(scores) for score in scores if score.metric == metric]
    for score in ordered:
        for value_name, numbers in score.per_image.items():
            if score.method in titles and len(numbers) == count:
                value, share = score.value(value_name), ", share" if "per image" in score.details else ""
                heading = f"{value_name}{share} {arrow(value.higher_is_better) if value else ''}".strip()
                rows.setdefault(score.method, {})[heading] = numbers[position]
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return frame.reindex([name for name in titles if name in rows]).rename(index=titles)
