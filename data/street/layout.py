"""The label spaces of street scenes, and from surfaces to layouts."""

from typing import NamedTuple

import numpy as np

from data.labels import LabelSpace
from data.street.materials import Material
from data.street.surface import Surfaces

COLOURS = {
    "road": (128, 64, 128), "lane marking": (255, 255, 255), "pavement": (244, 35, 232), "building": (70, 70, 70),
    "window": (176, 216, 250), "door": (150, 84, 30), "awning": (255, 128, 96), "roof": (140, 40, 50),
    "tree": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180), "pole": (153, 153, 153),
    "sign": (200, 180, 0), "person": (220, 20, 60), "car": (0, 0, 142), "car window": (110, 110, 255),
    "wheel": (0, 80, 100), "car light": (255, 240, 130), "void": (0, 0, 0)}
MATERIALS = {  # of the classes that have parts of their own in the drawing; the others are on surfaces
    "road": "ROAD", "pavement": "PAVEMENT", "building": "WALL SKYLINE CHIMNEY", "roof": "ROOF", "tree": "FOLIAGE TRUNK",
    "terrain": "GRASS", "sky": "SKY", "pole": "METAL LAMP", "sign": "SIGN SIGN_RIM SIGNAL",
    "person": "SKIN HAIR UPPER LOWER", "car": "PAINT DARK PLATE SEAM", "car window": "GLASS", "wheel": "TYRE HUB",
    "car light": "HEAD TAIL", "void": "BONNET BIN"}
WHOLES = {"lane marking": "road", "window": "building", "door": "building", "awning": "building", "roof": "building",
          "sign": "pole", "car window": "car", "wheel": "car", "car light": "car"}  # without parts
COVERED = .35  # share of a pixel from which it is labelled as what covers its surface

STREET = LabelSpace(tuple(COLOURS), tuple(COLOURS.values()))
STREET_WHOLES = LabelSpace(*zip(*((n, c) for n, c in COLOURS.items() if n not in WHOLES), strict=True))
CLASS_OF = np.zeros(len(Material), np.uint8)
for _name, _materials in MATERIALS.items():
    for _material in _materials.split():
        CLASS_OF[Material[_material]] = STREET.names.index(_name)
"""Class index of STREET of each material."""
ROAD, MARKING, BUILDING, WINDOW, DOOR, AWNING, CAR = map(
    STREET.names.index, ("road", "lane marking", "building", "window", "door", "awning", "car"))
WHOLE_OF = np.array([STREET_WHOLES.names.index(WHOLES.get(name, name)) for name in STREET.names], np.uint8)
"""Class index of STREET_WHOLES of each of STREET."""


class Labels(NamedTuple):
    """uint8 [H, W] each. layout: class of STREET; instances: i where the paint of car i - 1 is seen; walls: i where the
    bare wall of building i - 1 is seen; 0 elsewhere."""

    layout: np.ndarray
    instances: np.ndarray
    walls: np.ndarray


def labels_of(surfaces: Surfaces) -> Labels:
    """What most of each pixel shows; what lies on a surface that most of a pixel shows if it covers COVERED of it."""
    drawing = surfaces.drawing
    material, owner = drawing.table["material"].astype(np.intp), drawing.table["owner"].astype(np.intp)
    first, (mixed, quarters) = drawing.parts[::2, ::2], drawing.mixed

    def voted(of_part: np.ndarray) -> np.ndarray:
        values = of_part.astype(np.uint8)
        image = values.take(first)
        np.put(image, mixed, _vote(values[quarters]))
        return image
    layout = voted(CLASS_OF[material])
    instances = voted(np.where(material == Material.PAINT, owner + 1, 0))
    walls = voted(np.where(material == Material.WALL, owner + 1, 0))
    _label_surfaces(surfaces, layout)
    instances[layout != CAR] = 0
    walls[layout != BUILDING] = 0
    return Labels(layout, instances, walls)


def _label_surfaces(surfaces: Surfaces, layout: np.ndarray) -> None:
    """Tell markings, windows, doors and awnings from road and wall, in place."""
    samples, facades, flat = surfaces.samples, surfaces.facades, layout.ravel()
    on_wall = np.full(facades.owner.shape, BUILDING, np.uint8)
    for index, cover in ((AWNING, facades.awning), (WINDOW, facades.pane * facades.resolved), (DOOR, facades.door)):
        on_wall[cover > COVERED] = index
    on_road = np.where(surfaces.markings.max(axis=0) > COVERED, np.uint8(MARKING), np.uint8(ROAD))
    for surface, where, classes in ((BUILDING, facades.where, on_wall), (ROAD, samples.of(Material.ROAD), on_road)):
        pixel = samples.pixel[where]
        most = np.flatnonzero((samples.weight[where] >= .5) & (flat[pixel] == surface) & (classes != surface))
        flat[pixel[most]] = classes[most]


def _vote(values: np.ndarray) -> np.ndarray:
    """[4, n] -> [n]: the most frequent of each four, the first one where two are even."""
    a, b, c, d = values
    return np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a)))
