"""Trials and HITs, the scenes of each participant in random order, and random streams named by words."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from data.errors import InputError
from human_study.protocol.protocols import Protocol
from human_study.responses.columns import TASKS, condition_name

INSTRUCTION = ("instruction-obeyed", "instruction-ignored")  # the two "methods" of an instruction check
Pair = tuple[str, str]  # two methods; outcomes count choices of the first


@dataclass(frozen=True)
class Trial:
    """One question to a participant. exposure_ms None: no time limit."""

    trial_id: str  # the same for all participants
    image_id: str
    compared: tuple[str, ...]  # methods; outcomes count choices of the first
    methods: tuple[str, ...]  # of the pictures, in the order of their places
    exposure_ms: int | None = None
    block: Literal["practice", "test"] = "test"
    sentinel: Literal["none", "perceptual", "instruction", "repeat"] = "none"
    sentinel_answer: str = ""  # "left" or "right", "real" or "fake"; of a ranking the method that comes last
    task: str = TASKS[0]
    adaptive: bool = False  # the exposure follows a staircase, which begins with `exposure_ms`

    @property
    def condition(self) -> str:
        return condition_name(*self.compared)

    def implied(self) -> list["Trial"]:
        """The pairs that a ranking decides; of everything else the trial itself."""
        if self.task != "ranking":
            return [self]
        return [replace(self, compared=pair, methods=tuple(sorted(pair, key=self.methods.index)))
                for pair in combinations(self.compared, 2)]


@dataclass(frozen=True)
class Hit:
    """The trials of one HIT. `table` names the HIT table (the method that it compares with the baseline)."""

    table: str
    index: int
    trials: tuple[Trial, ...]


def generator(seed: int, *names: object) -> np.random.Generator:
    """An independent generator for every (seed, names)."""
    digest = hashlib.sha256("\0".join(map(str, names)).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, np.uint32).tolist()])


def shuffled(trials: Sequence[Trial], rng: np.random.Generator) -> tuple[Trial, ...]:
    return tuple(trials[i] for i in rng.permutation(len(trials)))


class Stock:
    """Scenes in random order; every scene is taken once before any is taken again."""

    def __init__(self, layouts: list[str], rng: np.random.Generator):
        self._layouts, self._rng, self._left = layouts, rng, []

    def take(self, n: int) -> list[str]:
        """n different scenes."""
        taken, self._left = self._left[:n], self._left[n:]
        if len(taken) < n:
            # those just taken come last in the next round, or they would miss it
            again = sorted(self._rng.permutation(self._layouts).tolist(), key=set(taken).__contains__)
            missing = n - len(taken)
            taken, self._left = taken + again[:missing], again[missing:]
        return taken


def participants(protocol: Protocol, layouts: list[str], n: int, together: int, study_id: str, seed: int
                 ) -> Iterator[tuple[int, list[str], np.random.Generator]]:
    """(number, scenes, random stream) of every participant: n scenes to test, then those of sentinels and practice, all
    different; `together` participants in a row have the same ones, with `common_scenes` all of them.

    Raises InputError if there are too few layouts.
    """
    extra = protocol.sentinels + protocol.practice
    if n + extra > len(layouts):
        raise InputError(f"protocol {protocol.name}: nobody sees a scene twice, so {n + extra} layouts are "
                         f"needed ({n} test, {extra} sentinels and practice), the run has {len(layouts)}; "
                         f"use a run with more layouts or --set test_trials={max(len(layouts) - extra, 1)}")
    stock = Stock(layouts, generator(seed, study_id, "scenes"))
    for number in range(protocol.hits or 1):
        if number == 0 or (number % together == 0 and not protocol.common_scenes):
            scenes = stock.take(n + extra)
        yield number, scenes, generator(seed, study_id, "worker", number)  # another name would draw another study
