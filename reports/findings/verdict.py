"""The verdict in words: who leads on which axis, by how much, and what the numbers do not show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.run_directory import FLOOR, PHOTOS, Method, Score, Value
from reports.findings.axes import AXES, leaders, leading_column, leading_scores, ordered
from reports.findings.trainings import Evidence, on_budgets, on_seeds
from reports.tables.scores import SIGNIFICANT, Column, ScoreTable
from writing.numbers import duration
from writing.words import capitalised, counted, listed

PAPER_IMAGES = 595_000  # 200 epochs over 2,975 photographs, section 5.1


@dataclass(frozen=True)
class Finding:
    """The finding on one axis. settled: one method leads as a method, over training seeds."""

    axis: str
    text: str
    settled: bool = False


def findings(table: ScoreTable, scores: Sequence[Score], methods: Sequence[Method],
             trained: Evidence, first: str = "") -> list[Finding]:
    """The run's place among budgets, one finding per question that was scored, diversity and cost included, and one on
    what was not measured; none without scores. trained: what is known of other trainings. first: name of the
    baseline."""
    titles = {row.name: row.title for row in table.rows}
    diverse = next(axis.title for axis in AXES if axis.several)
    leading = [(title, column) for title, column in leading_scores(table) if title != diverse]
    places = on_budgets([column for _, column in leading], first, trained, titles)
    found = [Finding("Budget", places) if places else None]
    found += [_leads(table, title, column, titles, trained) for title, column in leading]
    found += [_diversity(table, scores, methods, titles), _cost(table, titles), _not_measured(table)]
    return [finding for finding in found if finding is not None]


def answer(table: ScoreTable, baseline: str, scores: Sequence[Score], methods: Sequence[Method]) -> str:
    """The answer to the paper's question in one sentence: the place of the baseline by the leading scores, and whether
    they reproduce the paper's human ranking. Empty without scores of the baseline."""
    titles = {row.name: row.title for row in table.rows}
    places = []
    for _, column in leading_scores(table):
        order = [name for name, _ in ordered(table, column)]
        if baseline in order and len(order) > 1:
            places.append(f"{_ordinal(order.index(baseline) + 1)} of {len(order)} by {column.label}")
    if not places:
        return ""
    sentence = f"{titles[baseline]} is {listed(places[:3])}"
    seen = max((method.images_seen for method in methods if method.images_seen), default=0)
    at = f" at {seen:,} images (1/{round(PAPER_IMAGES / seen):,} of the paper’s)" if 0 < seen < PAPER_IMAGES / 2 else ""
    paper = [score for score in scores if score.metric == "agreement" and not score.method.startswith("human-study")]
    if not paper:
        return f"{sentence}{at}."
    p = paper[0].details.get("p (Holm)", {})
    found = any(value.value > 0 and (chance := p.get(value.name)) is not None and chance < SIGNIFICANT
                and value.leading == 1 for value in paper[0].values)
    repeated = "a leading score reproduces" if found else "no leading score reproduces"
    return f"{sentence}{at}; {repeated} the paper’s human ranking."


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _not_measured(table: ScoreTable) -> Finding | None:
    """What a judge and an extractor would add to a run that has other scores."""
    there = {axis.key for axis in AXES if leading_column(table, axis)}
    adds = {"layout": "A judge (judge.source) would measure whether the images show their layouts, as mIoU does.",
            "likeness": "An extractor (score.extractors) would measure how near the images as a set are to "
                        "photographs, as FID does."}
    missing = [sentence for key, sentence in adds.items() if key not in there]
    return Finding("Not measured", " ".join(missing)) if missing and table.columns else None


def _leads(table: ScoreTable, question: str, column: Column, titles: Mapping[str, str],
           trained: Evidence) -> Finding | None:
    if not (found := ordered(table, column)):
        return None
    best = found[0][0]
    over_seeds, settled = on_seeds(column, best, trained, titles) if len(found) > 1 else ("", False)
    sentences = [_order(table, column, found, titles), over_seeds, _photographs(table, column),
                 _other_scores(table, column, best, titles)]
    return Finding(question, " ".join(filter(None, sentences)), settled)


def _order(table: ScoreTable, column: Column, found: list[tuple[str, Value]],
           titles: Mapping[str, str]) -> str:
    """The sentence on the order of these checkpoints."""
    (best, value), label = found[0], column.label
    if len(found) == 1:
        return f"{titles[best]} has {label} {_with_interval(column, value)}; no other method was scored."
    if value.value == found[-1][1].value:
        return f"Every method has {label} {column.text(value.value)}: this score does not separate them."
    lead = leaders(table, column)
    last, worst = found[-1]
    if len(lead) == len(found):
        ends = f"{column.format(value.value)} ({titles[best]}) to {column.text(worst.value)} ({titles[last]})"
        return f"No checkpoint leads: {label} ranges from {ends}, and every interval overlaps with the best one."
    end = f" {titles[last]} is last with {column.text(worst.value)}." if len(found) > 2 else ""
    if len(lead) > 1:
        others = listed(titles[name] for name in lead[1:])
        return (f"{titles[best]} has the best {label}, {_with_interval(column, value)}, but its interval "
                f"overlaps with {'that' if len(lead) == 2 else 'those'} of {others}.{end}")
    second, runner_up = found[1]
    how = "above" if column.higher_is_better else "below"
    gap = f"{_with_interval(column, value)}, {column.text(abs(value.value - runner_up.value))} {how} {titles[second]}"
    if not (value.interval and runner_up.interval):
        return f"{titles[best]} has the best {label}, {gap}; without intervals the order is uncertain.{end}"
    return f"{titles[best]} leads among these checkpoints: {label} {gap}; the intervals do not overlap.{end}"


def _with_interval(column: Column, value: Value) -> str:
    return f"{column.text(value.value)} {column.format.interval(value.interval)}".strip()


def _photographs(table: ScoreTable, column: Column) -> str:
    """The score of photographs, as a bound for methods."""
    rows = {row.name: table.cell(row, column) for row in table.rows if row.reference}
    if oracle := rows.get(PHOTOS):
        return f"The photographs themselves score {column.text(oracle.value)}."
    if floor := rows.get(FLOOR):
        return f"Two sets of photographs are {column.text(floor.value)} apart."
    return ""


def _other_scores(table: ScoreTable, column: Column, best: str, titles: Mapping[str, str]) -> str:
    """Scores of the same metric that rank another method first, beyond the intervals."""
    firsts: dict[str, list[str]] = {}
    for other in table.of_metric(column.metric).without(table.constant()).shown().columns:
        if other.higher_is_better is not None and other.key != column.key and (found := ordered(table, other)) \
                and best not in leaders(table, other):
            firsts.setdefault(found[0][0], []).append(other.label)
    firsts.pop(best, None)
    others = [f"{listed(labels, 3)} {'ranks' if len(labels) == 1 else 'rank'} {titles[name]} first"
              for name, labels in firsts.items()]
    return f"However, {'; '.join(others[:2])}." if others else ""


def _diversity(table: ScoreTable, scores: Sequence[Score], methods: Sequence[Method],
               titles: Mapping[str, str]) -> Finding | None:
    several = {m.name: m.images_per_layout for m in methods if m.images_per_layout > 1}
    axis = next(axis for axis in AXES if axis.several)
    if not several:
        return Finding(axis.title, "No method in this run makes more than one image per layout.") if methods else None
    column = leading_column(table, axis)
    values = table.values(column) if column else {}
    found = [(name, values[name]) for name in several if name in values]
    sentences = []
    if len(found) == 1:
        name, value = found[0]
        sentences.append(f"{titles[name]} makes {several[name]} images per layout; {column.label[:1].lower()}"
                         f"{column.label[1:]} {_with_interval(column, value)}.")
    elif found:
        sentences.append(_order(table, column, ordered(table, column), titles))
    for name, k in several.items():
        sentences += [_coverage(score, titles[name], k) for score in scores
                      if score.method == name and score.metric == "modes"]
    return Finding(axis.title, " ".join(filter(None, sentences))) if any(sentences) else None


def _coverage(score: Score, title: str, k: int) -> str:
    """The share of modes covered, compared with that of the same number of independent draws."""
    expected = {value.score: value.value for value in score.values if value.draws}
    shares = [f"{value.label[:1].lower()}{value.label[1:]} {value.value:.0%} ({k} independent draws: "
              f"{expected[value.score]:.0%})" for value in score.values if not value.draws and value.score in expected]
    return f"{title}: {', '.join(shares)}." if shares else ""


def _cost(table: ScoreTable, titles: Mapping[str, str]) -> Finding | None:
    ranges = []
    for name, phrase in (("training seconds", "training took"), ("seconds per image", "one image takes"),
                         ("parameters", "generators have")):
        column = next((c for c in table.columns if c.metric == "cost" and c.name == name), None)
        found = sorted(table.values(column).items(), key=lambda item: item[1].value) if column else []
        if len(found) > 1 and found[0][1].value < found[-1][1].value:
            (least, low), (most, high) = found[0], found[-1]
            ranges.append(f"{phrase} {_amount(column, low)} ({titles[least]}) to {_amount(column, high)} "
                          f"({titles[most]})")
    if not ranges:
        return None
    return Finding("Cost", capitalised("; ".join(ranges)) + ". Times were measured once, on one machine.")


def _amount(column: Column, value: Value) -> str:
    if column.unit != "s":
        return f"{value.value:,.0f}" + (" parameters" if column.name == "parameters" else "")
    return f"{1000 * value.value:.1f} ms" if value.value < 0.1 else duration(value.value)


def budget(record: Mapping, methods: Sequence[Method], layouts: int, seeds: int, effective: float | None) -> str:
    """What can be concluded from this much training and this many layouts, and what cannot."""
    data, trained = record["config"]["data"], [m for m in methods if m.images_seen]
    sentences = []
    if trained:
        sentences.append(_training(data, trained, seeds))
    elsewhere = [m.title for m in methods if m.kind == "images"]
    if elsewhere:
        sentences.append(f"The images of {listed(elsewhere)} were made elsewhere; their training is not known.")
    kind = counted(layouts, "layout")
    few = f", worth about {effective:.0f} independent ones" if effective and effective < 0.9 * layouts else ""
    sentences.append(f"Intervals cover the choice of {kind}{few}: they show how the numbers would change with other "
                     "layouts, not with another training.")
    return " ".join(sentences)


def _training(data: Mapping, trained: Sequence[Method], seeds: int) -> str:
    seen = sorted({m.images_seen for m in trained})
    each = f"Each method saw {seen[0]:,} images" if len(seen) == 1 else (
        f"The methods saw {seen[0]:,} to {seen[-1]:,} images")
    pairs = data.get("train")
    times = seen[-1] / pairs if pairs else 0.0
    passes = "one pass" if 0.95 < times < 1.05 else f"{times:.1f} passes"
    passes = f", {passes} over {pairs:,} training pairs" if pairs else ""
    seed = f"{seeds} training seeds are compared below" if seeds > 1 else (
        "there is one training of each")
    if seen[-1] >= PAPER_IMAGES / 10:
        return f"{each}{passes}; {seed}."
    share = PAPER_IMAGES / seen[-1]
    return (f"{each}{passes}; {seed}. The paper’s methods saw about {PAPER_IMAGES:,}, {share:,.0f} times as many, at "
            "256×512 and more: this is a small-scale demonstration, not a replication.")


def baseline(record: Mapping, methods: Sequence[Method]) -> str:
    """Name of the study's baseline, else of the first method."""
    chosen = record["config"].get("study", {}).get("baseline")
    names = [method.name for method in methods]
    return chosen if chosen in names or not names else names[0]


def title(record: Mapping, methods: Sequence[Method], dataset: str) -> str:
    """What was compared. The study's baseline is named first."""
    first = baseline(record, methods)
    names = [m.title for m in sorted(methods, key=lambda m: m.name != first)]
    if not names:
        return f"No method yet on {dataset}"
    if len(names) <= 3:
        return f"{listed(names)} on {dataset}"
    return f"{names[0]} and {len(names) - 1} other methods on {dataset}"

