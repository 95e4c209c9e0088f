"""Human judgments: the paper's preferences, how far automatic scores agree with them, and the run's own study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import list_folder, read_mapping
from evaluation import published
from evaluation.run_directory import PER_IMAGE, PHOTOS, Method, RunDirectory, Score
from reports.tables.names import dataset_title
from reports.tables.scores import SIGNIFICANT
from writing.numbers import MISSING, exposure_text, percent, percent_interval
from writing.words import counted, listed


def agreement_sentences(scores: Sequence[Score]) -> list[str]:
    """One sentence per human order, the run's own study first: how many scores agree with it beyond chance, and which
    agree most and least."""
    found = [score for score in scores if score.metric == "agreement"]
    own_first = sorted(found, key=lambda score: not score.method.startswith("human-study"))
    return [text for score in own_first if (text := _agreement(score))]


def _agreement(score: Score) -> str:
    values = [v for v in score.values if v.variant != PER_IMAGE]
    if not values:
        return ""
    p = score.details.get("p (Holm)", {})
    agreeing = [v for v in values if v.value > 0 and (found := p.get(v.name)) is not None and found < SIGNIFICANT]
    best, worst = max(values, key=lambda v: v.value), min(values, key=lambda v: v.value)
    methods = len(score.details.get("human order", {}))
    subject = score.subject or score.method
    of = subject[:1].lower() + subject[1:] + (f" ({counted(methods, 'method')})" if methods else "")
    if agreeing:
        names = listed((v.label for v in agreeing), 3)
        first = f"{len(agreeing)} of {counted(len(values), 'score')} agree with {of} beyond chance: {names}."
    else:
        first = f"None of {counted(len(values), 'score')} agrees with {of} beyond chance."
    if best is worst:
        return f"{first} Its tau is {_signed(best.value)}."
    return (f"{first} Highest tau: {best.label}, {_signed(best.value)}; lowest: {worst.label}, "
            f"{_signed(worst.value)}.")


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def preferences() -> dict[str, Any]:
    """The paper's Table 1: percent of comparisons in which people chose CRN's image over the column's method."""
    paper = published.preferences()
    columns = list(next(iter(paper.table_1.values())))
    names = {"cityscapes": "Cityscapes", "nyu": "NYU"}
    return {"columns": [paper.titles[name] for name in columns], "source": paper.source,
            "rows": [(names.get(dataset, dataset_title(dataset)), [row[name] for name in columns])
                     for dataset, row in paper.table_1.items()]}


def studies(run: RunDirectory, methods: Sequence[Method]) -> list[dict[str, Any]]:
    """The run’s task batches: folder, contents, and the analysis of the responses (None without one)."""
    return [_study(folder, run, methods) for folder in list_folder(run.study, "*/") if (folder / "public").is_dir()]


def _study(folder: Path, run: RunDirectory, methods: Sequence[Method]) -> dict[str, Any]:
    return {"name": folder.name, "folder": folder.relative_to(run.path).as_posix(),
            "hits": [file.name for file in list_folder(folder / "public", "*.csv")],
            "images": len(list_folder(folder / "public" / "images")),
            "responses": (folder / "responses.csv").is_file(),
            "analysis": _analysis(folder / "analysis" / "analysis.json", run, methods)}


def _analysis(file: Path, run: RunDirectory, methods: Sequence[Method]) -> dict[str, Any] | None:
    """Preferences of an analysed study, each with the paper's; None without an analysis."""
    if not file.is_file():
        return None
    content = read_mapping(file)
    if not content.keys() >= {"preferences", "identity", "notes"}:
        raise InputError(f"{file}: not an analysis of a study; make it again with python -m human_study analyze")
    titles = {PHOTOS: "photographs"} | {method.name: method.title for method in methods}
    rows = [{"pair": f"{titles.get(p['a'], p['a'])} over {titles.get(p['b'], p['b'])}",
             "exposure": exposure_text(p["exposure_ms"]),
             "percent": percent(p["share"]), "clustered": percent_interval(p["clustered"]),
             "naive": percent_interval(p["naive"]), "n": p["n"],
             "paper": percent(published.preferences().share(p["a"], p["b"], p["exposure_ms"])),
             "verdict": p.get("verdict", "")} for p in content["preferences"]]
    return {"rows": rows, **_single(content, titles), "simulated": content["identity"]["simulated"],
            "notes": content["notes"], "folder": file.parent.relative_to(run.path).as_posix()}


def _single(content: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, list]:
    """Results for single pictures, real or fake: errors by method and exposure, and the times of staircases."""
    realism = [{"method": titles.get(row["method"], row["method"]),
                "exposure": exposure_text(row["exposure_ms"]),
                "n": row["error"]["n"], "verdict": row["verdict"], "percent": percent(row["error"]["value"]),
                "clustered": percent_interval(row["error"]["interval"]), "deceived": percent(row["deceived"]["value"]),
                "doubted": percent(row["doubted"]["value"])} for row in content.get("realism", [])]
    times = []
    for row in content.get("thresholds", []):
        low_high = row["time_ms"]["interval"]
        times.append({"method": titles.get(row["method"], row["method"]), "ms": f"{row['time_ms']['value']:.0f}",
                      "interval": "[{:.0f}, {:.0f}]".format(*low_high) if low_high else MISSING,
                      "participants": row.get("participants", row.get("workers"))})
    return {"realism": realism, "times": times}


def sentence(studies: Sequence[Mapping[str, Any]]) -> str:
    """Whether people have judged this run's images, and what they preferred."""
    judged = [study["analysis"] for study in studies if study["analysis"] and not study["analysis"]["simulated"]]
    if not judged:
        return "No person has judged these images yet, and no automatic score decides what looks real."
    rows = [row for analysis in judged for row in analysis["rows"]]
    pairs = [f"{row['pair']} in {row['percent']} % of {counted(row['n'], 'judgment')}" for row in rows]
    single = [f"{row['method']} in {row['percent']} % of {counted(row['n'], 'answer')}" for analysis in judged
              for row in analysis["realism"]]
    times = [f"{row['method']} at {row['ms']} ms" for analysis in judged for row in analysis["times"]]
    return " ".join(text.format(listed(found)) for text, found in (
        ("People who looked at this run’s images preferred {}.", pairs),
        ("Asked whether single images are photographs, people were wrong about {} (chance: 50 %).", single),
        ("Shortest exposure at which people can tell single images from photographs: {}.", times)) if found)
