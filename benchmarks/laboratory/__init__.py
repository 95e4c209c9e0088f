"""A whole study as a laboratory would run it: the people, and everything that goes wrong meanwhile."""
