"""Which distances can be trusted: those by which a sharp plausible picture is nearer to the photograph than a blur."""

from collections.abc import Sequence

from evaluation.run_directory import Score
from writing.words import capitalised, listed

METRIC = "trust"
TRUSTED = 0.75  # share of layouts on which the draw must be nearer


def sentences(scores: Sequence[Score]) -> list[str]:
    """The scores of the metric trust, in words; empty where the run has none."""
    return [line for score in scores if score.metric == METRIC for line in _sentences(score)]


def _sentences(score: Score) -> list[str]:
    layouts, ratios = score.provenance.get("layouts"), score.details.get("mean / draw", {})
    single = [value for value in score.values if value.images]
    of_sets = [value for value in score.values if not value.images and value.name in ratios]
    shares = listed([f"{value.label} in {value.value:.0%}" for value in single], 8)
    lines = [f"A check with a known answer: on {layouts} layouts, another draw of the same layout should be nearer to "
             f"the photograph than a blur, the mean of eleven draws. The draw is nearer by {shares} of the layouts"]
    if blurred := [value.label for value in single if value.value < TRUSTED]:
        verb = "prefers" if len(blurred) == 1 else "prefer"
        lines.append(f"{capitalised(listed(blurred, 8))} {verb} blurs too often to judge realism; a method may lead "
                     "on such a distance by averaging")
    if of_sets:
        ratio = [f"{value.label} ({ratios[value.name]:.1f} times)" for value in of_sets]
        lines.append(f"Distance of the set of blurs compared with that of the set of draws: {listed(ratio, 8)}")
    return lines
