"""Scripts that made what ships with the suite."""
