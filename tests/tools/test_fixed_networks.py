"""The networks that ship with the street scenes: made by one command, read by a run, refused where they do not fit."""

import numpy as np
import pytest
import torch

from data import FIXED_NETWORKS
from data.errors import InputError
from data.street import CAR_COLOURS, SHADES, STREET
from evaluation.networks.judge import load_judge
from models.fixed import misfit, read_network, weights_file
from models.perceptual import tensor_hashes, weights_sha256
from presets.schema import Preset
from tools.fixed_networks.__main__ import main
from tools.fixed_networks.degrade import RECIPES, average, degrade
from tools.fixed_networks.labelling import dice_loss
from tools.fixed_networks.perceiving import Perceiver
from tools.fixed_networks.roles import CLASSES, ROLES
from tools.fixed_networks.scenes import UNKNOWN, VERSION, Request, render, unknown
from training.suite import Suite


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All three, made in two steps each."""
    folder = tmp_path_factory.mktemp("networks")
    for role in ROLES:
        assert main([role, "--out", str(folder), "--share", ".0001", "--steps", "2", "--batch", "4",
                     "--workers", "1", "--device", "cpu"]) == 0
    return folder


def test_a_made_network_is_read_with_the_weights_that_its_card_describes(made):
    for role in ROLES:
        network, card = read_network(made, role)
        assert card["weights_sha256"] and card["training"]["steps"] == 2 and card["scenes"] == VERSION
        assert set(card["scores"]) == {"64x128", "256x512"}
        assert not any(p.requires_grad for p in network.parameters()) and not network.training
        assert card["command"].startswith(f"python -m tools.fixed_networks {role} --out")
    judge, perceptual = read_network(made, "judge")[0], read_network(made, "perceptual")[0]
    picture = torch.rand(1, 3, 48, 80) * 2 - 1
    assert judge(picture).shape == (1, CLASSES, 48, 80)
    assert list(perceptual(picture)) == ["conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"]


def test_weights_other_than_the_cards_are_refused(made, tmp_path):
    for file in made.glob("segmenter.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with weights_file(tmp_path, "segmenter").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match="SHA-256"):
        read_network(tmp_path, "segmenter")


def test_a_network_of_other_scenes_or_classes_does_not_fit(made):
    names = list(STREET.names)
    assert misfit(made, "judge", names, VERSION) is None
    assert "these are street-0" in misfit(made, "judge", names, "street-0")
    assert "classes" in misfit(made, "judge", names[1:], VERSION)
    assert misfit(made / "nowhere", "judge", names, VERSION) == "none ships with it"


def test_the_three_networks_fit_into_ten_megabytes_and_share_no_scenes():
    parameters = sum(p.numel() for role in ROLES.values() for p in role.network().parameters())
    assert 2 * parameters < 9.5e6
    seeds = [request.seed for role in ROLES.values() for request in (role.small, role.large)]
    assert len(set(seeds)) == len(seeds) and min(seeds) > 1000


def test_degraded_pictures_differ_where_they_say_and_only_there():
    torch.manual_seed(0)
    draws = torch.rand(24, 5, 3, 32, 64) * 2 - 1
    labels = torch.randint(0, CLASSES, (24, 32, 64))
    picture, where = degrade(draws[:, 0], draws[:, 1:], labels, CLASSES)
    changed = (picture - draws[:, 0]).abs().amax(1, keepdim=True) > 0
    assert not (changed & (where == 0)).any()
    assert changed[where > 0].float().mean() > .95
    assert 0 < where.mean() < 1 and picture.abs().max() <= 1


def test_every_recipe_gives_a_picture_of_its_own():
    torch.manual_seed(0)
    draws, labels = torch.rand(3, 5, 3, 32, 64) * 2 - 1, torch.zeros(3, 32, 64, dtype=torch.long)
    for recipe in set(RECIPES):
        picture = recipe(draws[:, 0], draws[:, 1:], labels, CLASSES)
        assert picture.shape == (3, 3, 32, 64) and (picture - draws[:, 0]).abs().mean() > .01, recipe.__name__


def test_an_average_is_of_at_least_that_many_draws():
    draws = torch.eye(4).view(1, 4, 1, 4, 1).expand(200, 4, 3, 4, 1)  # draw i lights pixel i
    mean = average(draws, least=3)
    lit = (mean[:, 0, :, 0] > 0).sum(1)
    assert set(lit.tolist()) == {3, 4} and torch.allclose(mean[:, 0].sum((1, 2)), torch.ones(200))


def test_dice_weighs_a_rare_class_as_a_frequent_one():
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    labels[0, 0, 0] = 1
    logits = torch.zeros(1, 3, 10, 10)
    logits[:, 0] = 50.  # the rare class is never seen, void never asked for
    assert dice_loss(logits, labels, void=2).item() == pytest.approx(.5, abs=.01)


def preset(dataset: str = "street", **sections) -> Preset:
    return Preset.model_validate({"device": "cpu", "data": {"dataset": dataset, "size": [32, 64], "train": 4, "val": 2},
                                  **sections})


def test_a_run_takes_the_fixed_networks_and_trains_none(made, tmp_path, monkeypatch):
    monkeypatch.setitem(FIXED_NETWORKS, "street", made)
    suite = Suite(preset(), tmp_path)
    for role in ROLES:
        assert not suite.trains(role)
        assert weights_sha256(getattr(suite, role).state_dict()) == suite.fixed_networks()[role]["weights_sha256"]
    assert list(tmp_path.iterdir()) == []
    judge = load_judge(suite.judge, suite.val.labels, suite.size, suite.card("judge"))
    assert VERSION in judge.provenance["name"]
    assert judge.provenance["sha256"] in suite.fixed_networks()["judge"].values()
    assert judge.predict(torch.from_numpy(suite.val[0].photo)[None]).shape == (1, 32, 64)


def test_networks_that_judge_and_that_are_in_losses_share_nothing(made):
    hashes = [tensor_hashes(read_network(made, role)[0]) for role in ROLES]
    assert all(hashes) and len(set.union(*hashes)) == sum(map(len, hashes))


def test_own_networks_on_demand_and_where_none_ships(made, tmp_path, monkeypatch):
    monkeypatch.setitem(FIXED_NETWORKS, "street", made)
    own = Suite(preset(judge={"source": "trained"}, perceptual={"source": "trained"}), tmp_path)
    assert own.trains("judge") and own.trains("perceptual") and not own.trains("segmenter")
    hard = Suite(preset("street-hard"), tmp_path)
    assert all(hard.trains(role) for role in ROLES) and hard.fixed_networks() == {}
    with pytest.raises(InputError, match="judge: no fixed network for dataset 'street-hard': none ships with it"):
        Suite(preset("street-hard", judge={"source": "fixed"}), tmp_path).trains("judge")


def test_a_network_goes_on_from_another_whose_card_it_repeats(made, tmp_path):
    arguments = ["--share", ".0001", "--steps", "1", "--batch", "4", "--workers", "1", "--device", "cpu"]
    assert main(["judge", "--out", str(tmp_path), "--start", str(made), "--lr", "1e-9", *arguments]) == 0
    (before, old), (after, new) = read_network(made, "judge"), read_network(tmp_path, "judge")
    assert torch.allclose(before.classify.weight, after.classify.weight, atol=1e-4)
    assert new["earlier"]["weights_sha256"] == old["weights_sha256"] != new["weights_sha256"]
    with pytest.raises(SystemExit):
        main(["segmenter", "--out", str(tmp_path), "--start", str(tmp_path / "nowhere"), *arguments])
    with pytest.raises(SystemExit):  # a file in the way
        main(["judge", "--out", str(tmp_path / "judge.yaml"), *arguments])


def test_a_pyramid_with_norms_put_back_computes_what_it_did(made):
    core = read_network(made, "perceptual")[0]
    again = ROLES["perceptual"].network()
    again.load_state_dict(core.state_dict())
    pictures = torch.rand(8, 3, 64, 128) * 2 - 1
    trainee = Perceiver(again, CLASSES)
    trainee.match_norms(pictures)
    for tap, features in trainee(pictures).items():
        assert torch.allclose(features, core(pictures)[tap], atol=2e-3 * core(pictures)[tap].std().item())


def test_unknown_colours_are_of_no_paint_in_any_light():
    known = np.array(list(CAR_COLOURS.values()), float)
    found = np.array(unknown(np.random.default_rng(0), list(CAR_COLOURS.values()), SHADES, 200))
    gaps = np.linalg.norm(found[:, None, None] - known[None, :, None] * np.array(SHADES)[:, None], axis=-1)
    assert gaps.min() > UNKNOWN - 1 and found.min() >= 0 and found.max() <= 255
    assert (found.max(1) < 110).mean() > .2  # dark ones, which an undecided generator prefers


def test_a_repainted_draw_differs_on_cars_and_trees_only():
    scenes = render(Request("val", (64, 128), 2, 0, 2, repainted=True), 1)
    plain = render(Request("val", (64, 128), 2, 0, 4), 1)
    assert scenes.photos.shape == (2, 3, 3, 64, 128)
    changed = (scenes.photos[:, 2] != plain.photos[:, 3]).any(1)
    names = [STREET.names[i] for i in np.unique(scenes.layouts[changed])]
    assert {"car", "tree"} <= set(names) and changed.mean() < .6
    parts = np.isin(scenes.layouts, [STREET.names.index(name) for name in ("car", "tree")])
    assert changed[parts].mean() > .9 and changed[~parts].mean() < .1
