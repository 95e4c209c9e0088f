"""Searches the suite for its packages (data, models, reports ...) before the working directory.

Python searches the working directory first, and many research folders have packages of these names. The packages that
commands start from import this module before any other of the suite; processes that they start inherit the order.
"""

import contextlib
import os
import sys

ROOT = os.path.dirname(os.path.realpath(__file__))
INSTALLED = ("site-packages", "dist-packages")  # folders that have to stay behind the standard library


def ours_first(path: list[str], here: str) -> list[str]:
    """An import path on which the suite's folder precedes the working directory `here`, which moves to the end."""
    if here == ROOT:
        return path
    folders = {entry: os.path.realpath(entry or ".") for entry in path}
    others = [entry for entry in path if folders[entry] != here]
    if os.path.basename(ROOT) not in INSTALLED:
        others = [ROOT, *(entry for entry in others if folders[entry] != ROOT)]
    return [*others, *(entry for entry in path if folders[entry] == here)]


with contextlib.suppress(FileNotFoundError):  # of a working directory that was deleted
    sys.path[:] = ours_first(sys.path, os.path.realpath("."))
