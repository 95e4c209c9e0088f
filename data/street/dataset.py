"""Procedural street scenes: the embedded default dataset. Nothing is downloaded; a scene is a function of its seeds.

A scene has two seeds. The geometry seed fixes the layout: road, buildings, trees, people, cars and the camera. The
appearance seed draws what a layout leaves open: colours of cars, materials of buildings, time of day, sky. So one
layout has many photographs, and it is known which modes each photograph shows.

Two datasets show the same worlds: `Street`, sunny or overcast days, with layouts that include parts of buildings, cars
and roads; and `StreetHard`, at all times of day, with layouts of whole objects only.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from data.errors import InputError
from data.labels import LabelSpace
from data.pairs import Pair
from data.street.appearance import CAR_COLOURS, Appearance
from data.street.drawing import draw
from data.street.layout import STREET, STREET_WHOLES, WHOLE_OF, Labels, labels_of
from data.street.light import TIMES_OF_DAY
from data.street.photo import photograph
from data.street.surface import Surfaces
from data.street.walls import WALL_MATERIALS
from data.street.world import draw_world

RGB = tuple[int, int, int]  # 0..255

VERSION = "street-2"  # raise when the same seeds give another layout or photograph
DEFAULT_TIMES = ("day", "overcast")

MIN_SIDE = 32  # pixels; below, people and poles are no longer there
MIN_CAR_PIXELS = 16  # painted pixels from which a car's median colour identifies its paint, at any size
SHADES = (.85, .9, .95, 1., 1.05, 1.1, 1.15)  # of cars' sides, relative to a side half turned to the sun
SPLITS = ("train", "val")


class Truth(NamedTuple):
    """What else is known of a photograph, uint8 [H, W] each, 0 elsewhere.

    paint: 1 + index into CAR_COLOURS where a car's painted body is seen. wall: 1 + index into WALL_MATERIALS where the
    bare wall of a building is seen.
    """

    paint: np.ndarray
    wall: np.ndarray


def render(geometry: int, appearance: int, size: tuple[int, int], name: str = "",
           times: tuple[str, ...] = DEFAULT_TIMES) -> Pair:
    """One scene, its layout in classes of STREET.

    size: (H, W), both even and at least 32, any aspect; one geometry at two sizes is the same scene. times: of day,
    some of TIMES_OF_DAY, of which the appearance seed draws one.

    instances: i where the painted body of car i is seen (no windows, wheels, lights), 0 elsewhere.
    modes: {"time_of_day", "light", "cars": [{"colour", "rgb", "pixels", "distance"}], "buildings": [{"material"}]}.
    cars holds one entry per instance id 1..n, also for cars that are hidden (pixels 0); rgb is the paint under white
    light; pixels counts instances; distance is in metres.
    Raises InputError for a size or seed that cannot be rendered.
    """
    surfaces, labels = _drawn(_valid_seed(geometry), _valid_size(size))
    world = surfaces.drawing.world
    look = Appearance(_valid_seed(appearance), world, times)
    modes = look.modes()
    pixels = np.bincount(labels.instances.ravel(), minlength=len(modes["cars"]) + 1)
    for car, placed, count in zip(modes["cars"], world.cars, pixels[1:].tolist(), strict=True):
        car.update(pixels=count, distance=round(placed.z, 2))
    return Pair(name, photograph(surfaces, look), labels.layout.copy(), labels.instances.copy(), modes)


def truth(geometry: int, appearance: int, size: tuple[int, int], times: tuple[str, ...] = DEFAULT_TIMES) -> Truth:
    """The paints and wall materials of the photograph that `render` gives for the same arguments; almost free right
    after it."""
    surfaces, labels = _drawn(_valid_seed(geometry), _valid_size(size))
    look = Appearance(_valid_seed(appearance), surfaces.drawing.world, times)
    paints = [0, *(1 + list(CAR_COLOURS).index(colour) for colour in look.cars)]
    walls = [0, *(1 + WALL_MATERIALS.index(material) for material in look.walls.materials)]
    return Truth(np.array(paints, np.uint8)[labels.instances], np.array(walls, np.uint8)[labels.walls])


@lru_cache(maxsize=1)
def _drawn(geometry: int, size: tuple[int, int]) -> tuple[Surfaces, Labels]:
    surfaces = Surfaces(draw(draw_world(geometry), size))
    return surfaces, labels_of(surfaces)


def _valid_size(size: tuple[int, int]) -> tuple[int, int]:
    size = tuple(size)
    if len(size) != 2 or any(int(s) != s or s < MIN_SIDE or s % 2 for s in size):
        raise InputError(f"street: size {list(size)}, expected [height, width], both even and at least {MIN_SIDE}")
    return int(size[0]), int(size[1])


def _valid_seed(seed: int) -> int:
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError(f"street: seed {seed}, expected a whole number from 0")
    return int(seed)


class Street:
    """A split of street scenes; implements data.pairs.PairDataset. Names count from "00000".

    split: "train" or "val", which never share a scene. size: (H, W). count: number of scenes. seed: of the dataset;
    scene i does not depend on count or size. version: of the renderer; times: of day that photographs show.
    """

    labels: LabelSpace = STREET
    version = VERSION
    times = DEFAULT_TIMES

    def __init__(self, split: str, size: tuple[int, int], count: int, seed: int = 0):
        if split not in SPLITS:
            raise InputError(f"street: no split '{split}', expected {' or '.join(SPLITS)}")
        if count < 1:
            raise InputError(f"street: count {count}, expected at least 1 scene")
        self.split, self.size, self.count, self.seed = split, _valid_size(size), count, _valid_seed(seed)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Pair:
        return self._render(index, 0)

    def redraw(self, index: int, draw: int) -> Pair:
        """The layout of scene `index` in an independent draw of its appearance; draw counts from 0; no draw
        repeats the scene's own."""
        return self._render(index, 1 + _valid_seed(draw))

    def repaint(self, index: int, draw: int, paints: Sequence[RGB], leaves: Sequence[RGB] = ()) -> np.ndarray:
        """The photograph of redraw `draw`, uint8 [3, H, W], its cars, and trees unless `leaves` is empty, in the
        given colours, which need not occur otherwise. If there are more cars than colours, the colours repeat."""
        index = self._valid_index(index)
        surfaces, _ = _drawn(self._seed(index, 0), self.size)
        look = Appearance(self._seed(index, 1, 1 + _valid_seed(draw)), surfaces.drawing.world, self.times)
        look.paints = [paints[car % len(paints)] for car in range(len(look.cars))]
        look.leaves = [leaves[tree % len(leaves)] for tree in range(len(look.leaves))] if leaves else look.leaves
        return photograph(surfaces, look)

    def truth(self, index: int, draw: int | None = None) -> Truth:
        """Paints and wall materials of scene `index`, or of its redraw `draw`."""
        index, key = self._valid_index(index), 0 if draw is None else 1 + _valid_seed(draw)
        return truth(self._seed(index, 0), self._seed(index, 1, key), self.size, self.times)

    def name(self, index: int) -> str:
        return f"{self._valid_index(index):05d}"

    def _render(self, index: int, draw: int) -> Pair:
        index = self._valid_index(index)
        return render(self._seed(index, 0), self._seed(index, 1, draw), self.size, self.name(index), self.times)

    def _seed(self, index: int, *key: int) -> int:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(SPLITS.index(self.split), index, *key))
        return int(sequence.generate_state(1, np.uint64)[0])

    def _valid_index(self, index: int) -> int:
        if not -self.count <= index < self.count:
            raise IndexError(f"street: index {index} of {self.count} scenes")
        return index % self.count


class StreetHard(Street):
    """The harder variant: all times of day, and layouts that name wholes only."""

    labels: LabelSpace = STREET_WHOLES
    times = TIMES_OF_DAY

    def _render(self, index: int, draw: int) -> Pair:
        pair = super()._render(index, draw)
        return replace(pair, layout=WHOLE_OF[pair.layout])


def seen_colours(light: dict, distance: float, shade: float = 1.) -> np.ndarray:
    """float [8, 3]: the CAR_COLOURS as the painted side of a car shows them in this light at `distance` metres.

    shade: brightness relative to that of a side that is half turned to the sun.
    """
    lit = np.array(list(CAR_COLOURS.values())) * light["gain"] * (light["shade"] * shade)
    haze = 1 - np.exp(-light["density"] * distance)
    return lit + (np.array(light["haze"]) - lit) * haze


def distances_to_paints(seen: np.ndarray, light: dict, distance: float) -> np.ndarray:
    """float [8]: how far (0..442) the colour `seen` of a car is from each of CAR_COLOURS in this light, in the one of
    SHADES that suits it best: sides turned to the sun and away from it are as much of a colour."""
    return np.min([np.linalg.norm(seen_colours(light, distance, shade) - seen, axis=1) for shade in SHADES], axis=0)
