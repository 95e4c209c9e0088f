"""Analyse the responses of a study: tables, figures, report.

    python -m human_study analyze --run runs/street [--protocol NAME] [--responses FILE ...] [--simulated] [--out DIR]
    python -m human_study analyze --responses FILE ... --reference crn --out DIR     # without a run directory
    python -m human_study analyze --counts FILE|figure-4 --out DIR                   # from counts of votes alone
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.errors import InputError, nearest, one_line_errors
from data.files import fingerprint, read_json, write_json, write_text
from evaluation.rundir import RunDirectory
from human_study.analysis import figures, tables
from human_study.analysis.published import Counts, figure_4_counts
from human_study.analysis.quality import QualityRules
from human_study.analysis.study import TIES, Analysis, Identity, analyse, analyse_counts, identify
from human_study.analysis.write_up import methods_paragraph, report
from human_study.batch.batch import RESPONSES, SIMULATED_RESPONSES, database_file
from human_study.server.export import export_responses, missing_answers
from human_study.table.responses import merge_responses, read_responses


def study_folder(run: RunDirectory, protocol: str | None) -> Path:
    """Folder of a study in a run. Raises InputError where there is none, or several and none is named."""
    found = sorted(file.parent.parent for file in run.study.glob("*/secret/spec.json"))
    names = [folder.name for folder in found]
    if protocol is not None:
        if protocol not in names:
            raise InputError(f"{run.study}: no study '{protocol}': {nearest(protocol, names)}")
        return run.study / protocol
    if len(found) != 1:
        raise InputError(f"{run.study}: " + (f"several studies, choose one with --protocol: {', '.join(names)}" if found
                                             else "no study yet; write one with python -m human_study hits"))
    return found[0]


def specification(folder: Path) -> dict:
    """secret/spec.json of a study. Raises InputError when its content does not match its own hash."""
    spec = read_json(folder / "secret" / "spec.json")
    rest = {key: value for key, value in spec.items() if key != "spec_sha256"}
    if fingerprint(rest) != spec.get("spec_sha256"):
        raise InputError(f"{folder / 'secret' / 'spec.json'}: changed after it was written (its hash does not match): "
                         "rules and images are fixed before the study; write the batch again")
    return spec


def identity_of(frame: pd.DataFrame, spec: dict) -> Identity:
    """Raises InputError when the responses belong to another specification."""
    table = identify(frame)
    if foreign := set(table.spec_sha256) - {spec["spec_sha256"]}:
        raise InputError(f"responses carry specification {sorted(foreign)[0][:16]}, the study has "
                         f"{spec['spec_sha256'][:16]}: they were given for other images or rules")
    return Identity(table.study_id, table.spec_sha256, fingerprint(spec["images_sha256"]), table.simulated,
                    table.platforms, spec["protocol"]["name"])


def analyse_run(run: RunDirectory, protocol: str | None = None, responses: Sequence[Path] = (), ties: str = "half",
                simulated: bool = False) -> Analysis:
    """Analysis of one study of a run. responses: tables to merge; none: the study's responses.csv or, where nothing
    was collected from a platform, the study server's answers. simulated: those of the simulated workers."""
    folder = study_folder(run, protocol)
    spec = specification(folder)
    frame = _responses(folder, responses, simulated)
    titles = {method.name: method.title for method in run.methods()}
    return analyse(frame, spec["reference"], rules_of(spec, folder), ties, identity_of(frame, spec), titles)


def _responses(folder: Path, files: Sequence[Path], simulated: bool) -> pd.DataFrame:
    """The files given, else what was collected, else what the study server holds. Raises InputError where what was
    collected is behind the server."""
    collected = folder / (SIMULATED_RESPONSES if simulated else RESPONSES)
    if not files and not collected.exists():
        return export_responses(folder, simulated)
    frame = merge_responses([read_responses(file) for file in files or [collected]])
    if not files and (count := missing_answers(frame, folder, simulated)):
        raise InputError(f"{collected}: behind the study server by {count} answers; take them in with python -m "
                         "human_study export (where other platforms' answers stand in it: human_study collect --add "
                         f"{database_file(folder, simulated)}), or name the tables with --responses")
    return frame


def rules_of(spec: dict, folder: Path) -> QualityRules:
    return QualityRules.parse(spec["protocol"].get("rules", {}), str(folder / "secret" / "spec.json"))


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
    write_text(out / "preferences.csv", tables.preference_frame(analysis).to_csv(index=False))
    write_json(out / "analysis.json", analysis.as_dict())
    files += [out / name for name in ("report.md", "methods.txt", "tables.tex", "preferences.csv", "analysis.json")]
    if analysis.workers is not None:
        workers = analysis.workers.assign(**tables.identity_columns(analysis))
        write_text(out / "workers.csv", workers.to_csv(index=False))
        files.append(out / "workers.csv")
    people = out / "preferences.json"  # the scores are compared with what people prefer: nobody else's votes go there
    if analysis.votes and not analysis.identity.simulated:
        write_json(people, analysis.votes)
        files.append(people)
    else:
        people.unlink(missing_ok=True)
    return files


def _latex(analysis: Analysis) -> str:
    line = analysis.identity.line()
    parts = [f"% {line}", r"% needs \usepackage{booktabs}"]
    wanted = {"tab:table-1": (tables.like_table_1(analysis), "Preference, unlimited time"),
              "tab:figure-4": (tables.like_figure_4(analysis), "Preference, limited time"),
              "tab:strengths": (tables.ranking_table(analysis), "Bradley-Terry strengths")}
    parts += [tables.latex(table, f"{caption}. {line}.", label) for label, (table, caption) in wanted.items() if table]
    return "\n".join(parts) + "\n"


def read_counts(file: str) -> list[Counts]:
    """Counts of votes from CSV: columns a, b, exposure_ms (empty: unlimited), wins (votes for a), n. `figure-4` names
    the paper's own. Raises InputError for a missing column or impossible counts."""
    if file == "figure-4":
        return figure_4_counts()
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
    return "\n".join([analysis.identity.line(), *analysis.notes, *rows])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m human_study analyze", description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="run directory with the study")
    parser.add_argument("--protocol", help="which study of the run, where it has several")
    parser.add_argument("--responses", nargs="+", type=Path, default=[], metavar="FILE", help="tables of responses "
                        "(CSV or Parquet); default: the study's responses.csv, else the server's answers")
    parser.add_argument("--counts", metavar="FILE", help="counts of votes (CSV), or figure-4 for the paper's own")
    parser.add_argument("--reference", default="crn", help="without --run: the method preferences are given for")
    parser.add_argument("--ties", choices=TIES, default="half")
    parser.add_argument("--simulated", action="store_true", help="analyse the simulated workers' answers")
    parser.add_argument("--out", type=Path, help="folder; default: analysis/ (or simulated-analysis/) of the study")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = _parser()
    args = parser.parse_args(argv)
    with one_line_errors(parser.prog):
        if args.run:
            run = RunDirectory.open(args.run)
            analysis = analyse_run(run, args.protocol, args.responses, args.ties, args.simulated)
            name = "simulated-analysis" if analysis.identity.simulated else "analysis"
            out = args.out or study_folder(run, args.protocol) / name
        elif args.out is None:
            raise InputError("--out DIR is needed without --run")
        elif args.counts:
            analysis, out = analyse_counts(read_counts(args.counts), Path(args.counts).stem, args.reference), args.out
        elif args.responses:
            frame = merge_responses([read_responses(file) for file in args.responses])
            analysis, out = analyse(frame, args.reference, ties=args.ties), args.out
        else:
            raise InputError("nothing to analyse: give --run, --responses or --counts")
        files = write_analysis(analysis, out)
        print(f"{summary(analysis)}\nwrote {len(files)} files in {out}")


if __name__ == "__main__":
    main()
