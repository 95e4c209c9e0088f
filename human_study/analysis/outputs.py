"""The files of an analysis: report, tables, figures; a summary for the terminal; counts of votes read from CSV."""

from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import write_json, write_text
from evaluation import published
from human_study.analysis import figures, tables
from human_study.analysis.preference import PairCounts
from human_study.analysis.results import Analysis
from human_study.analysis.write_up import methods_paragraph, report, strengths_of
from human_study.responses.columns import REAL_OR_FAKE
from writing.numbers import exposure_text, percent, percent_interval
from writing.tables import latex


def write_analysis(analysis: Analysis, out: Path) -> list[Path]:
    """All outputs, each with the hash of the specification and the images on it. Returns the files written."""
    out, line = Path(out), analysis.identity.line()
    files, shown = [], {}
    for caption, name, figure in (
            ("Preference by exposure", "preference-by-exposure", figures.exposure_figure(analysis)),
            ("Preference by method", "preference-by-method", figures.method_figure(analysis))):
        if figure is not None:
            for kind in ("pdf", "png"):
                files.append(out / f"{name}.{kind}")
                figures.save(figure, files[-1])
            shown[caption] = f"{name}.png"
    single = analysis.task == REAL_OR_FAKE
    frame = tables.realism_frame(analysis) if single else tables.preference_frame(analysis)
    texts = {"report.md": report(analysis, shown), "methods.txt": f"{methods_paragraph(analysis)}\n\n{line}\n",
             "tables.tex": _latex(analysis), "realism.csv" if single else "preferences.csv": frame.to_csv(index=False)}
    if analysis.participants is not None:
        texts["participants.csv"] = analysis.participants.assign(
            **tables.identity_columns(analysis)).to_csv(index=False)
    for name, text in texts.items():
        write_text(out / name, text)
    write_json(out / "analysis.json", analysis.as_dict())
    files += [out / name for name in (*texts, "analysis.json")]
    votes = out / "preferences.json"  # scores are compared with people's votes, never with simulated ones
    if analysis.votes and not analysis.identity.simulated:
        write_json(votes, analysis.votes)
        files.append(votes)
    else:
        votes.unlink(missing_ok=True)
    return files


def _latex(analysis: Analysis) -> str:
    line = analysis.identity.line()
    wanted = {"tab:table-1": (tables.unlimited_table(analysis), "Preference, unlimited time"),
              "tab:figure-4": (tables.limited_table(analysis), "Preference, limited time"),
              "tab:strengths": (tables.ranking_table(analysis), f"{strengths_of(analysis)} strengths"),
              "tab:realism": (tables.realism_table(analysis, analysis.realism), "Real or fake"),
              "tab:hype-time": (tables.threshold_table(analysis), "Exposure at which pictures are told apart")}
    return "\n".join([f"% {line}", r"% needs \usepackage{booktabs}",
                      *(latex(*table, caption=f"{caption}. {line}.", label=label)
                        for label, (table, caption) in wanted.items() if table)])


def read_counts(file: str) -> list[PairCounts]:
    """Counts of votes from CSV: columns a, b, exposure_ms (empty: unlimited), wins (votes for a), n. `figure-4` names
    the paper's own. Raises InputError for a missing column or impossible counts."""
    if file == "figure-4":
        paper = published.preferences()
        return [PairCounts(a, b, float(ms), wins, paper.judgments) for (a, b), row in paper.figure_4.items()
                for ms, wins in row.items()]
    try:
        frame = pd.read_csv(file, encoding="utf-8-sig", dtype={"a": str, "b": str})
        counts = [PairCounts(row["a"], row["b"], None if pd.isna(row["exposure_ms"]) else float(row["exposure_ms"]),
                             int(row["wins"]), int(row["n"])) for row in frame.to_dict("records")]
    except FileNotFoundError:
        raise InputError(f"{file}: no such file (the paper's own counts are called figure-4)") from None
    except KeyError as error:
        raise InputError(f"{file}: column {error} is missing; expected a, b, exposure_ms, wins, n") from None
    except ValueError as error:
        raise InputError(f"{file}: not a table of counts ({' '.join(str(error).split())})") from None
    for one in counts:
        if not 0 <= one.wins <= one.n or one.a == one.b:
            raise InputError(f"{file}: {one.a} against {one.b}: {one.wins} wins of {one.n} votes are impossible")
    return counts


def summary(analysis: Analysis) -> str:
    """A few lines for the terminal."""
    rows = [f"{tables.pair_title(analysis, row.a, row.b):<40} {exposure_text(row.exposure_ms):>10} "
            f"{percent(row.share):>6} % {percent_interval(row.clustered or row.naive):>14} n={row.n} "
            f"{tables.verdict(analysis, row)}" for row in analysis.preferences]
    rows += [f"{tables.title(analysis, row.method):<40} {exposure_text(row.exposure_ms):>10} errors "
             f"{percent(row.error.value)} % {percent_interval(row.error.interval)} n={row.error.n} "
             f"{row.verdict}" for row in analysis.realism]
    rows += [f"{tables.title(analysis, row.method):<40} HYPE-time {tables.number(row.time_ms, 0)} ms, "
             f"{row.participants} participants" for row in analysis.thresholds]
    return "\n".join([analysis.identity.line(), *analysis.notes, *rows])
