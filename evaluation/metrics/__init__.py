"""One file per metric, named as in score.metrics; uses statistics, cache and networks."""
