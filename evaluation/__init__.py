"""Scores of synthesized images, their protocols and intervals, and the main job (run.py)."""

import own_packages_first  # noqa: F401 - before any package of the suite is imported
