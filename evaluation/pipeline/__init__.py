"""The main job: from a command line to a run directory with images, scores, a study and a report."""

from data.errors import InputError, nearest

STAGES = ("train", "synthesize", "score", "study", "report")  # in order; methods of Job


def parse_stages(text: str) -> list[str]:
    """"score,report" -> these stages in the order of STAGES. Raises InputError for an unknown one."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in STAGES:
            raise InputError(f"unknown stage '{name}': {nearest(name, STAGES)}")
    return [name for name in STAGES if name in names]
