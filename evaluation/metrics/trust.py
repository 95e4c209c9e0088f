"""The metric "trust": which of this run's distances put a sharp plausible picture before a blur? scores/trust.json.

On scenes that can be drawn again the truth is known (see known_truth): another draw of a layout is a photograph of it,
the mean of many draws is a blur. A distance that calls the mean nearer than the draw in more than half of the layouts
rewards blur, whatever it says of methods. One entry for each score of the table that is such a distance:

    {"protocol": {...}, "scores": [{"score": "FD-judge", "draw nearer": 1.0, "mean / draw": 9.1, "layouts": null}, ...]}

"draw nearer" is the share of `layouts` (null: one comparison of sets), "mean / draw" how much farther the mean is.
"""

from typing import Any

from data.files import read_mapping, write_json
from evaluation.metrics.context import Work
from evaluation.metrics.known_truth import Triples, known_truth
from evaluation.metrics.modes import known_modes, same_street
from evaluation.metrics.perceptual_distance import perceptual_consumers

METRIC = "trust"
LAYOUTS = 40
PIXELS = "best-of-1 pixels"


def score(work: Work) -> None:
    """Write scores/trust.json; nothing, and an older file gone, where scenes cannot be drawn again."""
    file = work.run.path / "scores" / f"{METRIC}.json"
    street = same_street(work.run) if known_modes(work) else None
    if street is None:
        file.unlink(missing_ok=True)
        return
    lpips = [c for c in perceptual_consumers(work) if c.module is not None]
    protocol = {"scenes": work.run.scenes(), "layouts": min(LAYOUTS, work.n),
                "image size": list(work.measurements.size),
                "extractors": {c.extractor.label: c.extractor.full for c in work.extractors},
                "LPIPS": {c.label: c.protocol for c in lpips}}
    inputs = work.inputs(METRIC, "", [protocol, work.measurements.dataset_hash()])
    if file.exists() and read_mapping(file).get("protocol", {}).get("inputs") == inputs:
        return
    others = {c.label: lambda a, b, c=c: {"maps": c.compare(c.pictures(a), c.pictures(b))} for c in lpips}
    table = known_truth(Triples(street, LAYOUTS), None, [c.extractor for c in work.extractors], others)
    write_json(file, {"protocol": protocol | {"inputs": inputs}, "scores": _named(work, table, protocol["layouts"])})


def _named(work: Work, table: dict[str, Any], layouts: int) -> list[dict[str, Any]]:
    """The table's rows under the names that the scores have in tables."""
    rows = [(PIXELS, table["pixels"]["L1"], layouts)]
    for consumer in work.extractors:
        label, found = consumer.extractor.label, table[consumer.extractor.label]
        rows += [(f"best-of-1 {what}-{label}", found[term], layouts) for what, term in
                 (("distance", "features"), ("map distance", "map distance")) if term in found]
        rows += [(consumer.extractor.name("FD"), found["FD"], None)] if "FD" in found else []
    rows += [(f"best-of-1 {c.label}", table[c.label]["maps"], layouts) for c in perceptual_consumers(work)
             if c.module is not None]
    return [{"score": name, **row, "layouts": count} for name, row, count in rows]
