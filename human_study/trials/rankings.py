"""Ranking: the pictures of all methods for one layout, to be put in order."""

from dataclasses import replace

import numpy as np

from human_study.protocol.protocols import Protocol
from human_study.responses.columns import RANKING, condition_name
from human_study.trials.cast import Cast
from human_study.trials.trials import Hit, Trial, generator, participants, shuffled


def rankings(protocol: Protocol, cast: Cast, layouts: list[str], study_id: str, seed: int) -> list[Hit]:
    """One HIT per participant, each scene once. K of them in a row see the same scenes with the K methods' places
    rotated, and of K scenes in a row each sees all rotations: every method is equally often at every place.

    A sentinel has the anchor at the place of one method; its right place is the last.
    """
    methods = (cast.baseline, *cast.others)
    count = len(methods)
    n = protocol.test_trials // count * count or protocol.test_trials
    hits = []
    for number, scenes, rng in participants(protocol, layouts, n, count, study_id, seed):
        places = generator(seed, study_id, "places", number // count)
        orders = [places.permutation(count) for _ in range(-(-len(scenes) // count))]
        trials = []
        for j, scene in enumerate(scenes):
            shown = tuple(methods[i] for i in np.roll(orders[j // count], j + number))
            trials.append(Trial(f"{condition_name(*methods)}/{scene}", scene, methods, shown, task=RANKING))
        checks = [_with_anchor(trial, cast.anchor, rng) for trial in trials[n:]]
        practice = tuple(replace(one, block="practice") for one in checks[:protocol.practice])
        hits.append(Hit("all", number, practice + shuffled([*trials[:n], *checks[protocol.practice:]], rng)))
    return hits


def _with_anchor(trial: Trial, anchor: str, rng: np.random.Generator) -> Trial:
    place = int(rng.integers(len(trial.methods)))
    shown = tuple(anchor if i == place else method for i, method in enumerate(trial.methods))
    compared = (*sorted(set(shown) - {anchor}), anchor)
    return replace(trial, methods=shown, compared=compared, sentinel="perceptual", sentinel_answer=anchor,
                   trial_id=f"{condition_name(*compared)}/{trial.image_id}/perceptual")
