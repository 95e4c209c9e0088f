"""The analysis in words: the methods paragraph and the Markdown report."""

from human_study.analysis import tables
from human_study.analysis.preference import MARGIN
from human_study.analysis.results import Analysis, ExposureRanking, PairAgreement
from human_study.responses.columns import PAIRS, RANKING, REAL_OR_FAKE
from writing.numbers import exposure_text, percent
from writing.tables import markdown

QUESTIONS = {PAIRS: "two-alternative questions about which of two images is more realistic",
             REAL_OR_FAKE: "questions about single images, whether each is a photograph or made by a program",
             RANKING: "questions to bring the images of one layout in order"}
JUDGED = {PAIRS: "comparisons", REAL_OR_FAKE: "images", RANKING: "rankings"}


def methods_paragraph(analysis: Analysis) -> str:
    """The methods section of a paper; every figure in it is measured."""
    people = analysis.participation
    if people is None:
        return " ".join(analysis.notes)
    subject = "Simulated participants (no person judged) answered" if analysis.identity.simulated else \
        f"{people.participants} participants answered"
    protocol = f", protocol {analysis.identity.protocol}" if analysis.identity.protocol else ""
    parts = [f"{subject} {QUESTIONS[analysis.task]} "
             f"({people.test_judgments} answered {JUDGED[analysis.task]} in {people.sessions} sessions of "
             f"{people.participants} participants{protocol})."]
    if people.median_minutes is not None:
        parts.append("From the first image to the last answer a session took "
                     f"{people.median_minutes:.1f} min (median).")
    fixed = "fixed before the study" if analysis.identity.spec_sha256 else "that this suite has for every study"
    parts.append(f"Of these, {people.used} judgments of {people.participants_used} participants met the rules {fixed}; "
                 "results with and without exclusions are given.")
    if people.sentinels_per_session:
        parts.append(f"A session had {people.sentinels_per_session} sentinels, of which {people.sentinels_needed} had "
                     f"to be right (somebody guessing passes with probability {people.guesser_passes:.3f}, somebody "
                     f"careful with 2 % slips with {people.honest_passes:.3f}).")
    parts.append(f"The work of {people.sessions_accepted} sessions was accepted for pay, decided apart from the "
                 "analysis.")
    parts += [f"At a requested exposure of {e.requested_ms:g} ms, {e.median_ms:.1f} ms were shown (median; 95 % "
              f"between {e.low_ms:.1f} and {e.high_ms:.1f}; {e.measured} of {e.trials} trials measured)."
              for e in analysis.exposures if e.median_ms is not None]
    return " ".join([*parts, _statistics(analysis)])


def _statistics(analysis: Analysis) -> str:
    intervals = ("Intervals are 95 % Wilson intervals at the effective number of judgments given by the two-way "
                 "(participant and image) cluster-robust variance (Cameron, Gelbach & Miller 2011), with t quantiles "
                 "of min(participants, images) - 1 degrees of freedom; p values come from the same variance, two-sided "
                 "against one half, adjusted by Holm's method over all ")
    margin = f"one-sided tests place the share within {MARGIN * 100:g} points of one half."
    if analysis.task == REAL_OR_FAKE:
        time = (" HYPE-time is the commonest exposure of a participant's staircase, averaged over participants, "
                "with Student's t interval." if analysis.thresholds else "")
        return ("The score is the share of errors, over as many photographs as pictures of a method (HYPE, Zhou et al. "
                f"2019). {intervals}methods and exposures. A method is called at chance where two {margin}{time}")
    ties = {"half": "Ties count as half a vote for each method.", "drop": "Ties are left out."}[analysis.ties]
    if analysis.task == RANKING:
        ties = "Every ranking counts as the pairs that it decides; they share a participant and an image."
    bias = "a bias for earlier places" if analysis.task == RANKING else "a side bias"
    mixed = (" A logit model with crossed normal effects of participants and images (Laplace's approximation) is given "
             "for comparison." if analysis.mixed else "")
    return (f"{ties} {intervals}pairs and exposures. Two methods are called equivalent where two {margin} Strengths "
            f"are {strengths_of(analysis)}'s with {bias} and the same clustering.{mixed}")


def strengths_of(analysis: Analysis) -> str:
    return "Plackett-Luce" if analysis.task == RANKING else "Bradley-Terry"


def report(analysis: Analysis, figures: dict[str, str] | None = None) -> str:
    """The whole analysis in Markdown. figures: caption -> file name beside the report."""
    parts = [f"# Human study: {analysis.identity.study_id}", f"*{analysis.identity.line()}*"]
    if analysis.identity.simulated:
        parts.append("**SIMULATED DATA: no person judged. These numbers test the tool and are not evidence about the "
                     "methods.**")
    parts += [f"> {note}" for note in analysis.notes]
    parts += ["## Methods", methods_paragraph(analysis)]
    if analysis.task == PAIRS:
        like_paper = [*_section("Unlimited time, as in the paper's Table 1", tables.unlimited_table(analysis)),
                      *_section("Limited time, as in the paper's Figure 4", tables.limited_table(analysis))]
        parts += like_paper
        if like_paper:
            parts.append("The paper's values come from other images, other trained networks and other people.")
    parts += [f"![{caption}]({name})" for caption, name in (figures or {}).items()]
    for heading, table in (
            ("Real or fake", tables.realism_table(analysis, analysis.realism)),
            ("Real or fake, every answer", tables.realism_table(analysis, analysis.realism_all)),
            ("HYPE-time: where three of four answers are right", tables.threshold_table(analysis)),
            ("All pairs", tables.preference_table(analysis)),
            ("With and without exclusions", tables.with_and_without(analysis)),
            ("Sensitivity: a mixed model", tables.mixed_table(analysis)),
            ("Differences between methods, on the same images", tables.comparison_table(analysis)),
            (strengths_of(analysis), tables.ranking_table(analysis))):
        parts += _section(heading, table)
    if analysis.rankings:
        parts += ["## Robustness of rank 1",
                  "\n".join(f"- {robustness_line(analysis, entry)}" for entry in analysis.rankings)]
    parts += _behaviour(analysis)
    parts += _section("Exposure shown", tables.exposure_table(analysis))
    parts += _section("Why rows were not used", tables.exclusion_table(analysis))
    return "\n\n".join(parts) + "\n"


def _section(heading: str, table: tables.Table | None) -> list[str]:
    return [f"## {heading}", markdown(*table)] if table else []


def robustness_line(analysis: Analysis, entry: ExposureRanking) -> str:
    flip = entry.flip
    where = exposure_text(entry.exposure_ms)
    if flip.votes is None:
        return f"{where}: {flip.note}."
    return (f"{where}: without {flip.votes} of {flip.total} judgments ({percent(flip.votes / flip.total)} %) "
            f"{tables.title(analysis, flip.rival)} would draw level with {tables.title(analysis, flip.top)}.")


def _behaviour(analysis: Analysis) -> list[str]:
    """Agreement, side and order: numbers that should be high, near one half, near zero."""
    if analysis.side_bias is None:
        return []

    def of(one: PairAgreement) -> str:
        pair = "all pairs" if one.a is None else tables.pair_title(analysis, one.a, one.b)
        return pair if one.exposure_ms is None else f"{pair}, {exposure_text(one.exposure_ms)}"

    left, right = ("earlier", "later") if analysis.task == RANKING else ("left", "right")
    lines = [f"- Share of answers for the {left} image: {tables.number(analysis.side_bias, 3)}",
             f"- Preference when the first method is {left} minus {right}: "
             + tables.number(analysis.side_effect, 3),
             f"- Preference in the second half of a session minus the first: {tables.number(analysis.order_effect, 3)}"]
    lines += [f"- Krippendorff's alpha, {of(one)}: {tables.number(one.value)}" for one in analysis.alpha]
    lines += [f"- Split-half correlation of the images' preferences, {of(one)}: {tables.number(one.value)}"
              for one in analysis.split_half]
    return ["## Agreement, side and order", "\n".join(lines)]
