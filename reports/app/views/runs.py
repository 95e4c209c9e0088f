"""The runs of this app side by side: progress, differences in configuration, leading scores."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from data.errors import InputError
from evaluation.run_directory import Method
from reports.app.parts import sources
from reports.app.parts.scoretables import heading
from reports.app.parts.sources import Source
from reports.app.parts.text import plain
from reports.findings.ranking import ranking
from reports.tables import scores as tables
from reports.tables.commands import without_images


def show(source: Source) -> None:
    st.subheader("Runs", anchor=False)
    opened, problems = sources.opened()
    for problem in problems:
        st.warning(plain(problem))
    st.dataframe(pd.DataFrame([_state(each) for each in opened]), hide_index=True, key="states", placeholder="–")
    if len(opened) < 2:
        st.caption("To compare several runs: `python -m reports.app --run runs/a runs/b`")
    _configurations(opened)
    _scores(opened)


def _state(source: Source) -> dict[str, object]:
    """Progress of a run; if it cannot be read, its row gives the reason."""
    row: dict[str, object] = {"Run": source.name, "Folder": str(source.run.path)}
    try:
        row |= {"Dataset": source.config.get("data.dataset"), "Size": "×".join(map(str, source.size)),
                "Layouts": len(source.layouts), "Methods": len(source.methods), "Scores": len(source.scores)}
        missing = without_images(source.run) if source.whole else []
        row["State"] = ("reference" if not source.whole else f"no images yet of {', '.join(missing)}" if missing
                        else "scored" if source.scores else "images of all methods")
    except (InputError, KeyError, TypeError) as error:
        row["State"] = f"cannot be read: {error}"
    return row


def _configurations(opened: list[Source]) -> None:
    configs = {}
    for source in opened:
        try:
            configs[source.name] = source.config
        except (InputError, KeyError):
            continue
    if len(configs) > 1:
        frame = differing(configs)
        st.markdown("**Differences in configuration**")
        if frame.empty:
            st.caption("None: the configurations are equal.")
        else:
            st.dataframe(frame, key="differing", width="stretch", placeholder="–")
    elif configs:
        with st.expander("Configuration"):
            frame = pd.DataFrame({"value": next(iter(configs.values()))}).rename_axis("key")
            st.dataframe(frame, key="configuration", width="stretch")


def differing(configs: dict[str, dict[str, str]]) -> pd.DataFrame:
    """Keys x runs, for keys with different values; empty text for a run without the key."""
    frame = pd.DataFrame(configs).fillna("")
    return frame[frame.nunique(axis=1) > 1].rename_axis("key")


def _scores(opened: list[Source]) -> None:
    """The leading scores of every method of every run, one row each."""
    methods, scores = [], []
    for source in opened:
        try:
            own = {method.name: method for method in source.methods}
        except InputError:
            continue
        for name, method in own.items():
            renamed = f"{source.number}/{name}"
            methods.append(Method(renamed, f"{method.title} · {source.name}" if len(opened) > 1 else method.title))
            scores += [replace(s, method=renamed) for s in source.scores if s.method == name]
    table = ranking(tables.main_table(methods, scores))
    if not table.columns:
        return
    st.markdown("**Leading scores**")
    rows = [{"Method": row.title, **{heading(c): cell.value / c.format.divisor if (cell := table.cell(row, c)) else None
                                     for c in table.columns}} for row in table.rows]
    formats = {heading(c): st.column_config.NumberColumn(format=f"%.{c.format.decimals}f") for c in table.columns}
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="headline", column_config=formats, placeholder="–")
    if len(opened) > 1 and len(provenances(opened)) > 1:
        st.warning("The runs were scored with different judges, sizes or data; their numbers cannot be "
                   "compared. See Provenance on the page Leaderboard.")


def provenances(opened: list[Source]) -> set[str]:
    """The provenance on which comparable segmentation scores agree: judge, size and data, as text."""
    return {str([s.provenance.get(key) for key in ("judge", "image size", "dataset")]) for source in opened
            for s in source.scores if s.metric == tables.JUDGED}
