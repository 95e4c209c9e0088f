"""From a drawing and an appearance to a photograph: light, materials and textures."""

import math

import numpy as np
from PIL import Image

from data.street.appearance import Appearance
from data.street.car import MESHES
from data.street.drawing import CIRCLE, SUPERSAMPLING, Drawing, fill_polygons
from data.street.light import Light
from data.street.materials import Material, hash_tile, look_up, look_up_smooth, noise_tile, stripe
from data.street.surface import Ground, Samples, Surfaces
from data.street.world import Car, World


def photograph(surfaces: Surfaces, look: Appearance) -> np.ndarray:
    """uint8 [3, H, W]."""
    drawing, samples = surfaces.drawing, surfaces.samples
    rgb = part_colours(drawing.table, look).take(samples.part, axis=1)
    _sky(samples, look.light, rgb)
    _ground(surfaces, look, rgb)
    _walls(surfaces, look, rgb)
    _foliage(samples, rgb)
    _gradient(samples, rgb)
    image = samples.image(rgb)
    if look.light.lamps:
        _glow(drawing, look.light, image)
    image += .5
    return np.clip(image, 0, 255, out=image).astype(np.uint8)


WHITE, YELLOW = (225, 225, 220), (225, 175, 50)  # markings
HAZED_LATER = np.zeros(len(Material), bool)  # by the shaders, sample by sample
HAZED_LATER[[Material.ROAD, Material.PAVEMENT, Material.GRASS, Material.WALL, Material.SKY]] = True


def part_colours(table: dict[str, np.ndarray], look: Appearance) -> np.ndarray:
    """Lit and hazed colour float32 [3, P] of each part, before gradients and textures."""
    material, owner = table["material"].astype(np.intp), table["owner"].astype(np.intp)
    light = look.light
    sun = np.maximum(0, table["nx"] * light.sun[0] + table["ny"] * light.sun[1] + table["nz"] * light.sun[2])
    sun = np.where(material == Material.PAINT, .15 + .5 * sun, sun)  # gloss evens out which way a side faces
    shade = light.ambient * (1 + .12 * table["ny"]) + light.sunlight * sun
    rgb = look.albedo(material, owner) * (light.gain[:, None] * shade)
    rgb += (light.haze[:, None] - rgb) * np.where(HAZED_LATER[material], 0, haze_at(light, table["z"]))
    shining, colours = look.shining(material, owner)
    rgb[:, shining] = colours
    return rgb.astype(np.float32)


def haze_at(light: Light, z: np.ndarray) -> np.ndarray:
    return 1 - np.exp(-np.float32(light.density) * z)


GRADIENT = np.zeros(len(Material), np.float32)
for _material, _strength in {"PAINT": .25, "GLASS": .5, "FOLIAGE": .75, "UPPER": .3, "LOWER": .3, "BONNET": .5,
                             "SKYLINE": .2, "TRUNK": .3, "ROOF": .2, "BIN": .3, "METAL": .15}.items():
    GRADIENT[Material[_material]] = _strength


def _gradient(samples: Samples, rgb: np.ndarray) -> None:
    """Brighter at the top of things, darker at their foot."""
    table, view = samples.drawing.table, samples.drawing.view
    where = samples.of(Material.SKYLINE, Material.CHIMNEY)
    strength = GRADIENT[table["material"].astype(np.intp)]
    scale = np.float32(view.focal) / table["z"]  # rows per metre
    slope = strength / np.maximum((table["high"] - table["low"]) * scale, 1)
    middle = 1 + slope * (np.float32(view.height) - (table["high"] + table["low"]) / 2) * scale
    part = samples.part[where]
    rgb[:, where] *= middle[part] - slope[part] * samples.y[where]


def _sky(samples: Samples, light: Light, rgb: np.ndarray) -> None:
    where = samples.of(Material.SKY)
    focal = np.float32(samples.drawing.view.focal)
    x, up = samples.x[where] / focal, np.clip(-samples.y[where] / focal, 0, 1.2)  # tangents across and up
    sky = light.zenith[:, None] + (light.horizon - light.zenith)[:, None] * np.exp(-up * np.float32(light.sky_falloff))
    if light.glow_strength:
        near = np.exp(-(((x - light.glow[0]) * .8) ** 2 + (up - light.glow[1]) ** 2) / light.glow[2])
        sky += light.glow_colour[:, None] * (light.glow_strength * near)
    depth = 1 / (up + np.float32(.12))
    clouds = look_up_smooth(noise_tile(1.7), x * depth * 17 + light.cloud_offset, depth * 26)
    cover = np.clip((clouds + light.cloudiness) * .8, 0, 1) * light.cloud_opacity
    sky += (light.cloud[:, None] * (1 + .06 * clouds) - sky) * cover
    if light.stars:
        sky += np.where(look_up(hash_tile(), x * 300, up * 300) > .9955, 90 * (1 - cover) * up, 0)
    rgb[:, where] = sky


def _ground(surfaces: Surfaces, look: Appearance, rgb: np.ndarray) -> None:
    drawing, light, ground = surfaces.drawing, look.light, surfaces.ground
    tone = 1 + look.ground_noise * (look_up(noise_tile(.6), ground.x * 40, ground.z * 20) / (1 + ground.pixel * 30)
                                    + .7 * look_up(noise_tile(1.7), ground.x * 8, ground.z * 4))
    colours = rgb[:, ground.where]
    _mark(surfaces, look, colours[:, ground.road])
    tone[ground.pavement] *= _slabs(drawing.world, look, ground, ground.pavement)
    grass = ground.grass
    tone[grass] *= 1 + .16 * look_up(noise_tile(1.), ground.x[grass] * 25, ground.z[grass] * 12)
    colours *= tone * _shadows(drawing, light)[surfaces.samples.pixel[ground.where]]
    if light.lamps:
        colours *= 1 + _lamp_pools(drawing.world, light, ground.x, ground.z)
    colours += (light.haze[:, None] - colours) * haze_at(light, ground.z)


def _mark(surfaces: Surfaces, look: Appearance, colours: np.ndarray) -> None:
    """Paint lane lines and the zebra crossing on the road, float32 [3, n], in place."""
    ground, road = surfaces.ground, surfaces.ground.road
    x, z = ground.x[road], ground.z[road]
    for cover, colour in zip(surfaces.markings, (WHITE, YELLOW if look.yellow else WHITE), strict=True):
        seen = np.flatnonzero(cover)
        if not len(seen):
            continue
        worn = np.clip(.82 + .12 * look_up(noise_tile(.8), x[seen] * 20, z[seen] * 8), 0, 1)
        target = (np.array(colour, np.float32) * look.light.gain * look.light.flat)[:, None]
        colours[:, seen] += (target - colours[:, seen]) * (cover[seen] * worn)


def _slabs(world: World, look: Appearance, ground: Ground, where: slice) -> np.ndarray:
    """Joints of the paving and the lighter kerbstones, as a factor."""
    size, x, pixel = look.slab, ground.x[where], ground.pixel[where]
    u, v = x / size, ground.z[where] / (size * 1.5)
    column, row = np.floor(u), np.floor(v)
    joint = np.maximum(stripe((u - column - .5) * size, .025, pixel),
                       stripe((v - row - .5) * (size * 1.5), .025, ground.stretch[where]))
    hue = look_up(hash_tile(), column, row) - .5
    kerb = np.maximum(-x - world.left.kerb, x - world.right.kerb)
    return (1 - .3 * joint) * (1 + .12 * hue / (1 + pixel * 4)) * (
        1 + .25 * stripe(kerb - .1, .12, pixel) - .45 * stripe(kerb, .05, pixel))


def _lamp_pools(world: World, light: Light, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Light of street lamps and of the own headlights on the ground, as a factor to add per channel [3, N]."""
    phase = z / world.lamp_spacing
    along = (phase - np.floor(phase) - .5) * 2.6
    middle = (world.right.kerb - world.left.kerb) / 2
    pool = 1.1 * np.exp(-along ** 2 - ((x - middle) / 9) ** 2)
    ahead = 1.5 * np.exp(-(z / 20) ** 2 - (x / (1.5 + .22 * z)) ** 2)
    return light.lamp_colour[:, None] * pool + np.array([[1.], [.97], [.88]], np.float32) * ahead


def _shadows(drawing: Drawing, light: Light) -> np.ndarray:
    """Brightness factor float32 [H * W] of the ground: cast shadows where the sun shines, contact shadows always."""
    polygons = [(p, light.shadow) for p in _cast(drawing, light.shadow_step)] if light.shadow else []
    for car in (c for c in drawing.world.cars if drawing.view.sees(c.x, c.z, 4)):
        polygons += [(_footprint(car, grow), dark) for grow, dark in ((.12, 110), (-.1, 185))[car.z > 30:]]
    for thing in (p for p in drawing.world.people if drawing.view.sees(p.x, p.z, 1)):
        x0, x1, z0, z1 = thing.x - .3, thing.x + .3, thing.z - .3, thing.z + .3
        polygons.append(([(x0, z0), (x1, z0), (x1, z1), (x0, z1)], 90))
    image = Image.new("L", drawing.parts.shape[::-1], 0)
    if polygons:
        corners = np.zeros((sum(len(p) for p, _ in polygons), 3))
        corners[:, ::2] = [corner for points, _ in polygons for corner in points]
        fill_polygons(image, drawing.view.project(corners), [len(p) for p, _ in polygons], [d for _, d in polygons])
    return 1 - np.asarray(image.reduce(SUPERSAMPLING)).ravel() * np.float32(1 / 255)


def _footprint(car: Car, grow: float) -> list[tuple[float, float]]:
    mesh = MESHES[car.kind]
    c, s = math.cos(car.yaw), math.sin(car.yaw)
    w, length = mesh.half_width + grow, mesh.half_length + grow
    return [(car.x + c * a + s * b, car.z - s * a + c * b)
            for a, b in ((-w, -length), (w, -length), (w, length), (-w, length))]


def _cast(drawing: Drawing, step: tuple[float, float]):
    """Shadows on the ground as (x, z) polygons. step: displacement in metres per metre of height."""
    world, view, (dx, dz) = drawing.world, drawing.view, step
    for b in world.buildings:
        if b.side * dx < 0:
            x, h = b.side * b.inner, b.height
            yield [(x, b.z0), (x, b.z1), (x + dx * h, b.z1 + dz * h), (x + dx * h, b.z0 + dz * h)]
    for car in (c for c in world.cars if view.sees(c.x, c.z, 8)):
        base, top = _footprint(car, 0), MESHES[car.kind].height * .8
        yield _sweep(base, dx * top, dz * top)
    for tree in (t for t in world.trees if t.z < 80 and view.sees(t.x, t.z, 25)):
        x, z, r = tree.x + dx * tree.height * .65, tree.z + dz * tree.height * .65, tree.radius * 1.1
        yield [(x + r * c * 1.2, z + r * s) for c, s in CIRCLE]
        yield [(tree.x - .15, tree.z), (tree.x + .15, tree.z), (x + .15, z), (x - .15, z)]
    for things, w in ((world.people, .22), (world.poles, .06)):
        for thing in (t for t in things if t.z < 50 and view.sees(t.x, t.z, 15)):
            x, z = thing.x + dx * thing.height, thing.z + dz * thing.height
            yield [(thing.x - w, thing.z), (thing.x + w, thing.z), (x + w, z), (x - w, z)]


def _sweep(base: list[tuple[float, float]], dx: float, dz: float) -> list[tuple[float, float]]:
    """Outline of a convex polygon, given anticlockwise in (x, z), and all its positions on the way to (dx, dz)."""
    leads = [(q[1] - p[1]) * dx - (q[0] - p[0]) * dz > 0 for p, q in zip(base, base[1:] + base[:1], strict=True)]
    outline = []
    for k, (x, z) in enumerate(base):
        moved = (x + dx, z + dz)
        if leads[k - 1] == leads[k]:
            outline.append(moved if leads[k] else (x, z))
        else:
            outline += [(x, z), moved] if leads[k] else [moved, (x, z)]
    return outline


def _walls(surfaces: Surfaces, look: Appearance, rgb: np.ndarray) -> None:
    facades, light = surfaces.facades, look.light
    lit = rgb[:, facades.where]
    if not lit.size:
        return
    look.walls.shade(lit, facades, light)
    lit += (light.haze[:, None] - lit) * haze_at(light, facades.z)


def _foliage(samples: Samples, rgb: np.ndarray) -> None:
    where = samples.of(Material.FOLIAGE)
    table, part = samples.drawing.table, samples.part[where]
    scale = (table["z"] * np.float32(24 / samples.drawing.view.focal))[part]
    offset = table["owner"][part] * 37
    leaves = look_up(noise_tile(.7), samples.x[where] * scale + offset, samples.y[where] * scale + offset)
    rgb[:, where] *= 1 + .22 * leaves / (1 + .25 * scale)


def _glow(drawing: Drawing, light: Light, image: np.ndarray) -> None:
    """Halo of lamps at night. image: float32 [3, H, W], changed in place."""
    _, height, width = image.shape
    lamps = [p for p in drawing.world.poles if p.kind == "lamp" and p.z > 3]
    for pole in lamps:
        head = np.array([[pole.x + pole.towards * 1.5, pole.height + .25, pole.z]])
        x, y = (drawing.view.project(head)[0] / SUPERSAMPLING).tolist()
        r = int(drawing.view.focal / SUPERSAMPLING * 1.6 / pole.z) + 2
        x0, x1, y0, y1 = max(0, int(x) - r), min(width, int(x) + r + 1), max(0, int(y) - r), min(height, int(y) + r + 1)
        if x0 < x1 and y0 < y1:
            distance = ((np.arange(y0, y1) - y) ** 2)[:, None] + (np.arange(x0, x1) - x) ** 2
            halo = 110 * np.maximum(0, 1 - np.sqrt(distance) / r) ** 2
            image[:, y0:y1, x0:x1] += light.lamp_colour[:, None, None] * halo.astype(np.float32)
