"""The study page: its text, its scripts and what it reports of a trial."""
