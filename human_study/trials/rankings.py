"""Ranking: all methods' pictures of one layout, to be brought in order."""

from dataclasses import replace

import numpy as np

from human_study.protocol.protocols import Protocol
from human_study.responses.columns import condition_name
from human_study.trials.cast import Cast
from human_study.trials.trials import Hit, Trial, generator, participants, shuffled

TASK = "ranking"


def rankings(protocol: Protocol, cast: Cast, layouts: list[str], study_id: str, seed: int) -> list[Hit]:
    """One HIT per participant, each scene once. K of them in a row see the same scenes with the K methods' places
    rotated, and of K scenes in a row each sees all rotations: every method stands equally often at every place.

    A sentinel has the anchor in the place of one method; it belongs in the last place.
    """
    methods = (cast.reference, *cast.others)
    count = len(methods)
    n = protocol.test_trials // count * count or protocol.test_trials
    hits = []
    for participant, scenes, rng in participants(protocol, layouts, n, count, study_id, seed):
        places = generator(seed, study_id, "places", participant // count)
        orders = [places.permutation(count) for _ in range(-(-len(scenes) // count))]
        trials = [_trial([methods[i] for i in np.roll(orders[j // count], j + participant)], methods, scene)
                  for j, scene in enumerate(scenes)]
        checks = [_with_anchor(trial, cast.anchor, rng) for trial in trials[n:]]
        practice = tuple(replace(one, block="practice") for one in checks[:protocol.practice])
        hits.append(Hit("all", participant, practice + shuffled([*trials[:n], *checks[protocol.practice:]], rng)))
    return hits


def _trial(shown: list[str], methods: tuple[str, ...], scene: str) -> Trial:
    condition = condition_name(*methods)
    return Trial(f"{condition}/{scene}", scene, condition, tuple(shown), task=TASK)


def _with_anchor(trial: Trial, anchor: str, rng: np.random.Generator) -> Trial:
    place = int(rng.integers(len(trial.methods)))
    shown = tuple(anchor if i == place else method for i, method in enumerate(trial.methods))
    condition = condition_name(*sorted(set(shown) - {anchor}), anchor)
    return replace(trial, methods=shown, condition=condition, trial_id=f"{condition}/{trial.image_id}/perceptual",
                   sentinel="perceptual", sentinel_answer=anchor)
