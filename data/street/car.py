"""The bodies of cars in street scenes: small meshes with outward faces. Local axes: x across, y up, z to the front."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data.street.materials import Material


class Profile(NamedTuple):
    """Side view of a car as (z, y) points in metres, both from rear to front over the top."""

    half_width: float
    body: list[tuple[float, float]]  # eight points: the edges are named in BODY_EDGES
    cabin: list[tuple[float, float]]  # four points
    roof: float  # width of the roof relative to the body
    wheel_base: float
    wheel: float  # radius
    side_glass: list[tuple[float, float]]  # from, to along the cabin, as fractions


PROFILES = {
    "sedan": Profile(.9, [(-2.24, .28), (-2.28, .6), (-2.2, .92), (-1.6, .99), (.85, .95), (2., .78), (2.24, .58),
                          (2.22, .28)], [(-1.95, .95), (-1.15, 1.4), (.1, 1.43), (1.05, .93)], .78, 1.38, .33,
                     [(.1, .5), (.54, .93)]),
    "hatchback": Profile(.88, [(-1.93, .28), (-1.98, .6), (-1.93, .95), (-1.6, 1.), (.8, .96), (1.72, .8), (1.98, .58),
                               (1.95, .28)], [(-1.92, .96), (-1.6, 1.46), (0., 1.5), (1., .94)], .8, 1.27, .32,
                         [(.1, .48), (.52, .92)]),
    "suv": Profile(.96, [(-2.25, .36), (-2.3, .7), (-2.25, 1.08), (-2., 1.12), (1., 1.1), (2.05, 1.), (2.28, .75),
                         (2.25, .36)], [(-2.24, 1.08), (-1.95, 1.7), (.2, 1.74), (1.1, 1.07)], .84, 1.42, .38,
                   [(.07, .33), (.37, .62), (.66, .94)]),
    "van": Profile(1., [(-2.5, .34), (-2.54, .7), (-2.5, 1.18), (-2.3, 1.22), (1.5, 1.18), (2.3, .95), (2.52, .7),
                        (2.5, .34)], [(-2.49, 1.18), (-2.42, 2.12), (1.05, 2.16), (1.85, 1.12)], .92, 1.6, .35,
                   [(.66, .95)]),
}


@dataclass(frozen=True)
class Mesh:
    """F planar faces in drawing order. vertices [V, 3], face after face; face [V]: the face each belongs to.

    counts [F]: corners; detail [F]: height of the car in supersamples from which the face is drawn; normals [F, 3],
    outward; offsets [F] = normal . any point of the face; rows [F, 11]: the faces as rows of a Drawing's table, in
    local axes and without owner and distance.
    """

    vertices: np.ndarray
    face: np.ndarray
    counts: np.ndarray
    detail: np.ndarray
    normals: np.ndarray
    offsets: np.ndarray
    rows: np.ndarray
    half_width: float
    half_length: float
    height: float


class _Builder:
    def __init__(self):
        self.faces, self.normals, self.materials, self.detail = [], [], [], []

    def add(self, material: Material, points: list, outward: tuple, detail: int = 0) -> None:
        """Add a planar face; `outward` is any vector that roughly points away from the car."""
        points = np.asarray(points, dtype=float)
        normal = np.cross(points[1] - points[0], points[2] - points[0])
        normal /= np.linalg.norm(normal)
        self.normals.append(normal if normal @ np.asarray(outward) > 0 else -normal)
        self.faces.append(points)
        self.materials.append(material)
        self.detail.append(detail)


def _strip(a: tuple, b: tuple, wide_a: float, wide_b: float, s: tuple = (-1, 1), t: tuple = (0, 1)) -> list:
    """A patch of the quad over the edge a-b: s from -1 to 1 across the car, t from 0 to 1 along the edge."""
    def point(across, along):
        width = wide_a + (wide_b - wide_a) * along
        return across * width, a[1] + (b[1] - a[1]) * along, a[0] + (b[0] - a[0]) * along
    return [point(s[0], t[0]), point(s[1], t[0]), point(s[1], t[1]), point(s[0], t[1])]


def _disc(side: float, x: float, z: float, y: float, radius: float, points: int) -> list:
    angles = np.arange(points) * 2 * np.pi / points
    return [(side * x, y + radius * np.sin(a), z + radius * np.cos(a)) for a in angles]


def _add_body(build: _Builder, p: Profile) -> None:
    w = p.half_width
    rear, front = p.body[0][0] + .15, p.body[-1][0] - .15
    for s in (-1, 1):
        build.add(Material.DARK, [(s * w * .9, y, z) for z, y in ((rear, .2), (rear, .4), (front, .4), (front, .2))],
                  (s, 0, 0))
    for z, out in ((rear, -1), (front, 1)):
        build.add(Material.DARK, _strip((z, .2), (z, .4), w * .93, w * .93), (0, 0, out))
        for s in ((-.98, -.72), (.72, .98)):
            build.add(Material.TYRE, _strip((z, 0), (z, .4), w, w, s), (0, 0, out), 16)
    outward = [(0, 0, -1), (0, 0, -1), (0, 1, -.5), (0, 1, 0), (0, 1, .1), (0, .1, 1), (0, 0, 1)]
    for a, b, out in zip(p.body, p.body[1:], outward, strict=False):
        build.add(Material.PAINT, _strip(a, b, w, w), out)
    for s in (-1, 1):
        build.add(Material.PAINT, [(s * w, y, z) for z, y in p.body], (s, 0, 0))


def _add_lights(build: _Builder, p: Profile) -> None:
    w, rear, front = p.half_width, (p.body[1], p.body[2]), (p.body[5], p.body[6])
    for s in ((-.98, -.6), (.6, .98)):
        build.add(Material.TAIL, _strip(*rear, w, w, s, (.1, .9)), (0, 0, -1))
        build.add(Material.HEAD, _strip(*front, w, w, s, (0., 1.)), (0, .1, 1))
    build.add(Material.PLATE, _strip(*rear, w, w, (-.28, .28), (.2, .55)), (0, 0, -1), 24)
    build.add(Material.DARK, _strip(*front, w, w, (-.5, .5), (.3, .95)), (0, .1, 1), 24)
    for a, b, out in ((p.body[0], p.body[1], -1), (p.body[7], p.body[6], 1)):
        build.add(Material.DARK, _strip(a, b, w, w, (-.97, .97), (0., .28)), (0, 0, out), 24)
    build.add(Material.PLATE, _strip(p.body[6], p.body[7], w, w, (-.26, .26), (.3, .65)), (0, 0, 1), 24)


def _add_wheels(build: _Builder, p: Profile) -> None:
    for s in (-1, 1):
        for z in (-p.wheel_base, p.wheel_base):
            build.add(Material.TYRE, _disc(s, p.half_width + .01, z, p.wheel, p.wheel * 1.04, 12), (s, 0, 0))
            build.add(Material.HUB, _disc(s, p.half_width + .02, z, p.wheel, p.wheel * .6, 8), (s, 0, 0), 16)
        mirror = [(s * (p.half_width + x), y, p.cabin[3][0] - .25) for x, y in
                  ((-.05, .95), (.2, .97), (.2, 1.12), (-.05, 1.1))]
        for out in (-1, 1):
            build.add(Material.PAINT, mirror, (0, 0, out), 30)
        seam = [(s * (p.half_width + .01), y, z) for z, y in ((-.12, .42), (-.09, .42), (-.09, .92), (-.12, .92))]
        build.add(Material.SEAM, seam, (s, 0, 0), 24)


def _add_cabin(build: _Builder, p: Profile) -> None:
    low, high = p.half_width * .97, p.half_width * p.roof
    rear, front = (p.cabin[0], p.cabin[1]), (p.cabin[3], p.cabin[2])
    build.add(Material.PAINT, _strip(p.cabin[1], p.cabin[2], high, high), (0, 1, 0))
    build.add(Material.PAINT, _strip(*rear, low, high), (0, .3, -1))
    build.add(Material.GLASS, _strip(*rear, low, high, (-.86, .86), (.2, .88)), (0, .3, -1))
    build.add(Material.PAINT, _strip(*front, low, high), (0, .5, 1))
    build.add(Material.GLASS, _strip(*front, low, high, (-.9, .9), (.08, .92)), (0, .5, 1))
    for s in (-1, 1):
        corners = [(p.cabin[0], low), (p.cabin[1], high), (p.cabin[2], high), (p.cabin[3], low)]
        build.add(Material.PAINT, [(s * w, y, z) for (z, y), w in corners], (s, .2, 0))
        for start, end in p.side_glass:
            build.add(Material.GLASS, [_on_side(p, s, start, .1), _on_side(p, s, start, .84), _on_side(p, s, end, .84),
                                       _on_side(p, s, end, .1)], (s, .2, 0))


def _on_side(p: Profile, s: float, along: float, up: float) -> tuple[float, float, float]:
    (z0, y0), (z1, y1), (z2, y2), (z3, y3) = p.cabin
    back = np.array([z0 + (z1 - z0) * up, y0 + (y1 - y0) * up])
    ahead = np.array([z3 + (z2 - z3) * up, y3 + (y2 - y3) * up])
    z, y = back + (ahead - back) * along
    return s * p.half_width * (.97 + (p.roof - .97) * up + .005), float(y), float(z)


def _mesh(p: Profile) -> Mesh:
    build = _Builder()
    for part in (_add_body, _add_lights, _add_wheels, _add_cabin):
        part(build, p)
    normals, counts = np.array(build.normals), np.array([len(f) for f in build.faces])
    offsets = (normals * np.array([f[0] for f in build.faces])).sum(1)
    height = p.cabin[2][1]
    rows = np.zeros((len(counts), 11))
    rows[:, 0], rows[:, 4], rows[:, 5:8] = build.materials, height, normals
    return Mesh(np.concatenate(build.faces), np.repeat(np.arange(len(counts)), counts), counts,
                np.array(build.detail), normals, offsets, rows, p.half_width, max(abs(z) for z, _ in p.body), height)


MESHES = {kind: _mesh(profile) for kind, profile in PROFILES.items()}
