"""The study page: its text, its scripts and the record of a trial that it sends."""
