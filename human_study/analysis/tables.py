"""The analysis as tables: rows of plain text for Markdown and LaTeX, rows of numbers for CSV."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from evaluation import published
from evaluation.run_directory import PHOTOS
from human_study.analysis.clustered import Estimate
from human_study.analysis.preference import PairResult
from human_study.analysis.real_or_fake import Realism
from human_study.analysis.results import Analysis
from human_study.responses.columns import RANKING, REAL_OR_FAKE
from writing.numbers import MISSING, exposure_text, p_value, percent, percent_interval

Table = tuple[list[str], list[list[str]]]  # header, rows


# --- cells -----------------------------------------------------------------------------------------------------------

def number(estimate: Estimate, digits: int = 2) -> str:
    """Value with interval, or with the reason why there is none."""
    if math.isnan(estimate.value):
        return f"{MISSING} ({estimate.note})"
    if estimate.interval is None:
        return f"{estimate.value:.{digits}f} (no interval: {estimate.note})"
    low, high = estimate.interval
    return f"{estimate.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def title(analysis: Analysis, name: str) -> str:
    return analysis.titles.get(name, "real" if name == PHOTOS else name)


def pair_title(analysis: Analysis, a: str, b: str) -> str:
    return f"{title(analysis, a)} > {title(analysis, b)}"


def verdict(analysis: Analysis, row: PairResult) -> str:
    return f"{title(analysis, row.preferred)} preferred" if row.preferred else row.verdict


def paper_value(row: PairResult) -> float | None:
    """The paper's share for the same pair and exposure on Cityscapes."""
    return published.preferences().share(row.a, row.b, row.exposure_ms)


# --- tables of text; None without rows -------------------------------------------------------------------------------

def unlimited_table(analysis: Analysis) -> Table | None:
    """As the paper's Table 1: the baseline against every other method without a time limit, and the paper's values."""
    rows = [row for row in analysis.preferences if row.exposure_ms is None and row.a == analysis.baseline]
    if not rows:
        return None
    paper = published.preferences()
    header = [f"{title(analysis, analysis.baseline)} preferred, %", *(title(analysis, row.b) for row in rows)]
    return header, [
        ["this study", *(percent(row.share) for row in rows)],
        ["95 % clustered", *(percent_interval(row.clustered) for row in rows)],
        ["judgments", *(str(row.n) for row in rows)],
        [f"{paper.source}, Cityscapes", *(percent(paper_value(row)) for row in rows)],
        [f"{paper.source}, NYU", *(percent(paper.share(row.a, row.b, None, "nyu")) for row in rows)],
    ]


def limited_table(analysis: Analysis) -> Table | None:
    """As the paper's Figure 4: one row per exposure, of each pair the share with interval and the paper's value."""
    rows = {(row.a, row.b, row.exposure_ms): row for row in analysis.preferences if row.exposure_ms is not None}
    if not rows:
        return None
    pairs = list(dict.fromkeys((a, b) for a, b, _ in rows))
    header = ["exposure", *(text for pair in pairs for text in (f"{pair_title(analysis, *pair)}, %", "paper"))]
    body = []
    for ms in sorted({ms for _, _, ms in rows}):
        line = [exposure_text(ms)]
        for pair in pairs:
            row = rows.get((*pair, ms))
            line += [MISSING, MISSING] if row is None else [
                f"{percent(row.share)} {percent_interval(row.clustered or row.naive)}", percent(paper_value(row))]
        body.append(line)
    return header, body


def preference_table(analysis: Analysis) -> Table | None:
    """Every pair and exposure with both intervals, the tests and the verdict."""
    header = ["pair", "exposure", "n", "ties", "participants", "images", "%", "95 % clustered", "95 % naive",
              "p clustered (Holm)", "p exact naive (Holm)", "p equivalence (Holm)", "verdict", "note"]
    rows = [[pair_title(analysis, row.a, row.b), exposure_text(row.exposure_ms), str(row.n), str(row.ties),
             str(row.participants or MISSING), str(row.images or MISSING), percent(row.share),
             percent_interval(row.clustered), percent_interval(row.naive), p_value(row.p_clustered_holm),
             p_value(row.p_exact_holm), p_value(row.p_equivalent_holm), verdict(analysis, row), row.note]
            for row in analysis.preferences]
    return (header, rows) if rows else None


def with_and_without(analysis: Analysis) -> Table | None:
    """Shares with the quality rules applied and with every answer counted."""
    if analysis.participation is None:
        return None
    kept = {(row.a, row.b, row.exposure_ms): row for row in analysis.preferences}
    header = ["pair", "exposure", "n used", "% used", "95 % clustered", "n all", "% all", "95 % clustered, all"]
    body = []
    for row in analysis.preferences_all:
        used = kept.get((row.a, row.b, row.exposure_ms))
        cells = [[str(one.n), percent(one.share), percent_interval(one.clustered)] if one else ["0", MISSING, MISSING]
                 for one in (used, row)]
        body.append([pair_title(analysis, row.a, row.b), exposure_text(row.exposure_ms), *cells[0], *cells[1]])
    return (header, body) if body else None


def mixed_table(analysis: Analysis) -> Table | None:
    """Shares and spreads by the mixed model, beside the shares counted."""
    if not analysis.mixed:
        return None
    counted = {(row.a, row.b, row.exposure_ms): row.share for row in analysis.preferences}
    header = ["pair", "exposure", "% counted", "% by the model", "95 %", "SD of participants, log odds",
              "SD of images, log odds", "note"]
    return header, [
        [pair_title(analysis, row.a, row.b), exposure_text(row.exposure_ms),
         percent(counted[row.a, row.b, row.exposure_ms]), percent(row.share), percent_interval(row.interval),
         *(MISSING if sd is None else f"{sd:.2f}" for sd in (row.participant_sd, row.image_sd)), row.note]
        for row in analysis.mixed]


def realism_table(analysis: Analysis, rows: Sequence[Realism]) -> Table | None:
    """HYPE-infinity by method and exposure."""
    header = ["method", "exposure", "answers", "participants", "images", "HYPE: errors, %", "95 % clustered",
              "its pictures called real, %", "95 % clustered", "photographs called fake, %", "95 % clustered",
              "p of chance (Holm)", "p equivalence (Holm)", "verdict"]
    return (header, [
        [title(analysis, row.method), exposure_text(row.exposure_ms), str(row.error.n), str(row.participants),
         str(row.images), *(cell for rate in (row.error, row.deceived, row.doubted)
                            for cell in (percent(rate.value), percent_interval(rate.interval))),
         p_value(row.p_holm), p_value(row.p_equivalent_holm), row.verdict]
        for row in rows]) if rows else None


def threshold_table(analysis: Analysis) -> Table | None:
    """HYPE-time by method."""
    header = ["method", "HYPE-time, ms [95 % over participants]", "participants", "trials per staircase",
              "participants' range, ms"]
    return (header, [
        [title(analysis, row.method), number(row.time_ms, 0), str(row.participants), f"{row.trials:g}",
         f"{row.shortest_ms:g}–{row.longest_ms:g}"] for row in analysis.thresholds]) if analysis.thresholds else None


def comparison_table(analysis: Analysis) -> Table | None:
    if not analysis.comparisons:
        return None
    what, side = ("errors with", "") if analysis.task == REAL_OR_FAKE else ("preference for", "over ")
    body = []
    for row in analysis.comparisons:
        interval = "" if row.difference.interval is None else " [{:+.1f}, {:+.1f}]".format(
            *(100 * end for end in row.difference.interval))
        body.append([title(analysis, row.a), f"{side}{title(analysis, row.second)}",
                     f"{side}{title(analysis, row.first)}", exposure_text(row.exposure_ms),
                     f"{row.difference.value * 100:+.1f}{interval}", p_value(row.p_holm), row.difference.note])
    return [what, "second", "minus first", "exposure", "difference, points", "p (Holm)", "note"], body


def ranking_table(analysis: Analysis) -> Table | None:
    """Bradley-Terry (of rankings: Plackett-Luce) strengths by exposure, or the reason why they do not exist."""
    if not analysis.rankings:
        return None
    bias = "(an earlier place)" if analysis.task == RANKING else "(side bias, left)"
    body = []
    for entry in analysis.rankings:
        exposure, ranking = exposure_text(entry.exposure_ms), entry.ranking
        if ranking.problem:
            body.append([exposure, MISSING, MISSING, ranking.problem, MISSING])
            continue
        order = sorted(range(len(ranking.methods)), key=lambda i: -ranking.strengths[i].value)
        for place, i in enumerate(order, 1):
            ranks = "{}–{}".format(*ranking.rank_intervals[i]) if ranking.rank_intervals else MISSING
            body.append([exposure, str(place), title(analysis, ranking.methods[i]), number(ranking.strengths[i]),
                         ranks])
        body.append([exposure, "", bias, number(ranking.side), ""])
    return ["exposure", "rank", "method", "strength, log odds [95 % clustered]", "ranks, 95 %"], body


def exclusion_table(analysis: Analysis) -> Table | None:
    reasons = analysis.participation.reasons if analysis.participation else {}
    body = [[name, str(rows), str(sessions)] for name, (rows, sessions) in reasons.items()]
    return (["reason", "rows", "sessions"], body) if body else None


def exposure_table(analysis: Analysis) -> Table | None:
    header = ["requested", "trials", "measured", "median ms", "2.5 %", "97.5 %", "dropped frames"]
    return (header, [
        [exposure_text(e.requested_ms), str(e.trials), str(e.measured),
         *(MISSING if v is None else f"{v:.1f}" for v in (e.median_ms, e.low_ms, e.high_ms)), str(e.dropped_frames)]
        for e in analysis.exposures]) if analysis.exposures else None


# --- tables of numbers -----------------------------------------------------------------------------------------------

def preference_frame(analysis: Analysis) -> pd.DataFrame:
    """One row per pair and exposure, of used and of all answers, with the study's identity on every row."""
    records = []
    for kind, rows in (("used", analysis.preferences), ("all", analysis.preferences_all)):
        for row in rows:
            record = asdict(row)
            for name in ("clustered", "naive"):
                record[f"{name}_low"], record[f"{name}_high"] = record.pop(name) or (None, None)
            records.append({"answers": kind, **record, "verdict": row.verdict, "paper": paper_value(row)})
    return pd.DataFrame(records).assign(**identity_columns(analysis))


def realism_frame(analysis: Analysis) -> pd.DataFrame:
    """One row per method and exposure, of used and of all answers; staircases with their time."""
    records: list[dict[str, Any]] = []
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
        records.append({"answers": "used", "method": row.method, "participants": row.participants,
                        "hype_time_ms": row.time_ms.value, "hype_time_low": low, "hype_time_high": high})
    return pd.DataFrame(records).assign(**identity_columns(analysis))


def identity_columns(analysis: Analysis) -> dict[str, str | bool]:
    identity = analysis.identity
    return {"study_id": identity.study_id, "spec_sha256": " ".join(identity.spec_sha256),
            "images_sha256": identity.images_sha256, "simulated": identity.simulated}
