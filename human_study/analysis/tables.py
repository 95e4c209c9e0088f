"""The analysis as tables: rows of plain text for Markdown and LaTeX, rows of numbers for CSV."""

import math
from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from evaluation import published
from evaluation.run_directory import PHOTOS
from human_study.analysis.clustered import Estimate
from human_study.analysis.preference import Preference
from human_study.analysis.results import Analysis
from human_study.analysis.tasks.real_or_fake import Realism
from human_study.responses.columns import RANKING, REAL_OR_FAKE

Table = tuple[list[str], list[list[str]]]  # header, rows
PEOPLE = {"workers": "participants"}


def percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{share * 100:.1f}"


def percent_interval(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"[{percent(interval[0])}, {percent(interval[1])}]"


def p_value(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"


def number(estimate: Estimate, digits: int = 2) -> str:
    """Value with interval, or with the reason why there is none."""
    if math.isnan(estimate.value):
        return f"– ({estimate.note})"
    if estimate.interval is None:
        return f"{estimate.value:.{digits}f} (no interval: {estimate.note})"
    low, high = estimate.interval
    return f"{estimate.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def exposure_title(ms: float | None) -> str:
    return "unlimited" if ms is None else f"{ms:g} ms"


def title(analysis: Analysis, name: str) -> str:
    return analysis.titles.get(name, "real" if name == PHOTOS else name)


def pair_title(analysis: Analysis, row: Preference) -> str:
    return f"{title(analysis, row.a)} > {title(analysis, row.b)}"


def verdict(analysis: Analysis, row: Preference) -> str:
    return f"{title(analysis, row.preferred)} preferred" if row.preferred else row.verdict


def paper_value(row: Preference) -> float | None:
    """The paper's share for the same pair and exposure on Cityscapes."""
    return published.preferences().share(row.a, row.b, row.exposure_ms)


def like_table_1(analysis: Analysis) -> Table | None:
    """Unlimited time: the reference against every other method, the paper's values beside; None without such rows."""
    rows = [row for row in analysis.preferences if row.exposure_ms is None and row.a == analysis.reference]
    if not rows:
        return None
    paper = published.preferences()
    header = [f"{title(analysis, analysis.reference)} preferred, %", *(title(analysis, row.b) for row in rows)]
    return header, [
        ["this study", *(percent(row.share) for row in rows)],
        ["95 % clustered", *(percent_interval(row.clustered) for row in rows)],
        ["judgments", *(str(row.n) for row in rows)],
        [f"{paper.source}, Cityscapes", *(percent(paper_value(row)) for row in rows)],
        [f"{paper.source}, NYU", *(percent(paper.share(row.a, row.b, None, "nyu")) for row in rows)],
    ]


def like_figure_4(analysis: Analysis) -> Table | None:
    """Limited time: one row per exposure, per pair the share with interval and the paper's value; None without any."""
    rows = [row for row in analysis.preferences if row.exposure_ms is not None]
    if not rows:
        return None
    pairs = list(dict.fromkeys((row.a, row.b) for row in rows))
    cell = {(row.a, row.b, row.exposure_ms): row for row in rows}
    names = [pair_title(analysis, cell_row) for cell_row in (next(r for r in rows if (r.a, r.b) == p) for p in pairs)]
    header = ["exposure", *(text for name in names for text in (f"{name}, %", "paper"))]
    body = []
    for ms in sorted({row.exposure_ms for row in rows}):
        line = [exposure_title(ms)]
        for pair in pairs:
            row = cell.get((*pair, ms))
            line += ["–", "–"] if row is None else [
                f"{percent(row.share)} {percent_interval(row.clustered or row.naive)}", percent(paper_value(row))]
        body.append(line)
    return header, body


def preference_table(analysis: Analysis, rows: Sequence[Preference] | None = None) -> Table:
    """Every pair and exposure with both intervals, both tests and the verdict."""
    header = ["pair", "exposure", "n", "ties", "participants", "images", "%", "95 % clustered", "95 % naive",
              "p clustered (Holm)", "p exact naive (Holm)", "p equivalence (Holm)", "verdict", "note"]
    return header, [
        [pair_title(analysis, row), exposure_title(row.exposure_ms), str(row.n), str(row.ties),
         str(row.workers or "–"), str(row.images or "–"), percent(row.share), percent_interval(row.clustered),
         percent_interval(row.naive), p_value(row.p_clustered_holm), p_value(row.p_exact_holm),
         p_value(row.p_equivalent_holm), verdict(analysis, row), row.note]
        for row in (analysis.preferences if rows is None else rows)]


def with_and_without(analysis: Analysis) -> Table:
    """Shares with the quality rules applied and with every answer counted."""
    everything = {(row.a, row.b, row.exposure_ms): row for row in analysis.preferences_all}
    kept = {(row.a, row.b, row.exposure_ms): row for row in analysis.preferences}
    header = ["pair", "exposure", "n used", "% used", "95 % clustered", "n all", "% all", "95 % clustered, all"]
    body = []
    for key, row in everything.items():
        used = kept.get(key)
        after = [str(used.n), percent(used.share), percent_interval(used.clustered)] if used else ["0", "–", "–"]
        body.append([pair_title(analysis, row), exposure_title(row.exposure_ms), *after,
                     str(row.n), percent(row.share), percent_interval(row.clustered)])
    return header, body


def realism_table(analysis: Analysis, rows: Sequence[Realism]) -> Table | None:
    """HYPE-infinity by method and exposure; None without any."""
    header = ["method", "exposure", "answers", "participants", "images", "HYPE: errors, %", "95 % clustered",
              "its pictures called real, %", "95 % clustered", "photographs called fake, %", "95 % clustered",
              "p of chance (Holm)", "p equivalence (Holm)", "verdict"]
    return (header, [
        [title(analysis, row.method), exposure_title(row.exposure_ms), str(row.error.n), str(row.workers),
         str(row.images), *(cell for rate in (row.error, row.deceived, row.doubted)
                            for cell in (percent(rate.value), percent_interval(rate.interval))),
         p_value(row.p_holm), p_value(row.p_equivalent_holm), row.verdict]
        for row in rows]) if rows else None


def threshold_table(analysis: Analysis) -> Table | None:
    """HYPE-time by method; None without staircases."""
    header = ["method", "HYPE-time, ms [95 % over participants]", "participants", "trials per staircase",
              "participants' range, ms"]
    return (header, [
        [title(analysis, row.method), number(row.time_ms, 0), str(row.workers), f"{row.trials:g}",
         f"{row.shortest_ms:g}–{row.longest_ms:g}"] for row in analysis.thresholds]) if analysis.thresholds else None


def comparison_table(analysis: Analysis) -> Table | None:
    if not analysis.comparisons:
        return None
    what, side = ("errors with", "") if analysis.task == REAL_OR_FAKE else ("preference for", "over ")
    header = [what, "second", "minus first", "exposure", "difference, points", "p (Holm)", "note"]
    return header, [
        [title(analysis, row.a), f"{side}{title(analysis, row.second)}", f"{side}{title(analysis, row.first)}",
         exposure_title(row.exposure_ms), _points(row.difference), p_value(row.p_holm), row.difference.note]
        for row in analysis.comparisons]


def _points(difference: Estimate) -> str:
    low_high = difference.interval
    interval = f" [{low_high[0] * 100:+.1f}, {low_high[1] * 100:+.1f}]" if low_high else ""
    return f"{difference.value * 100:+.1f}{interval}"


def ranking_table(analysis: Analysis) -> Table | None:
    """Bradley-Terry (of rankings: Plackett-Luce) strengths by exposure; where they do not exist the row says why."""
    if not analysis.rankings:
        return None
    body = []
    for entry in analysis.rankings:
        ranking = entry.ranking
        if ranking.problem:
            body.append([exposure_title(entry.exposure_ms), "–", "–", ranking.problem, "–"])
            continue
        order = sorted(range(len(ranking.methods)), key=lambda i: -ranking.strengths[i].value)
        for place, i in enumerate(order, 1):
            ranks = ranking.rank_intervals[i] if ranking.rank_intervals else None
            body.append([exposure_title(entry.exposure_ms), str(place), title(analysis, ranking.methods[i]),
                         number(ranking.strengths[i]), f"{ranks[0]}–{ranks[1]}" if ranks else "–"])
        bias = "(an earlier place)" if analysis.task == RANKING else "(side bias, left)"
        body.append([exposure_title(entry.exposure_ms), "", bias, number(ranking.side), ""])
    return ["exposure", "rank", "method", "strength, log odds [95 % clustered]", "ranks, 95 %"], body


def exclusion_table(analysis: Analysis) -> Table | None:
    if analysis.participation is None:
        return None
    reasons = analysis.participation.reasons
    return ["reason", "rows", "sessions"], [[name, str(rows), str(sessions)] for name, (rows, sessions)
                                            in reasons.items()]


def exposure_table(analysis: Analysis) -> Table | None:
    if not analysis.exposures:
        return None
    header = ["requested", "trials", "measured", "median ms", "2.5 %", "97.5 %", "dropped frames"]
    return header, [[exposure_title(e.requested_ms), str(e.trials), str(e.measured),
                     *("–" if v is None else f"{v:.1f}" for v in (e.median_ms, e.low_ms, e.high_ms)),
                     str(e.dropped_frames)] for e in analysis.exposures]


def preference_frame(analysis: Analysis) -> pd.DataFrame:
    """Numbers for CSV: one row per pair and exposure, used and all answers, with the study's identity on every row."""
    records = []
    for kind, rows in (("used", analysis.preferences), ("all", analysis.preferences_all)):
        for row in rows:
            record = asdict(row)
            for name in ("clustered", "naive"):
                record[f"{name}_low"], record[f"{name}_high"] = record.pop(name) or (None, None)
            records.append({"answers": kind, **record, "verdict": row.verdict, "paper": paper_value(row),
                            **identity_columns(analysis)})
    return pd.DataFrame(records).rename(columns=PEOPLE)


def realism_frame(analysis: Analysis) -> pd.DataFrame:
    """Numbers for CSV: one row per method and exposure, used and all answers; staircases with their time."""
    records = []
    for kind, rows in (("used", analysis.realism), ("all", analysis.realism_all)):
        for row in rows:
            record = asdict(row)
            for name in ("error", "deceived", "doubted"):
                rate = record.pop(name)
                low, high = rate["interval"] or (None, None)
                record |= {name: rate["value"], f"{name}_n": rate["n"], f"{name}_low": low, f"{name}_high": high}
            records.append({"answers": kind, **record, "verdict": row.verdict})
    for row in analysis.thresholds:
        low, high = row.time_ms.interval or (None, None)
        records.append({"answers": "used", "method": row.method, "workers": row.workers,
                        "hype_time_ms": row.time_ms.value, "hype_time_low": low, "hype_time_high": high})
    return pd.DataFrame(records).rename(columns=PEOPLE).assign(**identity_columns(analysis))


def identity_columns(analysis: Analysis) -> dict[str, str | bool]:
    identity = analysis.identity
    return {"study_id": identity.study_id, "spec_sha256": " ".join(identity.spec_sha256),
            "images_sha256": identity.images_sha256, "simulated": identity.simulated}


def markdown(table: Table) -> str:
    header, rows = table
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def latex(table: Table, caption: str, label: str) -> str:
    """A table environment that needs the package booktabs."""
    header, rows = table
    lines = [" & ".join(_tex(cell) for cell in line) + r" \\" for line in [header, *rows]]
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{_tex(caption)}}}", rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule", lines[0], r"\midrule", *lines[1:],
        r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


_TEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "–": "--"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
