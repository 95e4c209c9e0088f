"""What an analysis leaves behind: report, tables and figures as files, a summary; counts of votes read from CSV."""

from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import write_json, write_text
from evaluation import published
from human_study.analysis import figures, tables
from human_study.analysis.preference import Counts
from human_study.analysis.results import Analysis
from human_study.analysis.write_up import methods_paragraph, report, strengths_of
from human_study.responses.columns import REAL_OR_FAKE


def write_analysis(analysis: Analysis, out: Path) -> list[Path]:
    """All outputs, each with the hash of the specification and the images on it. Returns the files written."""
    out = Path(out)
    drawn = {"Preference by exposure": ("preference-by-exposure", figures.exposure_figure(analysis)),
             "Preference by method": ("preference-by-method", figures.method_figure(analysis))}
    files, shown = [], {}
    for caption, (name, figure) in drawn.items():
        if figure is not None:
            files += [out / f"{name}.pdf", out / f"{name}.png"]
            figures.save(figure, files[-2])
            figures.save(figure, files[-1])
            shown[caption] = f"{name}.png"
    write_text(out / "report.md", report(analysis, shown))
    write_text(out / "methods.txt", f"{methods_paragraph(analysis)}\n\n{analysis.identity.line()}\n")
    write_text(out / "tables.tex", _latex(analysis))
    single = analysis.task == REAL_OR_FAKE
    numbers, frame = ("realism.csv", tables.realism_frame) if single else ("preferences.csv", tables.preference_frame)
    write_text(out / numbers, frame(analysis).to_csv(index=False))
    write_json(out / "analysis.json", analysis.as_dict())
    files += [out / name for name in ("report.md", "methods.txt", "tables.tex", numbers, "analysis.json")]
    if analysis.workers is not None:
        people = analysis.workers.assign(**tables.identity_columns(analysis))
        write_text(out / "participants.csv", people.to_csv(index=False))
        files.append(out / "participants.csv")
    votes = out / "preferences.json"  # the scores are compared with what people prefer: nobody else's votes go there
    if analysis.votes and not analysis.identity.simulated:
        write_json(votes, analysis.votes)
        files.append(votes)
    else:
        votes.unlink(missing_ok=True)
    return files


def _latex(analysis: Analysis) -> str:
    line = analysis.identity.line()
    parts = [f"% {line}", r"% needs \usepackage{booktabs}"]
    wanted = {"tab:table-1": (tables.like_table_1(analysis), "Preference, unlimited time"),
              "tab:figure-4": (tables.like_figure_4(analysis), "Preference, limited time"),
              "tab:strengths": (tables.ranking_table(analysis), f"{strengths_of(analysis)} strengths"),
              "tab:realism": (tables.realism_table(analysis, analysis.realism), "Real or fake"),
              "tab:hype-time": (tables.threshold_table(analysis), "Exposure at which pictures are told apart")}
    parts += [tables.latex(table, f"{caption}. {line}.", label) for label, (table, caption) in wanted.items() if table]
    return "\n".join(parts) + "\n"


def read_counts(file: str) -> list[Counts]:
    """Counts of votes from CSV: columns a, b, exposure_ms (empty: unlimited), wins (votes for a), n. `figure-4` names
    the paper's own. Raises InputError for a missing column or impossible counts."""
    if file == "figure-4":
        paper = published.preferences()
        return [Counts(a, b, float(ms), wins, paper.judgments) for (a, b), row in paper.figure_4.items()
                for ms, wins in row.items()]
    try:
        frame = pd.read_csv(file, encoding="utf-8-sig", dtype={"a": str, "b": str})
        rows = frame.to_dict("records")
        counts = [Counts(row["a"], row["b"], None if pd.isna(row["exposure_ms"]) else float(row["exposure_ms"]),
                         int(row["wins"]), int(row["n"])) for row in rows]
    except FileNotFoundError:
        raise InputError(f"{file}: no such file (the paper's own counts are called figure-4)") from None
    except KeyError as error:
        raise InputError(f"{file}: column {error} is missing; expected a, b, exposure_ms, wins, n") from None
    except ValueError as error:
        raise InputError(f"{file}: not a table of counts ({error})") from None
    for one in counts:
        if not 0 <= one.wins <= one.n or one.a == one.b:
            raise InputError(f"{file}: {one.a} against {one.b}: {one.wins} wins of {one.n} votes cannot be")
    return counts


def summary(analysis: Analysis) -> str:
    """A few lines for the terminal."""
    rows = [f"{tables.pair_title(analysis, row):<40} {tables.exposure_title(row.exposure_ms):>10} "
            f"{tables.percent(row.share):>6} % {tables.percent_interval(row.clustered or row.naive):>14} n={row.n} "
            f"{tables.verdict(analysis, row)}" for row in analysis.preferences]
    rows += [f"{tables.title(analysis, row.method):<40} {tables.exposure_title(row.exposure_ms):>10} errors "
             f"{tables.percent(row.error.value)} % {tables.percent_interval(row.error.interval)} n={row.error.n} "
             f"{row.verdict}" for row in analysis.realism]
    rows += [f"{tables.title(analysis, row.method):<40} HYPE-time {tables.number(row.time_ms, 0)} ms, {row.workers} "
             "participants" for row in analysis.thresholds]
    return "\n".join([analysis.identity.line(), *analysis.notes, *rows])
