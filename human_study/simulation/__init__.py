"""Simulated participants in a real browser, and power by simulated studies; uses every room but platforms."""
