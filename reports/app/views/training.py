"""Loss curves and sample pictures over time, live while a training runs."""

import time
from pathlib import Path
from urllib.parse import quote

import altair as alt
import pandas as pd
import streamlit as st
from markupsafe import Markup

from data.files import list_folder
from reports.app.parts.sources import Source
from reports.app.parts.text import plain

RECENT = 120  # a training counts as running for so many seconds after its log grew
EVERY = 5  # seconds between updates while one runs
AXES = ("step", "images", "seconds")
POINTS = 1500  # per curve; longer logs are thinned
PLOT, LEGEND_ROW = 340, 24  # pixels of height: of the curves with their axis, of each line below them


def show(source: Source) -> None:
    """The page. Raises InputError if the run's record cannot be read."""
    st.subheader("Training", anchor=False)
    _ = source.titles  # read here: an error in a fragment would not reach the page
    live = bool(_running(source, _logs(source))) or not source.finished
    st.fragment(_body, run_every=EVERY if live else None)(source)


def _logs(source: Source) -> dict[str, Path]:
    """By name of the method."""
    return {file.parent.name: file for file in list_folder(source.run.path / "methods", "*/log.csv")}


def _running(source: Source, logs: dict[str, Path]) -> list[str]:
    """Methods whose log grew recently and that have no images yet, which follow the end of a training."""
    return [name for name, file in logs.items()
            if time.time() - file.stat().st_mtime < RECENT and not (source.run.method_folder(name) / "images").exists()]


def _choose_new(logs: dict[str, Path]) -> None:
    """Add methods whose training has begun since the last update to the chosen ones."""
    known = st.session_state.get("logs", [])
    if known and "trained" in st.session_state:
        st.session_state["trained"] = [*st.session_state["trained"], *(name for name in logs if name not in known)]
    st.session_state["logs"] = list(logs)


def _body(source: Source) -> None:
    logs = _logs(source)
    if not logs:
        st.info("No training in this run yet (no methods/*/log.csv).")
        return
    running = _running(source, logs)
    _choose_new(logs)
    titles = {name: source.titles.get(name, name) for name in logs}
    if running:
        st.caption(plain(f"Running: {', '.join(titles[name] for name in running)}; this page updates itself."))
    chosen = st.multiselect("Methods", list(logs), default=list(logs), key="trained", format_func=titles.get,
                            bind="query-params", persist_state="session")
    frames = {name: frame for name in chosen if not (frame := read_log(logs[name])).empty}
    if not frames:
        st.info("No steps are logged yet.")
        return
    terms = list(dict.fromkeys(column for frame in frames.values() for column in frame if column not in AXES))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        term = st.selectbox("Term", terms, key="term", bind="query-params", persist_state="session", width=220)
        axis = st.selectbox("Over", AXES, index=1, key="over", bind="query-params", persist_state="session", width=140)
        logarithmic = st.toggle("Logarithmic", key="log", bind="query-params", persist_state="session")
    configured = [name for name in source.run.config()["config"]["methods"] if name not in logs]
    everyone = [source.titles.get(name, name) for name in sorted({*logs, *configured})]
    _curves({titles[name]: frame for name, frame in frames.items() if term in frame}, everyone, term, axis, logarithmic)
    _samples(source, {name: titles[name] for name in chosen})


def read_log(file: Path) -> pd.DataFrame:
    """Numbers of log.csv; an incomplete last line is left out, and any other file is empty."""
    try:
        frame = pd.read_csv(file, on_bad_lines="skip")
    except (OSError, ValueError):
        return pd.DataFrame()
    frame = frame.apply(pd.to_numeric, errors="coerce")
    return frame.dropna(subset=[c for c in AXES if c in frame]) if set(AXES) <= set(frame) else pd.DataFrame()


def _curves(frames: dict[str, pd.DataFrame], everyone: list[str], term: str, axis: str, logarithmic: bool) -> None:
    """everyone: titles of all methods, including those not yet begun, so that each keeps its colour."""
    parts = [frame[[axis, term]].iloc[:: max(1, len(frame) // POINTS)].dropna().assign(method=title)
             for title, frame in frames.items()]
    data = pd.concat(parts).rename(columns={axis: "x", term: "y"})
    if logarithmic:
        data = data[data["y"] > 0]
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=False)
    chart = alt.Chart(data).mark_line(strokeWidth=1.5).encode(
        alt.X("x:Q", title=axis), alt.Y("y:Q", title=term, scale=scale),
        alt.Color("method:N", title=None, scale=alt.Scale(domain=everyone),
                  legend=alt.Legend(orient="bottom", labelLimit=300, columns=1, values=list(frames))),
        tooltip=["method", "x", alt.Tooltip("y:Q", format=".4g")])
    height = PLOT + LEGEND_ROW * data["method"].nunique()  # of both: the legend takes its rows from the plot
    st.altair_chart(chart.properties(height=height), alt=f"{term} of each method over {axis}")
    st.caption("A loss with calibrated weights jumps where the calibration ends. Losses of different objectives "
               "are not comparable with each other, only over time.")


def _samples(source: Source, titles: dict[str, str]) -> None:
    """The newest sample picture up to the chosen step, for every method with samples."""
    files = {name: list_folder(source.run.method_folder(name) / "samples", "*.png") for name in titles}
    steps = sorted({step(file) for each in files.values() for file in each})
    if not steps:
        return
    if st.session_state.get("at") == st.session_state.get("newest step"):  # no older step was chosen: follow
        st.session_state["at"] = steps[-1]
    st.session_state["newest step"] = steps[-1]
    at = st.select_slider("Samples at step", steps, key="at") if len(steps) > 1 else steps[0]
    figures = [_figure(source.number, name, title, [f for f in files[name] if step(f) <= at][-1])
               for name, title in titles.items() if any(step(f) <= at for f in files[name])]
    st.html(Markup('<div style="display:flex;flex-wrap:wrap;gap:14px">{}</div>').format(Markup("").join(figures)))


def step(file: Path) -> int:
    digits = file.stem.rpartition("_")[2]
    return int(digits) if digits.isdigit() else 0


def _figure(number: int, name: str, title: str, file: Path) -> Markup:
    address = f"pictures/{number}/samples/{quote(name, safe='')}/{quote(file.stem, safe='')}"
    return Markup('<figure style="margin:0;max-width:100%"><img src="{}" alt="{}" loading="lazy" style="display:block;'
                  'max-width:min(100%,620px);min-width:200px;image-rendering:pixelated"><figcaption '
                  'style="font-size:14px;padding-top:3px">{}, step {}</figcaption></figure>').format(
        address, f"Samples of {title}", title, step(file))
