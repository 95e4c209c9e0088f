"""One file per metric, each with its METRIC; uses statistics, cache and networks."""

# Names of the files, in the order in which tables show them. All are made, unless score.metrics names some.
NAMES = (
    "segmentation",
    "distances",
    "diversity",
    "modes",
    "cost",
    "similarity",
    "trust",
    "differences",
    "agreement",
    "effects",
)
