"""Where do methods differ? Layouts by a score, a difference, disagreement or votes, as a chart and a table."""

import altair as alt
import pandas as pd
import streamlit as st

from evaluation.run_directory import PHOTOS
from reports.app.parts import navigation, numbers, selection, viewer
from reports.app.parts.sources import Source
from reports.app.parts.text import plain


def show(source: Source) -> None:
    st.subheader("Find layouts", anchor=False)
    if not numbers.score_names(source):
        st.info("Not scored yet: layouts can be found by class and tag."
                if source.whole else "Reference results contain no scores per layout: layouts are listed by name.")
    found = selection.choose(source)
    if not found.layouts:
        st.warning("No layout matches; choose fewer classes or tags.")
        return
    of = "" if len(found.layouts) == len(source.layouts) else f" of {len(source.layouts)}"
    st.caption(plain(f"{len(found.layouts)}{of} layouts" + (f", by {found.about}" if found.about else "")
                     + ". Click a point or a row to open the layout."))
    clicked = _scatter(source, found) or _table(source, found)
    if clicked:
        titles = viewer.titles(source)
        chosen = {"left": titles[found.a], "right": titles[found.b]} if found.b else {}
        methods = [source.titles[name] for name in (found.a, found.b) if name in source.titles]
        navigation.open_layout(clicked, **chosen, **({"methods": methods} if methods else {}))


def _scatter(source: Source, found: selection.Selection) -> str | None:
    """A against B if two methods are compared, else the values in order; returns the layout that was clicked."""
    if found.values is None:
        return None
    titles = {**source.titles, PHOTOS: "Photograph"}
    frame = pd.DataFrame({"layout": found.layouts, "value": found.values[found.layouts].to_numpy()})
    x, y = alt.X("place:Q", title="rank in this order"), alt.Y("value:Q", title=found.about)
    frame["place"] = range(1, len(frame) + 1)
    layers = []
    if found.score and found.b:
        both = numbers.by_method(source, found.score).loc[found.layouts, [found.a, found.b]]
        frame["x"], frame["y"] = both[found.b].to_numpy(), both[found.a].to_numpy()
        scale = alt.Scale(zero=False, nice=True, domain=[float(both.min().min()), float(both.max().max())])
        name = numbers.score_names(source)[found.score]
        x = alt.X("x:Q", title=f"{name} of {titles[found.b]}", scale=scale)
        y = alt.Y("y:Q", title=f"{name} of {titles[found.a]}", scale=scale)
        line = pd.DataFrame({"x": scale.domain, "y": scale.domain})
        layers = [alt.Chart(line).mark_line(color="gray", strokeDash=[4, 4]).encode(alt.X("x:Q"), alt.Y("y:Q"))]
    point = alt.selection_point(name="opened", fields=["layout"])
    points = alt.Chart(frame).mark_circle(size=70).encode(
        x, y, tooltip=["layout", alt.Tooltip("value:Q", format=".4g")],
        opacity=alt.condition(point, alt.value(0.9), alt.value(0.4))).add_params(point)
    event = st.altair_chart(alt.layer(*layers, points).properties(height=340), key="scatter", on_select="rerun",
                            alt=f"{found.about}, a point per layout")
    chosen = event.selection.get("opened") or []
    return str(chosen[0]["layout"]) if chosen else None


def _table(source: Source, found: selection.Selection) -> str | None:
    frame = pd.DataFrame({"layout": found.layouts})
    if found.values is not None:
        frame[found.about] = found.values[found.layouts].to_numpy()
    if found.score:
        numbers_of = numbers.by_method(source, found.score).loc[found.layouts]
        titles = {**source.titles, PHOTOS: "Photograph"}
        for method in numbers_of:
            frame[titles[method]] = numbers_of[method].to_numpy()
    columns = {name: st.column_config.NumberColumn(name, format="%.4g") for name in frame.columns[1:]}
    columns["layout"] = st.column_config.TextColumn("layout", pinned=True)
    event = st.dataframe(frame, hide_index=True, key="found", on_select="rerun", selection_mode="single-row",
                         column_config=columns, width="stretch", alt="Layouts in this order")
    return found.layouts[event.selection.rows[0]] if event.selection.rows else None
