"""Diversity, PSNR and SSIM, and the coverage of known modes."""

import shutil

import numpy as np
import pytest
import torch
import torchvision
from scipy.ndimage import correlate

from data.errors import InputError
from data.files import read_json, sha256, write_json, write_png
from data.street import CAR_COLOURS, MIN_CAR_PIXELS, Street
from evaluation.cache.measurements import ImageBatch
from evaluation.metrics.diversity import PixelConsumer, pairwise_distance, spread, to_photo
from evaluation.metrics.modes import (
    COLOURS,
    TIMES,
    TOLERATED,
    ModesConsumer,
    class_means,
    distinct,
    expected_coverage,
    nearest_by_class,
    same_street,
    statistics,
    tolerance,
)
from evaluation.metrics.perceptual_distance import LPIPS_TRUNKS, build_lpips, map_distance, unit_maps
from evaluation.metrics.similarity import psnr, ssim
from evaluation.metrics.work import Context, Work
from evaluation.run_directory import FLOOR, PHOTOS, Method, RunDirectory, Score
from evaluation.scoring import score_run

RNG = np.random.default_rng(0)


def test_feature_distances_by_hand():
    assert pairwise_distance(np.array([[[0.0, 0], [3, 4], [0, 8]]])).tolist() == [(5 + 8 + 5) / 3]
    features = np.array([[[3.0, 0], [3, 4]], [[1, 0], [9, 8]]])
    assert to_photo(features, np.array([[3.0, 3], [1, 2]])).tolist() == [[3, 1], [2, 10]]
    photos = RNG.normal(size=(60, 4))
    pairs = np.square(photos[:, None] - photos[None]).sum(-1)[np.triu_indices(60, 1)]
    assert spread(photos) == pytest.approx(np.sqrt(pairs.mean()))


def test_pixel_distances_by_hand():
    images = torch.zeros(1, 3, 3, 2, 2, dtype=torch.uint8)
    images[0, 1], images[0, 2] = 51, 255
    found = PixelConsumer()(ImageBatch(["a"], np.zeros((1, 2, 2), np.uint8), torch.zeros(1, 3, 2, 2, dtype=torch.uint8),
                                  images))
    assert found["to_photo"][0] == pytest.approx([0, 0.2, 1], abs=1e-6)
    assert found["pairwise"][0] == pytest.approx((0.2 + 1 + 0.8) / 3, abs=1e-6)


def test_map_distance_by_hand_and_of_an_image_to_itself():
    a = unit_maps([torch.tensor([[[[3.0]], [[4.0]]]])])
    b = unit_maps([torch.tensor([[[[1.0]], [[0.0]]]])])
    assert map_distance(a, b).item() == pytest.approx((0.6 - 1) ** 2 + 0.8**2)
    maps = unit_maps([torch.rand(2, 5, 4, 4), torch.zeros(2, 3, 2, 2)])
    assert map_distance(maps, maps).tolist() == [0, 0]


def test_lpips_is_the_package_s(tmp_path, monkeypatch):
    lpips = pytest.importorskip("lpips", reason="needs the package lpips (the test extra)")
    torch.manual_seed(0)
    trunk = torchvision.models.squeezenet1_1(weights=None).eval()
    torch.save(trunk.state_dict(), tmp_path / "weights.pth")
    digest = sha256(tmp_path / "weights.pth")
    file = (tmp_path / "weights.pth").rename(tmp_path / f"squeezenet1_1-{digest[:8]}.pth")
    monkeypatch.setitem(LPIPS_TRUNKS, "squeeze", file.name)
    monkeypatch.setattr("lpips.pretrained_networks.tv.squeezenet1_1", lambda **options: trunk)  # not downloaded
    theirs = lpips.LPIPS(net="squeeze", verbose=False).eval()
    photos, images = torch.randint(0, 256, (2, 3, 3, 64, 96), dtype=torch.uint8)
    consumer = build_lpips(tmp_path, "cpu")
    found = consumer(ImageBatch(["a", "b", "c"], np.zeros((3, 64, 96), np.uint8), photos,
                           torch.stack([images, photos, images.flip(0)], dim=1)))
    with torch.no_grad():
        def distance(a, b):
            return theirs(a / 127.5 - 1, b / 127.5 - 1).flatten().tolist()
        pairs = [distance(images, photos), distance(images, images.flip(0)), distance(photos, images.flip(0))]
        assert found["to_photo"][:, 0].tolist() == pytest.approx(distance(images, photos), rel=1e-5)
        assert found["to_photo"][:, 1].tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["pairwise"].tolist() == pytest.approx(np.mean(pairs, axis=0).tolist(), rel=1e-5)
    assert consumer.provenance["trunk sha256"] == digest and len(consumer.provenance["heads sha256"]) == 64
    file.write_bytes(b"other")
    with pytest.raises(InputError, match="not the official file"):
        build_lpips(file, "cpu")


def test_psnr_by_hand():
    photo = np.full((2, 3, 16, 16), 100, np.uint8)
    image = photo.copy()
    image[0] += 10
    assert psnr(image, photo)[0] == pytest.approx(10 * np.log10(65025 / 100))
    assert psnr(image, photo)[1] == pytest.approx(10 * np.log10(65025 * 3 * 16 * 16))  # equal: the finite best


def test_ssim_equals_the_definition_window_by_window():
    """One output pixel computed from its 11 x 11 window, and the whole mean from a dense 2-d correlation."""
    image, photo = RNG.integers(0, 256, (2, 1, 3, 20, 24)).astype(np.uint8)
    luma = [np.tensordot([0.299, 0.587, 0.114], a[0].astype(float), 1) for a in (image, photo)]
    g = np.exp(-np.arange(-5, 6) ** 2 / (2 * 1.5**2))
    window = np.outer(g, g) / g.sum() ** 2
    def mean(a):
        return correlate(a, window, mode="constant")[5:-5, 5:-5]
    (x, y), c1, c2 = luma, 6.5025, 58.5225
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    expected = ((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()
    assert ssim(image, photo)[0] == pytest.approx(expected, abs=1e-9)
    assert ssim(photo, photo)[0] == pytest.approx(1)
    assert ssim(255 - photo, photo)[0] < 0


def test_expected_coverage_of_independent_draws():
    assert distinct(np.array([[3, 1, 3, 1], [2, 2, 2, 2], [0, 1, 2, 3]])).tolist() == [2, 1, 4]
    assert expected_coverage(8, 1) == 1 / 8
    draws = RNG.integers(0, 8, (20_000, 5))
    assert np.mean(distinct(draws)) / 8 == pytest.approx(expected_coverage(8, 5), abs=0.005)


def test_coverage_counts_cars_one_by_one():
    """2 layouts, 2 images each, 2 cars; the second layout lacks its first car; tolerance 10."""
    distances = np.full((2, 2, 2, 8), 50.0)
    distances[1, :, 0] = np.nan
    for image, car, paint in ((0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 2)):
        distances[0, image, car, paint] = 5  # first car: two paints, second car: one paint twice
    distances[1, 0, 1, 5] = 9.9
    distances[1, 1, 1, 6] = 10.1  # near no paint
    found = statistics(distances, np.array([[0, 1], [3, 3]]), 10, 4)
    assert found["car colours covered"].value() == pytest.approx((2 + 1 + 1) / 3 / 8)
    assert found["cars in a known colour"].value() == pytest.approx((1 + 1 + 0.5) / 3)
    assert found["times of day covered"].value() == pytest.approx((2 + 1) / 2 / 4)
    photographs = np.full((100, 1, 1, 8), 99.0)
    photographs[:, 0, 0, 3] = np.arange(100)
    assert tolerance(photographs) == pytest.approx(96.03)


def test_class_means_and_nearest_by_hand():
    images = np.zeros((1, 3, 1, 4), np.uint8)
    images[0, 0, 0] = [10, 20, 30, 40]
    means = class_means(images, np.array([[[0, 0, 2, 2]]], np.uint8), 3)
    assert means[0, :, 0].tolist()[0::2] == [15, 35] and np.isnan(means[0, 1]).all()
    known = np.stack([means[0] + 50, means[0] + 1])
    assert nearest_by_class(means, known).tolist() == [1]


@pytest.fixture(scope="module")
def street_run(tmp_path_factory):
    """24 street scenes; `one` repeats the photo's appearance once, `many` draws 4 appearances, `grey` averages 12."""
    run = RunDirectory(tmp_path_factory.mktemp("street") / "run")
    street = Street("val", (64, 128), 24, 5)
    write_json(run.dataset / "labels.json", street.labels.to_json())
    modes = {}
    for i in range(24):
        pair = street[i]
        modes[pair.name] = pair.modes
        draws = [street.redraw(i, u).photo for u in range(12)]
        grey = np.mean(draws, axis=0).round().astype(np.uint8)
        files = {run.photo_file(pair.name): pair.photo, run.image_file("one", pair.name): pair.photo,
                 run.image_file("grey", pair.name): grey, run.image_file("many", pair.name): draws[0]}
        files |= {run.variant_file("many", pair.name, u + 1): draws[u] for u in range(4)}
        for file, image in files.items():
            write_png(file, image.transpose(1, 2, 0))
        write_png(run.dataset / "layouts" / f"{pair.name}.png", pair.layout)
        write_png(run.dataset / "instances" / f"{pair.name}.png", pair.instances)
    write_json(run.dataset / "modes.json", modes)
    for name, k in (("one", 1), ("grey", 1), ("many", 4)):
        run.write_method(Method(name, name, images_per_layout=k))
    write_json(run.path / "run.json", {"config": {"methods": ["one", "grey", "many"], "data": {"seed": 5}},
                                       "versions": {}})
    return run


def test_colours_of_photographs_are_read_as_they_were_drawn(street_run, monkeypatch):
    work = Work(street_run, Context())
    consumer = ModesConsumer(street_run, work.measurements.dataset_hash)
    colours = work.measurements.get(PHOTOS, consumer)["distances"][:, 0].argmin(axis=-1)
    right = [list(CAR_COLOURS)[colours[i, car]] == known["colour"]
             for i, name in enumerate(street_run.layouts())
             for car, known in enumerate(street_run.modes()[name]["cars"]) if known["pixels"] >= MIN_CAR_PIXELS]
    assert len(right) > 30 and np.mean(right) > 0.9
    key = consumer.key
    monkeypatch.setitem(CAR_COLOURS, "red", (190, 22, 30))
    assert consumer.key != key  # measured modes belong to the paints that they were compared with


def test_coverage_on_street(street_run):
    assert same_street(street_run) is not None
    score_run(street_run, Context(bootstrap=200), ["modes"])
    scores = {score.method: score for score in street_run.scores("modes")}
    one, many, grey = (scores[name].value("car colours covered").value for name in ("one", "many", "grey"))
    assert one == pytest.approx(TOLERATED / 8, abs=0.005) and grey < 0.5 / 8
    assert scores["grey"].value("cars in a known colour").value < 0.2
    assert scores["one"].value("cars in a known colour").value == pytest.approx(TOLERATED, abs=0.02)
    assert many == pytest.approx(expected_coverage(8, 4), abs=0.06)
    assert scores["many"].value("car colours covered, 4 independent draws").value == expected_coverage(8, 4)
    assert scores[PHOTOS].value("car colours covered").value == pytest.approx(expected_coverage(8, 4), abs=0.06)
    low, high = scores["many"].value("car colours covered").interval
    assert low < many < high


def test_floor_of_the_same_layouts_drawn_again(street_run, tiny_judge):
    """Another appearance of the same layouts: nearer than a method that paints grey, further than the photographs."""
    score_run(street_run, Context(tiny_judge, bootstrap=200), ["distances"])
    scores = {score.method: score for score in street_run.scores("distances")}
    floor = scores[FLOOR]
    assert "another appearance of each of the 24 layouts" in floor.provenance["same layouts"]
    for name in ("FD-judge", "KD-judge, own photograph left out"):
        drawn = floor.value(f"{name}, same layouts").value
        assert drawn < scores["grey"].value(name).value
    assert scores["one"].value("KD-judge, own photograph left out").value == pytest.approx(0, abs=1e-9)
    assert scores["one"].value("FD-judge").value < floor.value("FD-judge, same layouts").value
    deviation = scores["many"].details["KD over subsets"]["KD-judge"]
    assert deviation["standard deviation"] > 0
    assert deviation["mean"] == pytest.approx(scores["many"].value("KD-judge").value)


def test_scenes_that_cannot_be_drawn_again(street_run, tiny_run, tmp_path):
    """The row of the photographs gives the reason; without known modes there are no rows."""
    score_run(tiny_run, Context(bootstrap=200), ["modes"])
    assert tiny_run.scores("modes") == []
    run = RunDirectory(shutil.copytree(street_run.path, tmp_path / "another"))
    config = read_json(run.path / "run.json")
    config["config"]["data"]["seed"] = 6
    write_json(run.path / "run.json", config)
    shutil.rmtree(run.path / "scores", ignore_errors=True)
    score_run(run, Context(bootstrap=200), ["modes"])
    row = next(score for score in run.scores("modes") if score.method == PHOTOS)
    assert row.provenance["drawn again"].startswith("no: the renderer of this version does not give")
    assert {value.name for value in row.values} == {f"{name}, 4 independent draws" for name in (COLOURS, TIMES)}


def test_diversity_and_similarity(street_run, tiny_judge):
    score_run(street_run, Context(tiny_judge, bootstrap=200), ["diversity", "similarity"])
    diversity = {score.method: score for score in street_run.scores("diversity")}
    assert diversity["one"].value("best-of-1 pixels").value == 0
    best = [value.name for value in diversity["many"].values if value.name.endswith("pixels")]
    assert best == ["best-of-1 pixels", "best-of-4 pixels", "pairwise pixels"]
    first, chosen = (np.array(diversity["many"].per_image[name]) for name in best[:2])
    assert (chosen <= first).all() and (chosen < first).any()
    assert diversity["one"].value("best-of-4 pixels") is None
    assert diversity["one"].value("pairwise pixels") is None
    assert diversity["many"].value("pairwise distance-judge").value > 0
    assert diversity["many"].provenance["k"] == 4
    assert len(diversity["many"].per_image["pairwise pixels"]) == 24
    similarity = {score.method: score for score in street_run.scores("similarity")}
    assert similarity["grey"].value("PSNR").value > similarity["many"].value("PSNR").value  # the warning in numbers
    assert similarity["one"].value("PSNR").value > 80 and similarity["one"].value("SSIM").value == pytest.approx(1)
    assert "optimises" in similarity["grey"].provenance["warning"]


def test_which_distances_can_be_trusted(street_run, tiny_judge):
    score_run(street_run, Context(tiny_judge, bootstrap=200), ["trust"])
    file = street_run.score_file("trust", "redrawn")
    content, written = Score.read(file), file.stat().st_mtime_ns
    found, ratios = {value.name: value.value for value in content.values}, content.details["mean / draw"]
    assert set(found) == set(ratios) == {"best-of-1 pixels", "best-of-1 distance-judge", "FD-judge"}
    assert found["best-of-1 pixels"] < 0.5 and ratios["FD-judge"] > 0 and content.provenance["layouts"] == 24
    score_run(street_run, Context(tiny_judge, bootstrap=200), ["trust"])
    assert file.stat().st_mtime_ns == written
