"""Single pictures, real or fake: as many photographs as pictures of every method, so that chance is one half (HYPE,
Zhou et al. 2019). The design assigns every photograph to a method: the trial compares photos with that method."""

from collections.abc import Iterator

from data.errors import InputError
from evaluation.run_directory import PHOTOS
from human_study.protocol.protocols import Protocol
from human_study.responses.columns import REAL_OR_FAKE, condition_name
from human_study.trials.cast import Cast
from human_study.trials.trials import Hit, Trial, participants, shuffled


def singles(protocol: Protocol, cast: Cast, layouts: list[str], study_id: str, seed: int) -> list[Hit]:
    """One HIT per participant, each scene once, all methods mixed. K of them in a row see the same scenes with the K
    cells (method, exposure, photograph or not) rotated. Where a staircase sets the exposures, every method has its own.

    Raises InputError when there are too few trials or layouts.
    """
    exposures = (protocol.staircase.start_ms,) if protocol.staircase else protocol.exposures_ms or (None,)
    cells = [(method, shown, ms) for method in (cast.baseline, *cast.others) for ms in exposures
             for shown in (PHOTOS, method)]
    n = protocol.test_trials // len(cells) * len(cells)
    if n == 0:
        raise InputError(f"protocol {protocol.name}: test_trials={protocol.test_trials}, but {len(cells)} are needed "
                         "to show a photograph and a picture of every method at every exposure")
    hits = []
    for number, scenes, rng in participants(protocol, layouts, n, len(cells), study_id, seed):
        tests = []
        for j, scene in enumerate(scenes[:n]):
            method, shown, ms = cells[(j + number) % len(cells)]
            tests.append(_trial(method, shown, scene, ms, adaptive=bool(protocol.staircase)))
        practice, checks = scenes[n:n + protocol.practice], scenes[n + protocol.practice:]
        ms = protocol.sentinel_exposure_ms or exposures[-1]
        shown = shuffled([*tests, *_checks(cast.anchor, checks, ms, (cast.anchor,))], rng)
        first = _checks(cast.anchor, practice, ms, (PHOTOS, cast.anchor), "practice")
        hits.append(Hit("all", number, (*shuffled(list(first), rng), *shown)))
    return hits


def _checks(anchor: str, scenes: list[str], ms: int | None, shown: tuple[str, ...], block: str = "test"
            ) -> Iterator[Trial]:
    """Pictures whose answer is known, `shown` in turn."""
    for i, scene in enumerate(scenes):
        method = shown[i % len(shown)]
        yield _trial(anchor, method, scene, ms, block=block, sentinel="perceptual",
                     sentinel_answer="real" if method == PHOTOS else "fake")


def _trial(against: str, method: str, scene: str, ms: int | None, **more: str | bool) -> Trial:
    name = "/".join([condition_name(PHOTOS, against), scene, method, *([str(ms)] if ms else [])])
    return Trial(name, scene, (PHOTOS, against), (method,), ms, task=REAL_OR_FAKE, **more)
