"""This run beside the reference results that ship with the suite, and what their trainings tell of its methods."""

from dataclasses import dataclass

from data.errors import InputError
from evaluation.run_directory import RunDirectory
from evaluation.trainings import Trainings, read_trainings
from reports.compare import compare, same_settings, summary
from reports.findings.trainings import Evidence
from reports.reference import Reference, reference_names


@dataclass(frozen=True)
class ReferenceNote:
    """sentence: for the headline, empty where no reference ships. lines: differences beyond chance."""

    sentence: str = ""
    lines: tuple[str, ...] = ()


def reference_results(run: RunDirectory, reference: Reference | None) -> ReferenceNote:
    """Differences from the reference results on the same pictures; without such, the names of those that ship."""
    if reference is None:
        names = reference_names()
        return ReferenceNote(
            f"Reference results on other pictures ship with the suite: {', '.join(names)}." if names else "")
    try:
        found = compare(run, reference)
    except InputError as error:
        return ReferenceNote(
            f"The reference results {reference.name}, on the same pictures, cannot be compared: {error}.")
    first, *lines = summary(found)
    return ReferenceNote(first, tuple(lines))


def evidence(run: RunDirectory, reference: Reference | None) -> Evidence:
    """The run's own trainings, else those of reference results with the same settings but seed and budget."""
    budget = run.config()["config"]["training"]["images_seen"]
    own = read_trainings(run.trainings_file)
    if len(own) > 1:
        return Evidence(own, budget)
    if reference is not None and same_settings(run, reference):
        return Evidence(reference.trainings, budget, f" of the reference results {reference.name}")
    return Evidence(Trainings([]), budget)
