"""Comparison of this run with the reference results that ship with the suite."""

from dataclasses import dataclass

from data.errors import InputError
from evaluation.run_directory import RunDirectory
from reports.compare import compare
from reports.reference import matching_reference, reference_names
from writing.numbers import number_format
from writing.words import counted


@dataclass(frozen=True)
class ReferenceNote:
    """sentence: for the headline, empty where no reference ships. lines: values that differ beyond the intervals."""

    sentence: str = ""
    lines: tuple[str, ...] = ()


def reference_results(run: RunDirectory) -> ReferenceNote:
    """Differences from the reference results on the same pictures; without such, the names of those that ship."""
    if (reference := matching_reference(run)) is None:
        names = reference_names()
        return ReferenceNote(
            f"Reference results on other pictures ship with the suite: {', '.join(names)}." if names else "")
    try:
        found = compare(run, reference)
    except InputError as error:
        return ReferenceNote(
            f"The reference results {reference.name}, on the same pictures, cannot be compared: {error}.")
    of = f"the reference results {reference.name} ({counted(len(reference.about['seeds']), 'training seed')})"
    beyond = found.beyond
    if not beyond:
        return ReferenceNote(
            f"All {len(found.rows)} values that can be compared agree with {of} within the intervals.")
    lines = []
    for row in beyond:
        form = number_format([row.own.value, row.reference, *(row.own.interval or ()), row.low, row.high])
        sentence = f"{row.title}, {row.own.label}: {form(row.own.value)} here, {form(row.reference)} in the reference"
        lines.append(sentence + (f" ({row.better})" if row.better else ""))
    return ReferenceNote(f"{len(beyond)} of {len(found.rows)} values differ from {of} beyond the intervals.",
                         tuple(lines))
