"""The layout that represents a run in one picture, chosen by a rule so that nobody picks the best-looking one."""

from collections.abc import Sequence

import numpy as np

from evaluation.run_directory import RunDirectory, Score

PREFERRED = ("segmentation", "similarity")  # the first metric that was scored


def chosen_layout(run: RunDirectory, scores: Sequence[Score]) -> tuple[str, str]:
    """(name of the layout, the rule by which it was chosen): the median by the leading score of single layouts."""
    layouts, methods = run.layouts(), {method.name for method in run.methods()}
    for metric in PREFERRED:
        group = [s for s in scores if s.metric == metric and s.method in methods]
        names = [name for name in dict.fromkeys(name for s in group for name in s.per_image)
                 if all(len(s.per_image.get(name, ())) == len(layouts) for s in group)]
        if not names:
            continue
        each = np.array([s.per_image[names[0]] for s in group], float)
        known = np.isfinite(each).all(axis=0)
        if not known.any():
            break
        mean = np.where(known, np.where(known, each, 0).mean(axis=0), np.inf)
        order = np.argsort(mean, kind="stable")[: known.sum()]
        value = next(filter(None, (score.value(names[0]) for score in group)), None)
        return layouts[order[(len(order) - 1) // 2]], (
            f"Chosen by a rule, not by looks: the layout with the median {value.label if value else names[0]}, "
            f"averaged over the methods, out of {len(order)}.")
    return layouts[len(layouts) // 2], "The middle of the sorted list of names: no layout has a score of every method."
