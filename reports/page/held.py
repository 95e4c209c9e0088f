"""This run held against the reference results that ship with the suite."""

from dataclasses import dataclass

from data.errors import InputError
from evaluation.run_directory import RunDirectory
from reports.compare import compare
from reports.reference import Reference, matching_reference, reference_names
from reports.tables.formatting import number_format
from reports.tables.names import counted, score_title


@dataclass(frozen=True)
class Held:
    """sentence: for the headline, empty where no reference ships. lines: values that differ beyond the intervals."""

    sentence: str = ""
    lines: tuple[str, ...] = ()


def held_against_reference(run: RunDirectory) -> Held:
    """The reference about the very pictures of this run where there is one, else which there are."""
    if (reference := matching_reference(run)) is None:
        names = reference_names()
        return Held(f"Reference results on other pictures ship with the suite: {', '.join(names)}." if names else "")
    try:
        return _compared(run, reference)
    except InputError as error:
        return Held(f"The reference results {reference.name}, about the same pictures, cannot be compared: {error}.")


def _compared(run: RunDirectory, reference: Reference) -> Held:
    found = compare(run, reference)
    of = f"the reference results {reference.name} ({counted(len(reference.about['seeds']), 'training seed')})"
    beyond = found.beyond
    if not beyond:
        return Held(f"All {len(found.rows)} values that can be compared agree with {of} within the intervals.")
    lines = []
    for row in beyond:
        form = number_format([row.own.value, row.reference, *(row.own.interval or ()), row.low, row.high])
        said = f"{row.title}, {score_title(row.own.name)}: {form(row.own.value)} here, {form(row.reference)} there"
        lines.append(said + (f", that is {row.better}" if row.better else ""))
    return Held(f"{len(beyond)} of {len(found.rows)} values differ from {of} beyond the intervals.", tuple(lines))
