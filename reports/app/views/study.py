"""The human study of the run: plan, progress, a session as participants see it, votes by layout."""

from pathlib import Path
from urllib.parse import quote

import pandas as pd
import streamlit as st

from data.errors import InputError
from data.files import list_folder, read_json, read_rows
from evaluation.statistics.preferences import read_preferences
from human_study.batch.folder import TaskBatch, read_batch
from human_study.server.export import export_responses
from reports.app.parts import navigation
from reports.app.parts.sources import Source
from reports.app.parts.text import plain
from reports.tables.commands import commands
from writing.numbers import exposure_text


def show(source: Source) -> None:
    """The page. Raises InputError for a study with damaged files."""
    st.subheader("Human study", anchor=False)
    studies = sorted(file.parents[1].name for file in list_folder(source.run.study, "*/secret/spec.json"))
    if not studies:
        st.info("No study in this run yet. Plan one with python -m human_study plan and write it with "
                "python -m human_study hits.")
        return
    name = studies[0] if len(studies) == 1 else st.selectbox("Study", studies, key="study", bind="query-params",
                                                             persist_state="session", width=300)
    batch = read_batch(source.run.study / name)
    tabs = st.tabs(["Plan and progress", "As a participant sees it", "Results"])
    with tabs[0]:
        _plan(source, batch)
        _progress(batch)
    with tabs[1]:
        _hit(source, batch, name)
    with tabs[2]:
        _results(source, batch)


def _plan(source: Source, batch: TaskBatch) -> None:
    trials = [trial for hit in batch.hits.values() for trial in hit]
    kinds = pd.Series([trial.sentinel if trial.block == "test" else trial.block for trial in trials]).value_counts()
    names = {"none": "comparisons", "practice": "practice trials"}
    protocol = batch.protocol
    rows = {"Question": protocol.text().question, "Protocol": protocol.name, "Design": protocol.design,
            "Participants": f"{len(batch.hits) * protocol.assignments}: {len(batch.hits)} lists of trials, each for "
                            f"{protocol.assignments}",
            "Trials": f"{len(trials)}: " + ", ".join(f"{count} {names.get(kind, f'sentinels ({kind})')}"
                                                     for kind, count in kinds.items()),
            "Exposure": ", ".join(map(exposure_text, protocol.exposures_ms or [None])),
            "Specification": f"{batch.spec_sha256[:16]} …"}
    st.table(pd.Series({name: plain(str(value)) for name, value in rows.items()}, name="planned").rename_axis("item"))


def _progress(batch: TaskBatch) -> None:
    """Answers so far, from people and from simulated participants."""
    for title, simulated in (("people", False), ("simulated participants", True)):
        try:
            frame = export_responses(batch, simulated)
        except InputError as error:
            if not simulated:
                st.caption(plain(f"Answers from people: {error}"))
            continue
        sessions = frame.drop_duplicates("session_id")["submit_status"].value_counts()
        places = len(batch.hits) * batch.protocol.assignments
        done = int(sessions.get("submitted", 0))
        st.progress(min(1.0, done / max(1, places)), text=f"{done} of {places} sessions by {title}")
        st.caption(plain(f"{len(frame)} answers; sessions: "
                         + ", ".join(f"{count} {status}" for status, count in sessions.items())))


def _hit(source: Source, batch: TaskBatch, name: str) -> None:
    tables = list_folder(batch.public, "*.csv")
    if not tables or not (batch.public / "template.html").exists():
        st.info("This study has no HIT tables; the study server (python -m human_study serve) serves its pages.")
        return
    with st.container(horizontal=True):
        table = st.selectbox("Table", [file.stem for file in tables], key="table", width=180)
        rows = len(read_rows(batch.public / f"{table}.csv"))
        row = st.number_input("Row", 1, max(1, rows), key="row", width=120)
    st.caption("The page and pictures of the batch. Answers given here are not saved.")
    base = st.get_option("server.baseUrlPath").strip("/")
    address = "/".join(["", *filter(None, [base]), "hits", str(source.number), quote(name, safe=""),
                        quote(table, safe=""), str(row - 1), "page"])
    st.iframe(address, height=760, alt="The session as a participant sees it")


def _results(source: Source, batch: TaskBatch) -> None:
    folder = batch.folder / "analysis"
    if not (folder / "analysis.json").exists():
        st.info(plain(f"Not analysed yet; {commands(source.run)['analyze']}"))
        return
    analysis = read_json(folder / "analysis.json")
    if analysis.get("identity", {}).get("simulated"):
        st.warning("All participants were simulated: these numbers are no evidence about the images.")
    if analysis.get("task") == "real_or_fake":
        _real_or_fake(source, analysis)
    else:
        _preferences(source, analysis)
    if (folder / "preferences.json").exists():
        _by_layout(source, folder / "preferences.json")


def _preferences(source: Source, analysis: dict) -> None:
    """Share of judgments for the first method, by pair and exposure, with the clustered interval."""
    rows = []
    for entry in analysis.get("preferences", []):
        low, high = entry.get("clustered") or (None, None)
        rows.append({"preferred": source.titles.get(entry["a"], entry["a"]),
                     "to": source.titles.get(entry["b"], entry["b"]),
                     "exposure": exposure_text(entry.get("exposure_ms")), "judgments": entry.get("n"),
                     "share": entry.get("share"), "low": low, "high": high, "verdict": entry.get("verdict", "")})
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="preferences", placeholder="–",
                 column_config=dict.fromkeys(["share", "low", "high"], number))


def _real_or_fake(source: Source, analysis: dict) -> None:
    """Share of errors by method and exposure with the clustered interval; times of staircases."""
    rows = [{"method": entry["method"], "exposure": exposure_text(entry["exposure_ms"]),
             "answers": entry["error"]["n"], "errors": entry["error"]["value"],
             **dict(zip(("low", "high"), entry["error"]["interval"] or (None, None), strict=True)),
             "called real": entry["deceived"]["value"], "verdict": entry["verdict"]} for entry in analysis["realism"]]
    rows += [{"method": entry["method"], "exposure": "staircase", "HYPE-time, ms": entry["time_ms"]["value"],
              **dict(zip(("low", "high"), entry["time_ms"]["interval"] or (None, None), strict=True))}
             for entry in analysis["thresholds"]]
    frame = pd.DataFrame(rows).replace({"method": source.titles})
    st.dataframe(frame, hide_index=True, key="real-or-fake", placeholder="–")


def _by_layout(source: Source, file: Path) -> None:
    st.markdown("**Votes by layout**")
    votes = [{"layout": p.layout, "preferred": source.titles.get(p.preferred, p.preferred),
              "to": source.titles.get(p.other, p.other), "votes": p.count} for p in read_preferences(file)]
    frame = pd.DataFrame(votes).sort_values(["layout", "votes"], ascending=[True, False], kind="stable")
    event = st.dataframe(frame, hide_index=True, key="votes", on_select="rerun", selection_mode="single-row")
    st.caption("Click a row to open the layout.")
    if event.selection.rows:
        navigation.open_layout(frame["layout"].iloc[event.selection.rows[0]])
