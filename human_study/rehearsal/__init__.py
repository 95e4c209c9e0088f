"""Simulated workers in a real browser; uses every other room of the study."""
