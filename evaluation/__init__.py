"""Scores of synthesized images, their protocols and intervals, and the main job (run.py)."""
