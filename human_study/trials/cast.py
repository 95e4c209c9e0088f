"""Who is compared with whom: the methods of a run, their reference, the anchor of the sentinels."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import InputError, nearest
from data.files import read_image
from evaluation.run_directory import PHOTOS, RunDirectory
from human_study.protocol.protocols import BLURRED, MOST_RANKED, UNDER_TEST, Protocol
from human_study.responses.columns import SEPARATOR


@dataclass(frozen=True)
class Cast:
    """Who is compared: `reference` with each of `others`; sentinels show PHOTOS against `anchor`."""

    reference: str
    others: tuple[str, ...]
    anchor: str


def choose_cast(run: RunDirectory, protocol: Protocol, methods: Sequence[str] | None, reference: str,
                anchor: str | None = None) -> Cast:
    """Check who is compared with whom. Raises InputError, see human_study.batch.write.write_batch."""
    known = [method.name for method in run.methods()]
    anchor = anchor or protocol.anchor
    if methods is None:
        methods = [name for name in known if name not in (reference, anchor)]
    else:
        reference, methods = first_of(protocol, reference, methods)
    for name in (reference, *methods, *([] if anchor in (BLURRED, UNDER_TEST) else [anchor])):
        if name not in known and not (name == PHOTOS and name != anchor):
            role = " as the anchor of the sentinels" if name == anchor else ""
            raise InputError(f"{run.path}: no images of method '{name}'{role}: {nearest(name, [*known, PHOTOS])}"
                             + (f"; or choose another with --anchor, for example {BLURRED}" if role else ""))
    if protocol.task != "pairs":
        _refuse_for_task(protocol.task, (reference, *methods, anchor), PHOTOS in (reference, *methods))
    _refuse_clashes(protocol, list(methods), reference, anchor)
    return Cast(reference, tuple(methods), anchor)


def first_of(protocol: Protocol, reference: str, methods: Sequence[str]) -> tuple[str, list[str]]:
    """Reference and other methods. Single pictures stand beside photographs: the methods named are all there are."""
    if protocol.task == "real_or_fake" and methods:
        return methods[0], list(methods[1:])
    return reference, list(methods)


def _refuse_for_task(task: str, names: tuple[str, ...], photos: bool) -> None:
    """names: reference, methods, anchor."""
    if task == "real_or_fake" and photos:
        raise InputError("task real_or_fake shows the photographs beside every method anyway; leave them out of the "
                         "methods")
    if task == "ranking" and len(names) - 1 > MOST_RANKED:
        raise InputError(f"task ranking shows at most {MOST_RANKED} pictures at once, {len(names) - 1} methods are "
                         "named; choose some with --methods")
    if wrong := [name for name in names if SEPARATOR in name or "_vs_" in name]:
        raise InputError(f"task {task}: a method called '{wrong[0]}' cannot be told apart in the table of responses; "
                         f"names without {SEPARATOR} and _vs_ are expected")


def _refuse_clashes(protocol: Protocol, methods: list[str], reference: str, anchor: str) -> None:
    if not methods and protocol.task != "real_or_fake":
        raise InputError(f"a comparison needs at least two methods: only '{reference}' is left to show")
    if reference in methods:
        raise InputError(f"method '{reference}' cannot be compared with itself: it is the reference")
    if len(set(methods)) < len(methods):
        raise InputError(f"method '{next(m for m in methods if methods.count(m) > 1)}' is named twice")
    if anchor in (reference, *methods):
        raise InputError(f"method '{anchor}' is under test, so it cannot be the anchor of the sentinels; "
                         f"choose another with --anchor, for example {BLURRED}")
    shows_photos = PHOTOS in (reference, *methods)
    if shows_photos and (protocol.design == "timed-tables" or anchor == UNDER_TEST):
        raise InputError(f"protocol {protocol.name} compares methods of the run; the photographs have "
                         "their own place in it (choose protocol lab to test a method against them)")


def fitted(run: RunDirectory, protocol: Protocol) -> Protocol:
    """The protocol for the run's pictures. Raises InputError, see Protocol.fitted."""
    layouts = run.layouts()
    return protocol.fitted(read_image(run.photo_file(layouts[0])).shape[:2]) if layouts else protocol
