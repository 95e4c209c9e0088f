"""Scores of all methods as numbers: with intervals, provenance, published values, significance and resolution."""

from dataclasses import replace

import altair as alt
import pandas as pd
import streamlit as st

from evaluation import published
from evaluation.run_directory import PHOTOS
from evaluation.statistics.over_seeds import Resolution
from reports.app.parts.scoretables import heading, show_table
from reports.app.parts.sources import Source
from reports.app.parts.text import plain
from reports.findings import doubts, people
from reports.tables import scores as tables
from reports.tables.provenance import provenances
from reports.tables.scores import Column, Row, ScoreTable
from reports.tables.seeds import Seeds


def show(source: Source) -> None:
    st.subheader("Leaderboard", anchor=False)
    methods = [*source.methods, *source.merged]
    table = tables.main_table(methods, source.scores)
    if not table.columns:
        st.info("Not scored yet.")
        return
    titles = tables.metric_titles(source.scores)
    names = [metric for metric in titles if table.of_metric(metric).columns]
    metric = st.pills("Scores", names, default=names[0], required=True, key="metric", format_func=titles.get,
                      bind="query-params", persist_state="session")
    part = table.of_metric(metric)
    show_table(part, key=f"scores {metric}")
    for doubt in [*doubts.judge(part), *doubts.constant_scores(part), *doubts.warnings(source.scores).get(metric, [])]:
        st.caption(plain(doubt))
    _provenance(source, metric)
    _chart(part)
    _budgets(source, part)
    _significance(source, part)
    _seeds(source, metric)
    _agreement(source)
    _effects(source)
    _published(source)


def _provenance(source: Source, metric: str) -> None:
    """One sentence on how these numbers were measured, with the full provenance in a popover."""
    about = next(found for found in provenances(source.methods, source.scores) if found["metric"] == metric)
    st.caption(plain(f"{about['line']} Arrows point in the better direction."))
    with st.popover("Provenance", icon=":material/fact_check:"):
        st.table(pd.DataFrame([(plain(a), plain(b)) for a, b in about["shared"]], columns=["entry", "value"])
                 .set_index("entry"))
        if about["differing"]:
            rows = [(title, *map(plain, texts)) for title, texts in about["rows"]]
            st.table(pd.DataFrame(rows, columns=["Method", *about["differing"]]).set_index("Method"))


def _chart(table: ScoreTable) -> None:
    """One score of all methods with its intervals."""
    headings = {heading(column): column for column in table.columns}
    with st.container(border=True):
        chosen = st.selectbox("Value", list(headings), key="value", persist_state="session", width=320)
        frame = chart_data(table, headings[chosen])
        order = list(frame["method"])
        axis = alt.X("value:Q", title=chosen, scale=alt.Scale(zero=False))
        rows = alt.Y("method:N", title=None, sort=order, axis=alt.Axis(labelLimit=260))
        base = alt.Chart(frame).encode(rows)
        bars = base.mark_rule(strokeWidth=2, color="#8a8a8a").encode(alt.X("low:Q", title=chosen), alt.X2("high:Q"))
        points = base.mark_point(filled=True, size=80, opacity=1).encode(
            axis, shape=alt.Shape("kind:N", title=None, legend=None),
            tooltip=["method", alt.Tooltip("value:Q", format=".4g"), alt.Tooltip("low:Q", format=".4g"),
                     alt.Tooltip("high:Q", format=".4g")])
        chart = (bars + points).properties(height=alt.Step(26))
        st.altair_chart(chart, alt=f"{chosen} of every method with 95 % intervals")


def chart_data(table: ScoreTable, column: Column) -> pd.DataFrame:
    """Best first; photographs and floor are included, with kind "reference"."""
    rows = [{"method": row.title, "value": cell.value / column.format.divisor,
             "low": (cell.interval or (cell.value,) * 2)[0] / column.format.divisor,
             "high": (cell.interval or (cell.value,) * 2)[1] / column.format.divisor,
             "kind": "reference" if row.reference else "method"}
            for row in table.rows if (cell := table.cell(row, column))]
    return pd.DataFrame(rows).sort_values("value", ascending=column.higher_is_better is False, kind="stable")


def _budgets(source: Source, table: ScoreTable) -> None:
    """One score over the images seen in training: lines through the means of the methods, seeds as points, photographs
    as a dashed line."""
    if len(source.trained.trainings.budgets) < 2:
        return
    with st.container(border=True):
        st.markdown("**Over images seen in training**")
        headings = {heading(column): column for column in table.columns}
        chosen = st.selectbox("Score", list(headings), key="score of budgets", persist_state="session", width=320)
        frame = pd.DataFrame(budget_rows(source, headings[chosen]))
        budgets = sorted(set(frame["images seen"]))
        scale = alt.Scale(type="log", domain=[budgets[0] * 0.9, budgets[-1] * 1.1])
        x = alt.X("images seen:Q", scale=scale, axis=alt.Axis(values=budgets, format=",d"))
        own, methods = frame["method"] == PHOTOS, list(source.titles.values())
        legend = alt.Legend(orient="bottom", columns=1, labelLimit=260, title=None)
        y, mean = (alt.Y(of, title=chosen, scale=alt.Scale(zero=False)) for of in ("value:Q", "mean(value):Q"))
        base = alt.Chart(frame[~own]).encode(x, color=alt.Color(
            "method:N", scale=alt.Scale(domain=methods), legend=legend))
        lines = base.mark_line().encode(mean)
        points = base.mark_point(filled=True, size=50).encode(
            y, shape=alt.Shape("method:N", scale=alt.Scale(domain=methods), legend=legend),
            tooltip=["method", "images seen", alt.Tooltip("value:Q", format=".4g")])
        photographs = alt.Chart(frame[own]).mark_line(strokeDash=[4, 3], color="#8a8a8a").encode(x, mean)
        chart = (photographs + lines + points).properties(height=420)
        st.altair_chart(chart, alt=f"{chosen} over images seen, every method")


def budget_rows(source: Source, column: Column) -> list[dict[str, object]]:
    """A row for each method, budget and seed, photographs included, in the score's own unit."""
    titles, rows = source.titles | {PHOTOS: PHOTOS}, []
    for budget in source.trained.trainings.budgets:
        values = source.trained.trainings.at(budget).values(column.metric, column.name)
        rows += [{"method": titles[name], "images seen": budget, "value": value / column.format.divisor}
                 for name, numbers in values.items() if name in titles for value in numbers]
    return rows


def _significance(source: Source, part: ScoreTable) -> None:
    """Significance: differences to the baseline, and the smallest that this run could detect."""
    differences = tables.differences_table(source.methods, source.scores)
    names = {column.name for column in part.columns}
    columns = [c for c in differences.columns if _compared(c) in names]
    if not columns:
        return
    rows = [_difference(source, differences, row, column) for column in columns for row in differences.rows
            if differences.cell(row, column)]
    st.markdown("**Differences to the baseline**")
    number = st.column_config.NumberColumn(format="%.4g")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="differences", placeholder="–",
                 column_config=dict.fromkeys(["value", "low", "high", "p, corrected", "resolution"], number))
    st.caption("Low and high: 95 % interval. p after Holm’s correction over the methods, for each score. Resolution: "
               "half of the interval; a smaller difference cannot be detected with this number of layouts.")


def _compared(difference: Column) -> str:
    """The name of the score whose differences are in a column."""
    return replace(difference.about, against="").name


def _difference(source: Source, table: ScoreTable, row: Row, column: Column) -> dict[str, object]:
    cell, p = table.cell(row, column), table.extras.get("p", {}).get((row.name, column.key))
    low, high = cell.interval or (None, None)
    return {"Score": column.about.label, "Method": row.title,
            "minus": source.titles.get(column.about.against, column.about.against),
            "value": cell.value, "low": low, "high": high, "p, corrected": p,
            "resolution": None if low is None else (high - low) / 2,
            "significant": "yes" if p is not None and p < tables.SIGNIFICANT else "no"}


def _seeds(source: Source, metric: str) -> None:
    """Spread over training seeds, if several were summarised (scores/trainings.json)."""
    seeds = source.seeds
    rows = seed_rows(seeds, metric)
    if not rows:
        return
    st.markdown(f"**Spread over {seeds.n} training seeds**")
    number = st.column_config.NumberColumn(format="%.4g")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="seeds", placeholder="–",
                 column_config=dict.fromkeys(["mean", "low", "high", "standard deviation"], number))
    st.caption("Low and high: 95 % interval of the mean over seeds. Resolution: spread of the methods divided by that "
               "of the seeds, with its 95 % interval; from below 1 on, a score may not separate these methods.")


def seed_rows(seeds: Seeds, metric: str) -> list[dict[str, object]]:
    """A row per score and method, each in the score's own unit."""
    table, spread = seeds.of_methods().of_metric(metric), seeds.table.extras.get("spread", {})
    rows = []
    for column in table.columns:
        for row in table.rows:
            if cell := table.cell(row, column):
                low, mean, high = (number / column.format.divisor for number in (
                    cell.interval[0], cell.value, cell.interval[1]))
                rows.append({"Score": heading(column), "Method": row.title, "mean": mean, "low": low, "high": high,
                             "standard deviation": spread[row.name, column.key] / column.format.divisor,
                             "resolution": _resolution(seeds.resolution.get((column.metric, column.name)))})
    return rows


def _resolution(found: Resolution | None) -> str:
    return f"{found.ratio:.1f} [{found.interval[0]:.1f}, {found.interval[1]:.1f}]" if found else ""


def _agreement(source: Source) -> None:
    """Agreement of the methods' order by each score with the human ranking."""
    table = tables.whole_run_tables([*source.methods, *source.merged], source.scores).get("agreement")
    if table is None or not table.columns:
        return
    with st.expander("Agreement with people"):
        for sentence in people.agreement_sentences(source.scores):
            st.markdown(plain(sentence))
        show_table(table, "agreement", head="Score")
        st.caption("Kendall’s tau: 1: same order, 0: unrelated, −1: reversed. With few methods nearly every order is "
                   "within chance.")


def _effects(source: Source) -> None:
    """Effects of generator and objective, if the run is a grid of both."""
    found = tables.whole_run_tables([*source.methods, *source.merged], source.scores).get("effects")
    if found is None or not found.columns:
        return
    with st.expander(found.columns[0].metric_title):
        show_table(found, "effects", head="Effect")


def _published(source: Source) -> None:
    dataset = source.config.get("data.dataset", "")
    with st.expander("Published values, measured under other protocols"):
        st.caption(plain(published.caution()))
        rows = [{"Method": title, "Dataset": table.title, **values, "Protocol": table.measured,
                 "Source": table.full_source} for table in published.tables_for(dataset)
                for title, values in table.rows.items()]
        number = st.column_config.NumberColumn(format="%.1f")
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="published", placeholder="–",
                     column_config=dict.fromkeys(["mIoU", "pixel accuracy", "FID"], number))
