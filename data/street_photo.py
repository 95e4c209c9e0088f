"""From a drawing and an appearance to a photograph: light, materials and textures, computed per supersample."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from data.street_appearance import Appearance, Light
from data.street_car import MESHES
from data.street_drawing import NEAR, SUPERSAMPLING, Drawing, Material, View
from data.street_layout import World
from data.street_texture import hash_tile, look_up, noise_tile, stripe


@dataclass
class Frame:
    """What the shaders share. rgb: float32 [3, N], N = supersamples in row order, written in place."""

    drawing: Drawing
    look: Appearance
    rgb: np.ndarray
    parts: np.ndarray  # [N]
    kinds: np.ndarray  # uint8 [N]

    def where(self, *materials: Material) -> np.ndarray:
        mask = self.kinds == materials[0]
        for material in materials[1:]:
            mask |= self.kinds == material
        return np.flatnonzero(mask)

    def place(self, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of supersamples, relative to the vanishing point."""
        width = self.drawing.view.shape[1]
        rows = where // width
        view = self.drawing.view
        return (rows + np.float32(.5 - view.y)).astype(np.float32), \
            (where - rows * width + np.float32(.5 - view.x)).astype(np.float32)


def photograph(drawing: Drawing, look: Appearance) -> np.ndarray:
    """uint8 [3, H, W]."""
    parts = drawing.parts.ravel()
    colours = part_colours(drawing.table, look)
    frame = Frame(drawing, look, colours[:, parts], parts, drawing.table["material"].astype(np.uint8)[parts])
    _gradient(frame)
    _sky(frame)
    _ground(frame)
    _walls(frame)
    _foliage(frame)
    height, width = drawing.size
    mean = frame.rgb.reshape(3, height, SUPERSAMPLING, width, SUPERSAMPLING).mean((2, 4))
    _glow(drawing, look.light, mean)
    return np.clip(mean + .5, 0, 255).astype(np.uint8)


def part_colours(table: dict[str, np.ndarray], look: Appearance) -> np.ndarray:
    """Lit and hazed colour float32 [3, P] of each part, before gradients and textures."""
    material, owner = table["material"].astype(np.intp), table["owner"].astype(np.intp)
    light = look.light
    albedo = look.albedo(material, owner)
    sun = np.maximum(0, table["nx"] * light.sun[0] + table["ny"] * light.sun[1] + table["nz"] * light.sun[2])
    shade = light.ambient * (1 + .12 * table["ny"]) + light.sunlight * sun
    rgb = albedo * light.gain[:, None] * shade
    haze = haze_at(light, table["z"])
    haze[np.isin(material, (Material.ROAD, Material.PAVEMENT, Material.GRASS, Material.WALL, Material.SKY))] = 0
    rgb += (light.haze[:, None] - rgb) * haze
    shining, colours = look.shining(material, owner)
    rgb[:, shining] = colours
    return rgb.astype(np.float32)


def haze_at(light: Light, z: np.ndarray) -> np.ndarray:
    return 1 - np.exp(-light.density * z)


def _gradient(frame: Frame) -> None:
    """Brighter at the top of things, darker at their foot."""
    table = frame.drawing.table
    strength = GRADIENT[table["material"].astype(np.intp)]
    slope = strength / np.maximum(table["bottom"] - table["top"], 1)
    middle = (table["bottom"] + table["top"]) / 2
    rows = np.repeat(np.arange(frame.drawing.parts.shape[0], dtype=np.float32), frame.drawing.parts.shape[1])
    frame.rgb *= 1 + slope[frame.parts] * (middle[frame.parts] - rows)


GRADIENT = np.zeros(len(Material), np.float32)
for _material, _strength in {"PAINT": .25, "GLASS": .5, "FOLIAGE": .75, "UPPER": .3, "LOWER": .3, "BONNET": .5,
                             "SKYLINE": .2, "TRUNK": .3, "ROOF": .2, "BIN": .3, "METAL": .15}.items():
    GRADIENT[Material[_material]] = _strength


def _sky(frame: Frame) -> None:
    where, light = frame.where(Material.SKY), frame.look.light
    y, x = frame.place(where)
    up = np.clip(-y / frame.drawing.view.focal, 0, 1.2)  # tangent of the elevation
    mix = np.exp(-up * light.sky_falloff)
    rgb = light.zenith[:, None] + (light.horizon - light.zenith)[:, None] * mix
    if light.glow_strength:
        across = x / frame.drawing.view.focal - light.glow[0]
        near = np.exp(-((across * .8) ** 2 + (up - light.glow[1]) ** 2) / light.glow[2])
        rgb += light.glow_colour[:, None] * (light.glow_strength * near)
    depth = 1 / (up + .12)
    u, v = x / frame.drawing.view.focal * depth * 17, depth * 26
    clouds = look_up(noise_tile(1.7), u + light.cloud_offset, v)
    cover = np.clip((clouds + light.cloudiness) * .8, 0, 1) * light.cloud_opacity
    rgb += (light.cloud[:, None] * (1 + .06 * clouds) - rgb) * cover
    if light.stars:
        stars = look_up(hash_tile(), x * (300 / frame.drawing.view.focal), y * (300 / frame.drawing.view.focal))
        rgb += np.where(stars > .9955, 90 * (1 - cover) * up, 0)
    frame.rgb[:, where] = rgb


def _ground(frame: Frame) -> None:
    where = frame.where(Material.ROAD, Material.PAVEMENT, Material.GRASS)
    view, look, light = frame.drawing.view, frame.look, frame.look.light
    y, x = frame.place(where)
    z = view.focal * view.height / np.maximum(y, .25)
    x = x * z / view.focal
    pixel = z / view.focal
    kinds = frame.kinds[where]
    tone = 1 + look.ground_noise * look_up(noise_tile(.8), x * 9, z * 4) / (1 + pixel * 6)
    rgb = frame.rgb[:, where]
    road = np.flatnonzero(kinds == Material.ROAD)
    _mark(frame.drawing.world, look, rgb, road, x[road], z[road], pixel[road])
    pavement = np.flatnonzero(kinds == Material.PAVEMENT)
    tone[pavement] *= _slabs(frame.drawing.world, look, x[pavement], z[pavement], pixel[pavement])
    grass = np.flatnonzero(kinds == Material.GRASS)
    tone[grass] *= 1 + .16 * look_up(noise_tile(1.), x[grass] * 25, z[grass] * 12)
    shadows = _shadows(frame.drawing, light)
    rgb *= tone * (1 - shadows.ravel()[where])
    if light.lamps:
        rgb += _lamp_pools(frame.drawing.world, light, x, z) * rgb
    rgb += (light.haze[:, None] - rgb) * haze_at(light, z)
    frame.rgb[:, where] = rgb


def _mark(world: World, look: Appearance, rgb: np.ndarray, road: np.ndarray, x: np.ndarray, z: np.ndarray,
          pixel: np.ndarray) -> None:
    """Paint lane lines, the stop line and the zebra crossing on the road."""
    white, yellow = np.zeros_like(x), np.zeros_like(x)
    free = np.ones_like(x)
    for low, high in [r for r in (world.crossing, world.zebra and (world.zebra - 1, world.zebra + 4)) if r]:
        free[(z > low) & (z < high)] = 0
    stretch = z * pixel / world.camera.height  # metres along the road per pixel
    for line in world.markings:
        cover = stripe(x - line.x, line.width / 2, pixel) * free
        if line.dash:
            phase = z / (line.dash * 2.5)
            cover *= stripe((phase - np.floor(phase) - .5) * line.dash * 2.5, line.dash / 2, stretch)
        target = yellow if line.yellow else white
        np.maximum(target, cover, out=target)
    if world.zebra:
        inside = np.flatnonzero((z > world.zebra) & (z < world.zebra + 3) & (x > -world.left.kerb + .3)
                                & (x < world.right.kerb - .3))
        phase = x[inside]
        white[inside] = stripe((phase - np.floor(phase) - .5), .25, pixel[inside])
    worn = np.clip(.82 + .12 * look_up(noise_tile(.8), x * 20, z * 8), 0, 1)
    light = look.light
    for cover, colour in ((white, (225, 225, 220)), (yellow, (225, 175, 50))):
        if cover.any():
            target = (np.array(colour, np.float32) * light.gain * light.flat)[:, None]
            part = rgb[:, road]
            rgb[:, road] = part + (target - part) * (cover * worn)


def _slabs(world: World, look: Appearance, x: np.ndarray, z: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Joints of the paving and the lighter kerbstones, as a factor."""
    size = look.slab
    u, v = x / size, z / (size * 1.5)
    along = stripe((u - np.floor(u) - .5) * size, .025, pixel)
    across = stripe((v - np.floor(v) - .5) * size * 1.5, .025, z * pixel / world.camera.height)
    hue = look_up(hash_tile(), np.floor(u), np.floor(v)) - .5
    tone = (1 - .3 * np.maximum(along, across)) * (1 + .12 * hue / (1 + pixel * 4))
    kerb = np.where(x < 0, -x - world.left.kerb, x - world.right.kerb)
    return tone * (1 + .25 * stripe(kerb - .1, .12, pixel) - .45 * stripe(kerb, .05, pixel))


def _lamp_pools(world: World, light: Light, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Light of street lamps and of the own headlights on the ground, as a factor to add per channel [3, N]."""
    spacing = world.lamp_spacing
    phase = z / spacing
    along = (phase - np.floor(phase) - .5) * 2
    middle = (world.right.kerb - world.left.kerb) / 2
    pool = 1.1 * np.exp(-(along * 1.3) ** 2 - ((x - middle) / 9) ** 2)
    ahead = 1.5 * np.exp(-(z / 20) ** 2 - (x / (1.5 + .22 * z)) ** 2)
    return light.lamp_colour[:, None] * pool + np.array([[1.], [.97], [.88]], np.float32) * ahead


def _shadows(drawing: Drawing, light: Light) -> np.ndarray:
    """Darkening 0..1 float32 [2H, 2W] of the ground: cast shadows where the sun shines, contact shadows always."""
    image = Image.new("L", drawing.parts.shape[::-1], 0)
    polygon = ImageDraw.Draw(image).polygon
    if light.shadow:
        for points in _cast(drawing.world, light.shadow_step):
            polygon(_project(drawing.view, points), fill=light.shadow)
    for car in drawing.world.cars:
        for grow, dark in ((.12, 110), (-.1, 185)):
            polygon(_project(drawing.view, _footprint(car, grow)), fill=dark)
    for thing in (*drawing.world.people, *drawing.world.trees):
        r = .3
        corners = [(thing.x - r, thing.z - r), (thing.x + r, thing.z - r), (thing.x + r, thing.z + r),
                   (thing.x - r, thing.z + r)]
        polygon(_project(drawing.view, corners), fill=90)
    return np.asarray(image) * np.float32(1 / 255)


def _project(view: View, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [view.point(x, 0, max(z, NEAR)) for x, z in points]


def _footprint(car, grow: float) -> list[tuple[float, float]]:
    mesh = MESHES[car.kind]
    c, s = math.cos(car.yaw), math.sin(car.yaw)
    w, length = mesh.half_width + grow, mesh.half_length + grow
    return [(car.x + c * a + s * b, car.z - s * a + c * b)
            for a, b in ((-w, -length), (w, -length), (w, length), (-w, length))]


def _cast(world: World, step: tuple[float, float]):
    """Shadows on the ground as (x, z) polygons. step: displacement in metres per metre of height."""
    dx, dz = step
    for b in world.buildings:
        if b.side and b.side * dx < 0:
            near, far, h = (b.side * b.inner, b.z0), (b.side * b.inner, b.z1), b.height
            yield [near, far, (far[0] + dx * h, far[1] + dz * h), (near[0] + dx * h, near[1] + dz * h)]
    for car in world.cars:
        base = _footprint(car, 0)
        top = MESHES[car.kind].height * .8
        moved = [(x + dx * top, z + dz * top) for x, z in base]
        yield moved
        for k in range(4):
            yield [base[k], base[k - 1], moved[k - 1], moved[k]]
    for tree in world.trees:
        x, z, r = tree.x + dx * tree.height * .65, tree.z + dz * tree.height * .65, tree.radius * 1.1
        yield [(x + r * c * 1.2, z + r * s) for c, s in CIRCLE]
        yield [(tree.x - .15, tree.z), (tree.x + .15, tree.z), (x + .15, z), (x - .15, z)]
    for thing in (*world.people, *world.poles):
        w, h = (.22, thing.height) if hasattr(thing, "stride") else (.06, thing.height)
        yield [(thing.x - w, thing.z), (thing.x + w, thing.z), (thing.x + w + dx * h, thing.z + dz * h),
               (thing.x - w + dx * h, thing.z + dz * h)]


CIRCLE = [(math.cos(2 * math.pi * k / 10), math.sin(2 * math.pi * k / 10)) for k in range(10)]


def _walls(frame: Frame) -> None:
    where = frame.where(Material.WALL)
    if not len(where):
        return
    table, view, light = frame.drawing.table, frame.drawing.view, frame.look.light
    parts = frame.parts[where]
    y, x = frame.place(where)
    z = 1 / np.maximum(table["a"][parts] + table["b"][parts] * (x + view.x), 1e-4)
    scale = z / view.focal
    height = view.height - y * scale
    x = x * scale
    side = table["side"][parts] > 0
    pixel = np.where(side, z * scale / np.maximum(np.abs(x), .1), scale)
    owner = table["owner"][parts].astype(np.int32)
    rgb = frame.look.walls.shade(frame.rgb[:, where], owner, np.where(side, z, x), height, pixel, scale, light)
    rgb += (light.haze[:, None] - rgb) * haze_at(light, z)
    frame.rgb[:, where] = rgb


def _foliage(frame: Frame) -> None:
    where = frame.where(Material.FOLIAGE)
    table, view = frame.drawing.table, frame.drawing.view
    parts = frame.parts[where]
    y, x = frame.place(where)
    scale = table["z"][parts] * (11 / view.focal)
    offset = table["owner"][parts] * 37
    frame.rgb[:, where] *= 1 + .2 * look_up(noise_tile(.7), x * scale + offset, y * scale + offset)


def _glow(drawing: Drawing, light: Light, image: np.ndarray) -> None:
    """Halo of lamps at night. image: float32 [3, H, W]."""
    if not light.lamps:
        return
    _, height, width = image.shape
    for pole in drawing.world.poles:
        if pole.kind != "lamp" or pole.z < 3:
            continue
        x, y = drawing.view.point(pole.x + pole.towards * 1.5, pole.height + .25, pole.z)
        x, y, r = x / SUPERSAMPLING, y / SUPERSAMPLING, int(drawing.view.focal / SUPERSAMPLING * 1.6 / pole.z) + 2
        x0, x1, y0, y1 = max(0, int(x) - r), min(width, int(x) + r + 1), max(0, int(y) - r), min(height, int(y) + r + 1)
        if x0 < x1 and y0 < y1:
            distance = ((np.arange(y0, y1) - y) ** 2)[:, None] + (np.arange(x0, x1) - x) ** 2
            halo = 110 * np.maximum(0, 1 - np.sqrt(distance) / r) ** 2
            image[:, y0:y1, x0:x1] += light.lamp_colour[:, None, None] * halo.astype(np.float32)
