"""One file per metric, named as in score.metrics; uses measuring and networks."""
