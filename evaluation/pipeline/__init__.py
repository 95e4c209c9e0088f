"""What the main job does to a run directory before it is scored; uses the rooms beside it."""

from data.errors import InputError, nearest

STAGES = ("train", "synthesize", "score", "study", "report")  # in order: methods of evaluation.pipeline.job.Job


def parse_stages(text: str) -> list[str]:
    """"score,report" -> the stages named, in their own order. Raises InputError for an unknown one."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in STAGES:
            raise InputError(f"unknown stage '{name}': {nearest(name, STAGES)}")
    return [name for name in STAGES if name in names]
