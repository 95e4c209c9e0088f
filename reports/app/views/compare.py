"""One layout, its photograph and the methods: side by side or in one place, with legend, scores and notes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from markupsafe import Markup, escape

from data.errors import InputError
from data.labels import LabelSpace
from evaluation.run_directory import PHOTOS, Method, Score
from reports.app.parts import address, notes, selection, viewer
from reports.app.parts.sources import Source, all_budgets
from reports.app.parts.text import plain
from reports.tables import pictures
from reports.tables import scores as tables
from reports.tables.commands import finish
from writing.numbers import MISSING, arrow, number_format

DEFAULT_METHODS = 3


def show(source: Source) -> None:
    """The page. Raises InputError when the run has no layouts or no synthesized images."""
    size = source.size
    if not source.methods:
        raise InputError(f"{source.run.path}: no synthesized images yet; {to_finish(source)}")
    chosen, view, pair, found = _controls(source)
    if not found.layouts:
        st.warning("No layout matches; choose fewer classes or tags under Layouts.")
        return
    name = address.layout(source.layouts, found.layouts[0])
    shown = pair or [name for name in viewer.names(source) if name in (viewer.LAYOUT, PHOTOS, *chosen)]
    if not shown:
        st.info("Choose a method.")
        return
    pictures = _at_budget(source)
    panes = [viewer.pane(source, name, pictures) for name in dict.fromkeys(shown)]
    viewer.show(source, panes, found.layouts, name, size, view, pair)
    _choose_layout(found.layouts, name)
    if source.whole:
        _legend(source, name)
        _layout_scores(source, name, chosen)
        _note(source, name)
    else:
        st.caption("A reference contains only JPEG previews of some images, and no layouts or photographs.")


def _at_budget(source: Source) -> str:
    """The address of the methods' pictures at the chosen number of images seen in training."""
    found = all_budgets(source)
    if len(found) < 2:
        return found[source.budget]
    budget = st.select_slider("Images seen in training", list(found), value=source.budget, key="budget",
                              format_func="{:,}".format, width=320)
    return found[budget]


def to_finish(source: Source) -> str:
    return f"finish the run: {command}" if (command := finish(source.run)) else "finish the run"


def _controls(source: Source) -> tuple[list[str], str, tuple[str, str] | None, selection.Selection]:
    """Methods in table order, the view, its pair of panes (None if it shows all), the layouts to step through."""
    titles = source.titles
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect("Methods", list(titles), default=list(titles)[:DEFAULT_METHODS], key="methods",
                                format_func=titles.get, bind="query-params", persist_state="session")
        views = [view for view in viewer.VIEWS if source.whole or view != "overlay"]
        view = st.segmented_control("View", views, default="side", required=True, key="view", wrap=True,
                                    format_func=viewer.VIEWS.get, bind="query-params", persist_state="session")
        with st.popover("Layouts", icon=":material/filter_list:"):
            found = selection.choose(source)
    chosen = [name for name in titles if name in chosen]
    return chosen, view, _pair(source, chosen, view), found


def _pair(source: Source, chosen: list[str], view: str) -> tuple[str, str] | None:
    """The two pictures of a view of two in one place; by default those of the first two methods."""
    if view not in viewer.IN_PLACE:
        return None
    names, titles = viewer.names(source), viewer.titles(source)
    wanted = [*chosen, *([PHOTOS, viewer.LAYOUT] if source.whole else names), *names]
    first, second = [*dict.fromkeys(wanted), names[0]][:2]
    with st.container(horizontal=True):
        a = st.selectbox("A", names, names.index(first), key="left", format_func=titles.get, bind="query-params",
                         persist_state="session")
        b = st.selectbox("B", names, names.index(second), key="right", format_func=titles.get, bind="query-params",
                         persist_state="session")
    return a, b


def _choose_layout(layouts: list[str], name: str) -> None:
    st.session_state["layout choice"] = name
    st.selectbox("Layout", layouts if name in layouts else [name, *layouts], key="layout choice",
                 on_change=lambda: address.go_to_layout(st.session_state["layout choice"]))


def _legend(source: Source, name: str) -> None:
    """Colour, name and share of every class of this layout, the largest first."""
    labels = source.labels
    try:
        layout = source.run.layout(name)
    except InputError as error:
        st.warning(plain(str(error)))
        return
    shares = pictures.class_shares(layout, len(labels))
    if int(layout.max()) >= len(labels):
        st.warning(f"This layout contains class {int(layout.max())}, which is not in labels.json; shown in magenta.")
    items = Markup("").join(_legend_item(labels, i, shares[i]) for i in np.argsort(-shares, kind="stable")
                            if shares[i] > 0)
    st.html(Markup('<ul aria-label="Classes of this layout" style="display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;'
                   'margin:4px 0;list-style:none;font-size:14px">{}</ul>').format(items))


def _legend_item(labels: LabelSpace, index: int, share: float) -> Markup:
    colour = "#{:02x}{:02x}{:02x}".format(*labels.colours[index])
    percent = f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"
    return Markup('<li style="margin:0"><span style="display:inline-block;width:13px;height:13px;border-radius:3px;'
                  'margin-right:6px;vertical-align:-2px;background:{};border:1px solid rgba(128,128,128,.5)"></span>'
                  '{} {}</li>').format(colour, escape(labels.names[index]), percent)


def _layout_scores(source: Source, name: str, chosen: Sequence[str]) -> None:
    methods = [method for method in source.methods if method.name in chosen]
    own = per_image(source.scores, methods, source.layouts.index(name), len(source.layouts))
    if not source.scores:
        st.info(plain(f"Not scored yet; {to_finish(source)}"))
    elif not own.empty:
        st.markdown(f"**Scores of layout {plain(name)}**")
        formats = {name: st.column_config.NumberColumn(format=f"%.{number_format(own[name].dropna()).decimals}f")
                   for name in own}
        st.dataframe(own, column_config=formats, placeholder=MISSING, width="content")


def _note(source: Source, name: str) -> None:
    """A note and tags on this layout, kept in the run's notes.json."""
    written = notes.read(source.run)
    own = written.get(name, notes.Note())
    tags = ", ".join(own.tags)
    with st.expander(f"Note and tags{f': {plain(tags)}' if tags else ''}", icon=":material/edit_note:"):
        with st.form(f"note {name}", border=False):
            text = st.text_area("Note", own.note, key=f"note of {name}")
            chosen = st.multiselect("Tags", sorted({*notes.tags(written), *own.tags}), list(own.tags),
                                    key=f"tags of {name}", accept_new_options=True)
            saved = st.form_submit_button("Save")
        st.caption(plain(f"Saved in {source.run.path / notes.FILE}; the page Find can filter by tags."))
    before = st.session_state.setdefault(f"note before {name}", own)
    if saved and own != before:
        st.session_state[f"note before {name}"] = own
        st.warning(plain(f"Not saved, because another window has changed this note: {own.note or 'no text'}"
                         f"{'; tags: ' + ', '.join(own.tags) if own.tags else ''}. Save again to replace it."))
    elif saved:
        note = notes.Note(text.strip(), tuple(dict.fromkeys(chosen)))
        notes.write(source.run, name, note)
        st.session_state[f"note before {name}"] = note
        st.toast("Saved")


def per_image(scores: list[Score], chosen: list[Method], position: int, count: int) -> pd.DataFrame:
    """Values of one layout, a row per method and the photograph; scores with another number of layouts are left out.
    For a distance between sets, a layout has only its share."""
    titles = {PHOTOS: "Photograph"} | {row.name: row.title for row in tables.table_rows(chosen) if not row.reference}
    rows: dict[str, dict[str, float | None]] = {}
    ordered = [score for metric in tables.metric_titles(scores) for score in scores if score.metric == metric]
    for score in ordered:
        for value_name, numbers in score.per_image.items():
            if score.method in titles and len(numbers) == count:
                value, share = score.value(value_name), ", share" if "per image" in score.details else ""
                title, better = (value.label, arrow(value.higher_is_better)) if value else (value_name, "")
                heading = f"{title}{share} {better}".strip()
                rows.setdefault(score.method, {})[heading] = numbers[position]
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return frame.reindex([name for name in titles if name in rows]).rename(index=titles).rename_axis("Method")
