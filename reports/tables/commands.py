"""Command lines that continue a run in its present folder, and whether it is running."""

import shlex
import time
from pathlib import Path

from data.files import list_folder
from evaluation.run_directory import RunDirectory

RECENT = 180  # seconds since the newest file of a training; a running one writes more often


def commands(run: RunDirectory) -> dict[str, str]:
    path = shlex.quote(str(run.path))
    return {"app": f"python -m reports.app --run {path}", "finish": finish(run),
            "analyze": f"python -m human_study analyze --run {path}"}


def finish(run: RunDirectory) -> str:
    """The command that made the run, for all stages and, if some have no images yet, all methods of the run.

    It names the present folder of the run, which may be a copy, and does not repeat finished work. A run without
    training starts with the scores. Empty if run.json does not contain the command.
    """
    record = run.config()
    words, methods = _without(shlex.split(record.get("command", "")), "--out"), record["config"]["methods"]
    if not words:
        return ""
    if not methods:
        words = [*_without(words, "--stages"), "--stages", "score,study,report"]
    if without_images(run):  # a later call may have added them
        words += ["--methods", ",".join(methods)]
    if run.path != Path("runs") / str(record.get("preset")):
        words += ["--out", str(run.path)]
    return shlex.join([*words, *(["--all"] if methods and "--all" not in words else [])])


def _without(words: list[str], option: str) -> list[str]:
    """The words of a command line without an option and its value."""
    kept, skip = [], False
    for word in words:
        if not skip and word != option and not word.startswith(f"{option}="):
            kept.append(word)
        skip = word == option
    return kept


def without_images(run: RunDirectory) -> list[str]:
    """Configured methods that have not been synthesized."""
    present = set(run.method_names())
    return [name for name in run.config()["config"]["methods"] if name not in present]


def is_running(run: RunDirectory) -> bool:
    """Whether a training or synthesis of an unfinished run wrote a file in the last minutes."""
    if not without_images(run):
        return False
    files = [file for pattern in ("methods/*/log.csv", "methods/*/checkpoint.pt", "methods/*/images", "judges/*/*")
             for file in list_folder(run.path, pattern)]
    return any(time.time() - file.stat().st_mtime < RECENT for file in files)
