"""The procedural street scenes: deterministic, one layout with many photographs, and modes that can be read back."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.street import (
    BLOCK_MATERIALS,
    CAR_COLOURS,
    HOUSE_MATERIALS,
    MIN_CAR_PIXELS,
    STREET,
    STREET_WHOLES,
    TIMES_OF_DAY,
    WALL_MATERIALS,
    Street,
    StreetHard,
    render,
    seen_colours,
    truth,
)

SIZE = (64, 128)
CAR, ROAD, VOID, WINDOW, MARKING, BUILDING, DOOR = (
    STREET.names.index(n) for n in ("car", "road", "void", "window", "lane marking", "building", "door"))


@pytest.fixture(scope="module")
def hard():
    """As `sample`, of all times of day."""
    dataset = StreetHard("val", SIZE, 240)
    return [dataset[i] for i in range(len(dataset))]


@pytest.fixture(scope="module")
def sample():
    """Enough scenes for statements about frequencies."""
    dataset = Street("val", SIZE, 240)
    return [dataset[i] for i in range(len(dataset))]


def as_bytes(pair):
    return pair.photo.tobytes() + pair.layout.tobytes() + pair.instances.tobytes() + json.dumps(pair.modes).encode()


def test_same_seeds_give_same_bytes_in_another_process():
    code = ("import sys; from data.street import render; import json; p = render(11, 12, (64, 128));"
            "sys.stdout.buffer.write(p.photo.tobytes() + p.layout.tobytes() + p.instances.tobytes()"
            " + json.dumps(p.modes).encode())")
    root = Path(__file__).resolve().parents[2]
    other = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True).stdout
    render(99, 1, SIZE)  # what was rendered before must not matter
    assert other == as_bytes(render(11, 12, SIZE))


def test_geometry_seed_fixes_layout_and_appearance_seed_the_rest():
    first, second, other = render(3, 0, SIZE), render(3, 1, SIZE), render(4, 0, SIZE)
    assert (first.layout == second.layout).all() and (first.instances == second.instances).all()
    assert (first.photo != second.photo).mean() > .5
    assert [c["pixels"] for c in first.modes["cars"]] == [c["pixels"] for c in second.modes["cars"]]
    assert (first.layout != other.layout).mean() > .1


def test_arrays_of_one_scene_are_its_own():
    pair = render(3, 0, SIZE)
    pair.layout[:] = 0
    pair.instances[:] = 1
    assert (render(3, 1, SIZE).layout > 0).any() and (render(3, 1, SIZE).instances == 0).any()


def test_splits_and_seeds_share_no_scene():
    layouts = {split + str(seed): {Street(split, SIZE, 30, seed)[i].layout.tobytes() for i in range(30)}
               for split, seed in (("train", 0), ("val", 0), ("train", 1))}
    assert len(set.union(*layouts.values())) == 90


def test_scene_depends_on_neither_count_nor_size():
    small, large = Street("train", SIZE, 3)[2], Street("train", (128, 256), 500)[2]
    assert small.name == large.name == "00002"
    assert [c["colour"] for c in small.modes["cars"]] == [c["colour"] for c in large.modes["cars"]]
    assert (large.layout[::2, ::2] == small.layout).mean() > .85  # parts of walls are small
    difference = large.photo.reshape(3, 64, 2, 128, 2).mean((2, 4)) - small.photo
    assert np.abs(difference).mean() < 8


@pytest.mark.parametrize("size", [(32, 32), (96, 128), (128, 64), (32, 256), (50, 34)])
def test_any_even_size(size):
    for geometry in range(6):
        pair = render(geometry, geometry, size)
        assert pair.photo.shape == (3, *size) and pair.layout.shape == pair.instances.shape == size
        assert pair.photo.dtype == pair.layout.dtype == pair.instances.dtype == np.uint8
        assert pair.layout.max() < len(STREET) and len(np.unique(pair.layout)) >= 3


@pytest.mark.parametrize("size", [(64, 127), (63, 128), (30, 128), (0, 0), (64,), (64.5, 128)])
def test_wrong_size(size):
    with pytest.raises(InputError, match="even and at least 32"):
        render(0, 0, size)


def test_wrong_arguments():
    with pytest.raises(InputError, match="no split 'test', expected train or val"):
        Street("test", SIZE, 3)
    with pytest.raises(InputError, match="at least 1"):
        Street("val", SIZE, 0)
    with pytest.raises(InputError, match="seed -1"):
        render(-1, 0, SIZE)
    assert [pair.name for pair in Street("val", SIZE, 3)] == ["00000", "00001", "00002"]  # ends with an IndexError


def test_all_classes_occur_and_void_is_rare(sample):
    share = np.mean([np.bincount(p.layout.ravel(), minlength=len(STREET)) / p.layout.size for p in sample], axis=0)
    assert (share > .003).all(), dict(zip(STREET.names, share, strict=True))
    assert share[VOID] < .05 and share[ROAD] > .1 and share[CAR] > .04


def test_no_class_is_specks(sample):
    """Of no class half of the pixels are on lines one pixel wide, or a tenth without a neighbour of their class."""
    for index, name in enumerate(STREET.names):
        mask = np.pad(np.stack([p.layout for p in sample]) == index, ((0, 0), (1, 1), (1, 1)))
        inner = mask[:, 1:-1, 1:-1]
        beside = mask[:, 1:-1, :-2] | mask[:, 1:-1, 2:]
        above = mask[:, :-2, 1:-1] | mask[:, 2:, 1:-1]
        assert (inner & ~(beside & above)).sum() < .5 * inner.sum(), name
        assert (inner & ~(beside | above)).sum() < .1 * inner.sum(), name


def test_redraws_leave_layouts_alone_and_photographs_follow_them():
    """Windows are dark and markings bright where the layout says, in every appearance of a layout."""
    dataset, right = Street("val", SIZE, 30), []
    for index in range(30):
        pair, first, second = dataset[index], dataset.redraw(index, 0), dataset.redraw(index, 1)
        assert len({look.photo.tobytes() for look in (pair, first, second)}) == 3
        for photo in (pair, first, second):
            assert photo.name == pair.name and photo.layout.tobytes() == pair.layout.tobytes()
            assert photo.instances.tobytes() == pair.instances.tobytes()
            if (pair.layout == MARKING).sum() > 20:
                grey = photo.photo.mean(0)
                right.append(grey[pair.layout == MARKING].mean() > 1.15 * grey[pair.layout == ROAD].mean())
    assert len(right) > 40 and np.mean(right) > .95


@pytest.mark.parametrize("name", ["window", "door", "awning"])
def test_what_is_on_walls_is_where_the_layout_says(sample, name):
    """Across the border of a window, a door or an awning the photograph changes more than within walls."""
    index, border, inside = STREET.names.index(name), [], []
    for pair in sample[:80]:
        step = np.abs(np.diff(pair.photo.astype(float), axis=1)).mean(0)
        low, high = pair.layout[:-1], pair.layout[1:]
        border.append(step[((low == index) & (high == BUILDING)) | ((low == BUILDING) & (high == index))])
        inside.append(step[(low == BUILDING) & (high == BUILDING)])
    assert np.concatenate(border).mean() > 1.5 * np.concatenate(inside).mean()


def test_truth_says_paints_and_walls(sample):
    dataset = Street("val", SIZE, 240)
    materials = set()
    for index in range(20):
        pair, known = sample[index], dataset.truth(index)
        assert (known.paint > 0).tolist() == (pair.instances > 0).tolist()
        for car, about in enumerate(pair.modes["cars"]):
            paint = 1 + list(CAR_COLOURS).index(about["colour"])
            assert (known.paint[pair.instances == car + 1] == paint).all()
        assert (pair.layout[known.wall > 0] == BUILDING).all()
        assert (known.wall > 0).sum() > .5 * (pair.layout == BUILDING).sum() - 200
        seen = {WALL_MATERIALS[i - 1] for i in np.unique(known.wall) if i}
        assert seen <= {b["material"] for b in pair.modes["buildings"]}
        materials |= seen
        assert (dataset.truth(index, 3).paint > 0).tolist() == (known.paint > 0).tolist()
    assert materials == set(WALL_MATERIALS)
    redrawn, again = dataset.redraw(1, 2), dataset.truth(1, 2)
    assert set(np.unique(again.paint)) - {0} == {
        1 + list(CAR_COLOURS).index(c["colour"]) for c in redrawn.modes["cars"] if c["pixels"]}
    assert truth(3, 4, SIZE).wall.dtype == np.uint8


def test_the_harder_variant_has_all_times_and_no_parts(sample, hard):
    dataset = StreetHard("val", SIZE, 240)
    assert {p.modes["time_of_day"] for p in hard} == set(TIMES_OF_DAY)
    assert {p.modes["time_of_day"] for p in sample} == set(Street.times) == {"day", "overcast"}
    assert dataset.labels is STREET_WHOLES and dataset.version == Street.version
    for index in range(10):
        fine, coarse = sample[index].layout, hard[index].layout
        for part, whole in (("window", "building"), ("car window", "car"), ("lane marking", "road"), ("sky", "sky")):
            assert (coarse[fine == STREET.names.index(part)] == STREET_WHOLES.names.index(whole)).all()
        assert (dataset.redraw(index, 0).layout == coarse).all()


def test_scenes_differ(sample):
    photos = np.stack([p.photo for p in sample]).astype(np.float32)
    assert np.abs(photos - photos.mean(0)).mean() > 25
    assert len({p.layout.tobytes() for p in sample}) == len(sample)


def test_instances_are_cars_and_numbered_like_modes(sample):
    for pair in sample:
        assert (pair.layout[pair.instances > 0] == CAR).all()
        counts = np.bincount(pair.instances.ravel(), minlength=len(pair.modes["cars"]) + 1)
        assert counts[1:].tolist() == [c["pixels"] for c in pair.modes["cars"]]


def test_modes_are_plain_values(sample):
    for pair in sample:
        assert json.loads(json.dumps(pair.modes, allow_nan=False)) == pair.modes
        assert pair.modes["time_of_day"] in Street.times
        assert all(car["rgb"] == list(CAR_COLOURS[car["colour"]]) for car in pair.modes["cars"])
        assert all(b["material"] in BLOCK_MATERIALS + HOUSE_MATERIALS for b in pair.modes["buildings"])


def test_modes_are_drawn_evenly(sample):
    colours = [car["colour"] for p in sample for car in p.modes["cars"]]
    for drawn, known in ((colours, tuple(CAR_COLOURS)), ([p.modes["time_of_day"] for p in sample], Street.times)):
        share = np.array([drawn.count(name) for name in known]) / len(drawn)
        assert (np.abs(share * len(known) - 1) < .4).all(), share
    assert {b["material"] for p in sample for b in p.modes["buildings"]} == {*BLOCK_MATERIALS, *HOUSE_MATERIALS}


def car_colour_of(pair, car):
    """The paint that the median colour of the car's pixels is nearest to, as this light and distance show paints."""
    seen = np.median(pair.photo[:, pair.instances == car + 1], axis=1)
    expected = seen_colours(pair.modes["light"], pair.modes["cars"][car]["distance"])
    return list(CAR_COLOURS)[int(np.linalg.norm(expected - seen, axis=1).argmin())]


def recovery(pairs):
    """Share of cars whose colour is read back, by (time of day, colour)."""
    right = {}
    for pair in pairs:
        for car, mode in enumerate(pair.modes["cars"]):
            if mode["pixels"] >= MIN_CAR_PIXELS:
                found = car_colour_of(pair, car)
                right.setdefault((pair.modes["time_of_day"], mode["colour"]), []).append(found == mode["colour"])
    return right


@pytest.mark.parametrize(("pairs", "times"), [("sample", Street.times), ("hard", TIMES_OF_DAY)])
def test_car_colours_are_read_back(pairs, times, request):
    right = recovery(request.getfixturevalue(pairs))
    cars = [hit for hits in right.values() for hit in hits]
    assert len(cars) > 500 and np.mean(cars) >= .95
    for time in times:
        assert np.mean([hit for (t, _), hits in right.items() if t == time for hit in hits]) > .9, time


def test_photo_follows_the_silhouettes(sample):
    """Across a border of the layout the photo changes more than inside of a region."""
    across, inside = [], []
    for pair in sample[:60]:
        step = np.abs(np.diff(pair.photo.astype(float), axis=2)).mean(0)
        border = pair.layout[:, 1:] != pair.layout[:, :-1]
        across.append(step[border].mean())
        inside.append(step[~border].mean())
    assert np.mean(across) > 2.5 * np.mean(inside)


def test_night_is_darker_than_day(hard):
    light = {time: np.mean([p.photo.mean() for p in hard if p.modes["time_of_day"] == time]) for time in TIMES_OF_DAY}
    assert light["night"] < .8 * light["evening"] and light["evening"] < light["day"]
