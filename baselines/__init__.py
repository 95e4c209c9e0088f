"""The paper's baselines, one file each, and the table of all methods (methods.py)."""
