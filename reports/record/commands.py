"""Command lines that go on with a run."""

import shlex

from evaluation.rundir import RunDirectory


def commands(run: RunDirectory) -> dict[str, str]:
    path = shlex.quote(str(run.path))
    return {"app": f"streamlit run reports/app.py -- --run {path}", "finish": finish(run),
            "analyze": f"python -m human_study analyze --run {path}"}


def finish(run: RunDirectory) -> str:
    """The command that made the run, for all stages and, where some have no images yet, all methods of the run.

    Finished work is not repeated by it. Empty where run.json does not hold the command.
    """
    command = run.config().get("command", "")
    if not command:
        return ""
    if without_images(run):  # a later call may have added them
        command += f" --methods {shlex.quote(','.join(run.config()['config']['methods']))}"
    return command if "--all" in shlex.split(command) else f"{command} --all"


def without_images(run: RunDirectory) -> list[str]:
    """Methods that are configured and have not been synthesized."""
    present = set(run.method_names())
    return [name for name in run.config()["config"]["methods"] if name not in present]
