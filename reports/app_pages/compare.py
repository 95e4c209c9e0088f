"""One layout, its photograph and two or more methods side by side, as exact pixels, with legend and scores."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from markupsafe import Markup, escape

from data.errors import InputError
from data.labels import LabelSpace
from evaluation.rundir import PHOTOS, Method, RunDirectory, Score
from reports.app_pages.text import plain
from reports.record import pictures, tables
from reports.record.commands import finish
from reports.record.formatting import MISSING, arrow, number_format

ZOOMS = {"1×": 1, "2×": 2, "3×": 3, "4×": 4}
DEFAULT_METHODS = 3


def show(run: RunDirectory) -> None:
    """The page. Raises InputError when the run has no layouts or no synthesized images."""
    layouts, methods, labels = run.layouts(), run.methods(), run.labels()
    size = pictures.image_size(run)
    if not methods:
        raise InputError(f"{run.path}: no synthesized images yet; {_to_finish(run)}")
    presence = _class_presence(str(run.path), len(labels), _newest(run.dataset / "layouts"))
    _restore(layouts, methods, labels, size[1])
    name, chosen = _controls(layouts, methods, labels, presence)
    if name is None:
        st.warning("No layout has all of these classes; remove one.")
        return
    _remember()
    st.subheader(f"Layout {plain(name)}", anchor=False)
    _images(run, name, chosen, labels, size)
    _legend(run.layout(name), labels)
    scores = _read_scores(str(run.path), _newest_score(run))
    _layout_scores(scores, layouts, name, chosen)
    for method in chosen:
        if method.images_per_layout > 1:
            _variants(run, name, method, size)
    _overall_scores(run, scores, layouts, methods, chosen)


def _to_finish(run: RunDirectory) -> str:
    return f"finish the run: {command}" if (command := finish(run)) else "finish the run"


# --- choice of the view -----------------------------------------------------------------------------------------------

def _restore(layouts: list[str], methods: list[Method], labels: LabelSpace, width: int) -> None:
    """Fill the session state from the query parameters once, and keep it valid; unknown names are dropped."""
    query = st.query_params
    state = st.session_state
    names = [method.name for method in methods]
    wanted = [name for name in query.get_all("methods") if name in names]
    zooms = {f"{zoom}": text for text, zoom in ZOOMS.items()}
    scale = max(1, int(pictures.display_scale(width)))
    state.setdefault("methods", wanted or names[:DEFAULT_METHODS])
    state.setdefault("classes", [name for name in query.get_all("classes") if name in labels.names])
    state.setdefault("zoom", zooms.get(query.get("zoom", ""), f"{scale}×"))
    state.setdefault("layout", query.get("layout"))
    state.methods = [name for name in state.methods if name in names]
    state.layout = state.layout if state.layout in layouts else layouts[0]


def _remember() -> None:
    """Write the view into the address, so that the link reopens it."""
    state = st.session_state
    st.query_params.from_dict({"layout": state.layout, "methods": state.methods, "classes": state.classes,
                               "zoom": str(ZOOMS[state.zoom])})


def _controls(layouts: list[str], methods: list[Method], labels: LabelSpace,
              presence: np.ndarray) -> tuple[str | None, list[Method]]:
    """The sidebar; gives the chosen layout (None: the filter leaves none) and methods in table order."""
    with st.sidebar:
        st.title("Compare methods", anchor=False)
        classes = st.multiselect("Layouts that show all of", labels.names, key="classes",
                                 placeholder="any class", help="Filter by the classes present in the layout.")
        wanted = [labels.names.index(name) for name in classes]
        matching = [name for name, row in zip(layouts, presence, strict=True) if row[wanted].all()]
        name = _layout_choice(matching, layouts)
        titles = {row.name: row.title for row in tables.table_rows(methods) if not row.reference}
        names = st.multiselect("Methods (two or more)", list(titles), key="methods", format_func=titles.get)
        if len(names) < 2:
            st.info("Choose two or more methods to compare.")
        st.radio("Size", list(ZOOMS), key="zoom", horizontal=True, help="Whole multiples: every pixel stays exact.")
        st.caption("The address in the browser reopens this view.")
    return name, [method for method in methods if method.name in names]


def _layout_choice(matching: list[str], layouts: list[str]) -> str | None:
    if not matching:
        return None
    state = st.session_state
    if state.layout not in matching:  # the first one behind it that matches, or the first of all
        after = [name for name in matching if name > state.layout]
        state.layout = (after or matching)[0]
    position = matching.index(state.layout)
    st.selectbox("Layout", matching, key="layout")
    back, forward = st.columns(2)
    back.button("Previous", icon=":material/arrow_back:", on_click=_go, args=(matching, position - 1),
                disabled=position == 0, width="stretch")
    forward.button("Next", icon=":material/arrow_forward:", on_click=_go, args=(matching, position + 1),
                   disabled=position == len(matching) - 1, width="stretch")
    of = f"{len(matching)}" if len(matching) == len(layouts) else f"{len(matching)} with these classes"
    st.caption(f"{position + 1} of {of}")
    return state.layout


def _go(matching: Sequence[str], position: int) -> None:
    st.session_state.layout = matching[position]


def _newest(folder: Path) -> float:
    return folder.stat().st_mtime


@st.cache_data(show_spinner="Reading the layouts …", max_entries=4)
def _class_presence(path: str, classes: int, changed: float) -> np.ndarray:
    """bool [N, C]: which classes each layout shows; `changed` makes a new entry when the folder changes."""
    run = RunDirectory(Path(path))
    return np.array([pictures.class_shares(run.layout(name), classes) > 0 for name in run.layouts()])


# --- pictures ---------------------------------------------------------------------------------------------------------

def _images(run: RunDirectory, name: str, chosen: list[Method], labels: LabelSpace, size: tuple[int, int]) -> None:
    given = [("Layout", pictures.layout_png(run.layout(name), labels)), ("Photograph", _png(run.photo_file(name)))]
    _strip([*given, *((m.title, _png(run.image_file(m.name, name))) for m in chosen)], name, size)


def _variants(run: RunDirectory, name: str, method: Method, size: tuple[int, int]) -> None:
    st.markdown(f"**All {method.images_per_layout} images of {plain(method.title)}**")
    _strip([(f"image {u}", _png(run.variant_file(method.name, name, u)))
            for u in range(1, method.images_per_layout + 1)], name, size)


def _png(file: Path) -> bytes | str:
    """The bytes of the file, or what is wrong with it."""
    try:
        return pictures.png_bytes(file)
    except InputError as error:
        return str(error)


def _strip(images: list[tuple[str, bytes | str]], name: str, size: tuple[int, int]) -> None:
    """A wrapping row of pictures. Data URIs: st.image would re-encode them."""
    width, height = size[1] * ZOOMS[st.session_state.zoom], size[0] * ZOOMS[st.session_state.zoom]
    figures = [_figure(title, content, name, width, height) for title, content in images]
    st.html(Markup('<div style="display:flex;flex-wrap:wrap;gap:14px">{}</div>').format(Markup("").join(figures)))


def _figure(title: str, content: bytes | str, name: str, width: int, height: int) -> Markup:
    if isinstance(content, str):
        inner = Markup('<div style="width:{}px;height:{}px;border:1px dashed gray;padding:6px;font-size:12px;'
                       'overflow:hidden">not shown: {}</div>').format(width, height, content)
    else:
        inner = Markup('<img src="data:image/png;base64,{}" alt="{} of layout {}" style="width:{}px;height:{}px;'
                       'max-width:none;image-rendering:pixelated;display:block;border-radius:2px">').format(
            base64.b64encode(content).decode("ascii"), title, name, width, height)
    return Markup('<figure style="margin:0">{}<figcaption style="font-size:14px;padding-top:4px">{}</figcaption>'
                  "</figure>").format(inner, title)


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


# --- scores -----------------------------------------------------------------------------------------------------------

def _layout_scores(scores: list[Score], layouts: list[str], name: str, chosen: list[Method]) -> None:
    own = per_image(scores, chosen, layouts.index(name), len(layouts))
    if not own.empty:
        st.markdown("**Scores of this layout**")
        formats = {column: number_format(own[column].dropna()) for column in own}
        st.dataframe(own.style.format(formats, na_rep=MISSING), width="content")


def _overall_scores(run: RunDirectory, scores: list[Score], layouts: list[str], methods: list[Method],
                    chosen: list[Method]) -> None:
    if not scores:
        st.info(plain(f"Not scored yet; {_to_finish(run)}"))
        return
    st.markdown(f"**Scores over all {len(layouts)} layouts**, with 95 % intervals")
    merged = run.merged_methods()  # they have no images to choose, and belong beside those that have
    st.dataframe(overall([*methods, *merged], scores, [*chosen, *merged]), width="stretch")
    st.caption("Arrows point to the better side. The protocol of every number is in the report, "
               f"{plain(str(run.report / 'index.html'))}.")


def _newest_score(run: RunDirectory) -> float:
    return max((file.stat().st_mtime for file in (run.path / "scores").glob("*/*.json")), default=0.0)


@st.cache_data(show_spinner=False, max_entries=4)
def _read_scores(path: str, changed: float) -> list[Score]:
    return RunDirectory(Path(path)).scores()


def per_image(scores: list[Score], chosen: list[Method], position: int, count: int) -> pd.DataFrame:
    """Values of one layout, a row per method and the photograph; a score list of another length is left out. Of a
    distance between sets one layout has only its share."""
    titles = {PHOTOS: "Photograph"} | {row.name: row.title for row in tables.table_rows(chosen) if not row.reference}
    rows: dict[str, dict[str, float | None]] = {}
    for score in scores:
        for value_name, numbers in score.per_image.items():
            if score.method in titles and len(numbers) == count:
                value, share = score.value(value_name), ", share" if "per image" in score.details else ""
                heading = f"{value_name}{share} {arrow(value.higher_is_better) if value else ''}".strip()
                rows.setdefault(score.method, {})[heading] = numbers[position]
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return frame.reindex([name for name in titles if name in rows]).rename(index=titles)


def overall(methods: list[Method], scores: list[Score], chosen: list[Method]) -> pd.DataFrame:
    """Text table of the chosen methods and the reference rows: value and interval."""
    table = tables.main_table(methods, scores)
    shown = {method.name for method in chosen}
    rows = [row for row in table.rows if row.reference or row.name in shown]
    return pd.DataFrame([[tables.cell_text(table.cell(row, c), c) for c in table.columns] for row in rows],
                        index=[row.title for row in rows],
                        columns=[f"{c.heading} {arrow(c.higher_is_better)}".strip() for c in table.columns])
