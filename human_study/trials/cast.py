"""The methods that a study compares: those of a run, the baseline, the anchor of the sentinels."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import InputError, nearest
from data.files import read_image
from evaluation.run_directory import PHOTOS, RunDirectory
from human_study.protocol.protocols import BLURRED, MOST_RANKED, UNDER_TEST, Protocol
from human_study.responses.columns import RANKING, REAL_OR_FAKE, SEPARATOR, VERSUS


@dataclass(frozen=True)
class Cast:
    """The methods compared: `baseline` with each of `others`; sentinels show PHOTOS against `anchor`."""

    baseline: str
    others: tuple[str, ...]
    anchor: str


def choose_cast(run: RunDirectory, protocol: Protocol, methods: Sequence[str] | None, baseline: str,
                anchor: str | None = None) -> Cast:
    """The checked methods of a study. Raises InputError, see human_study.batch.write.write_batch."""
    known = [method.name for method in run.methods()]
    anchor = anchor or protocol.anchor
    if methods is None:
        methods = [name for name in known if name not in (baseline, anchor)]
    else:
        baseline, methods = first_of(protocol, baseline, methods)
    for name in (baseline, *methods, *([] if anchor in (BLURRED, UNDER_TEST) else [anchor])):
        if name not in known and not (name == PHOTOS and name != anchor):
            role = " as the anchor of the sentinels" if name == anchor else ""
            raise InputError(f"{run.path}: no images of method '{name}'{role}: {nearest(name, [*known, PHOTOS])}"
                             + (f"; or choose another with --anchor, for example {BLURRED}" if role else ""))
    _check(protocol, (baseline, *methods), anchor)
    return Cast(baseline, tuple(methods), anchor)


def first_of(protocol: Protocol, baseline: str, methods: Sequence[str]) -> tuple[str, list[str]]:
    """Baseline and other methods. Single pictures are shown beside photographs, so `methods` are all there are."""
    if protocol.task == REAL_OR_FAKE and methods:
        return methods[0], list(methods[1:])
    return baseline, list(methods)


def _check(protocol: Protocol, shown: tuple[str, ...], anchor: str) -> None:
    """shown: the baseline and the other methods."""
    task, baseline, others = protocol.task, shown[0], shown[1:]
    if task == REAL_OR_FAKE and PHOTOS in shown:
        raise InputError("task real_or_fake shows the photographs beside every method anyway; leave them out of the "
                         "methods")
    if task == RANKING and len(shown) > MOST_RANKED:
        raise InputError(f"task ranking shows at most {MOST_RANKED} pictures at once, {len(shown)} methods are given; "
                         "choose some with --methods")
    ambiguous = [name for name in (*shown, anchor) if SEPARATOR in name or VERSUS in name]
    if task in (REAL_OR_FAKE, RANKING) and ambiguous:
        raise InputError(f"task {task}: the table of responses cannot hold a method called '{ambiguous[0]}'; expected "
                         f"names without {SEPARATOR} and {VERSUS}")
    if not others and task != REAL_OR_FAKE:
        raise InputError(f"a comparison needs at least two methods: only '{baseline}' is left to show")
    if baseline in others:
        raise InputError(f"method '{baseline}' cannot be compared with itself: it is the baseline")
    if repeated := [name for name in others if others.count(name) > 1]:
        raise InputError(f"method '{repeated[0]}' is listed twice")
    if anchor in shown:
        raise InputError(f"method '{anchor}' is under test, so it cannot be the anchor of the sentinels; "
                         f"choose another with --anchor, for example {BLURRED}")
    if PHOTOS in shown and (protocol.design == "timed-tables" or anchor == UNDER_TEST):
        raise InputError(f"protocol {protocol.name} compares methods of the run; the photographs have "
                         "their own place in it (choose protocol lab to test a method against them)")


def fitted(run: RunDirectory, protocol: Protocol) -> Protocol:
    """The protocol for the run's pictures. Raises InputError, see Protocol.fitted."""
    layouts = run.layouts()
    return protocol.fitted(read_image(run.photo_file(layouts[0])).shape[:2]) if layouts else protocol
