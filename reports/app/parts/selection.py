"""Filter and order of layouts: by a score, a difference of two methods, disagreement, or human votes.

Every page that steps through layouts has the same controls, which are also in its address.
"""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from evaluation.run_directory import PHOTOS
from reports.app.parts import notes, numbers
from reports.app.parts.sources import Source

ORDERS = {"name": "Name", "score": "Score of one method", "difference": "Difference of two methods",
          "disagreement": "Disagreement of all", "votes": "People’s votes"}


@dataclass(frozen=True)
class Selection:
    """Layouts in order. values: by which they are ordered (None: by name). about: title of the values."""

    layouts: list[str]
    values: pd.Series | None = None
    about: str = ""
    a: str = ""
    b: str = ""
    score: str = ""


def choose(source: Source) -> Selection:
    """Show the controls; returns the selected layouts."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order, score, a, b, ascending = _order(source)
        kept = _filtered(source)
    values, about = _values(source, order, score, a, b)
    if values is not None:
        values = values[[name for name in kept if name in values.index]].dropna()
        kept = list(values.sort_values(ascending=ascending, kind="stable").index)
    return Selection(kept, values, about, a, b, score)


def _order(source: Source) -> tuple[str, str, str, str, bool]:
    names = numbers.score_names(source)
    people = numbers.preferences(source)
    offered = [order for order in ORDERS if order == "name" or (order == "votes" and people)
               or (names and order in ("score", "difference", "disagreement"))]
    order = _select("Order by", offered, "order", ORDERS)
    score = a = b = ""
    if order in ("score", "difference", "disagreement"):
        score = _select("Score", list(names), "score", names)
    if order in ("score", "difference", "votes"):
        a, b = _methods(source, order, numbers.by_method(source, score).columns if score else None)
    ascending = order != "name" and st.toggle("Lowest first", key="lowest", bind="query-params",
                                              persist_state="session")
    return order, score, a, b, ascending


def _methods(source: Source, order: str, scored: pd.Index | None) -> tuple[str, str]:
    titles = {**source.titles, PHOTOS: "Photograph"}
    names = [name for name in titles if scored is None or name in scored]
    if order == "score":
        return _select("Method", names, "a", titles), ""
    return _select("A", names, "a", titles), _select("minus B" if order == "difference" else "against B", names, "b",
                                                     titles, min(1, len(names) - 1))


def _select(label: str, names: list[str], key: str, titles: dict[str, str], index: int = 0) -> str:
    return st.selectbox(label, names, index, key=key, format_func=lambda name: titles.get(name, name),
                        bind="query-params", persist_state="session", width=230)


def _values(source: Source, order: str, score: str, a: str, b: str) -> tuple[pd.Series | None, str]:
    titles = {**source.titles, PHOTOS: "Photograph"}
    if order == "name":
        return None, ""
    if order == "votes":
        share = numbers.votes(numbers.preferences(source), source.layouts, a, b)["share"]
        return share, f"share of votes for {titles[a]} against {titles[b]}"
    frame, name = numbers.by_method(source, score), numbers.score_names(source)[score]
    if order == "score":
        return frame[a], f"{name} of {titles[a]}"
    if order == "difference":
        return frame[a] - frame[b], f"{name}: {titles[a]} minus {titles[b]}"
    return numbers.disagreement(frame), f"{name}: standard deviation over the methods"


def _filtered(source: Source) -> list[str]:
    """Layouts that contain all chosen classes, each with at least the chosen share of pixels, and one of the tags."""
    kept = source.layouts
    if not source.whole:
        return kept
    written = notes.read(source.run)
    classes = st.multiselect("Contains all of", list(source.labels.names), key="classes", placeholder="any class",
                             bind="query-params", persist_state="session", width=300)
    if classes:
        least = st.slider("each at least (%)", 0.0, 50.0, 0.0, 0.5, key="share", bind="query-params",
                          persist_state="session", width=220)
        shares = numbers.class_shares(source)[classes]
        kept = list(shares.index[((shares > 0) & (shares >= least / 100)).all(axis=1)])
    if known := notes.tags(written):
        wanted = st.multiselect("Tagged", known, key="tags", placeholder="any tag", bind="query-params",
                                persist_state="session", width=220)
        kept = [name for name in kept if not wanted or set(wanted) & set(written.get(name, notes.Note()).tags)]
    return kept
