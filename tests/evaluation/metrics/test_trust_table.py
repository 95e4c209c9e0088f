"""Distances on scenes of which it is known what is a photograph and what is a blur."""

import json

import pytest
import torch
from torch import nn

from data.errors import InputError
from data.street import Street
from evaluation.metrics.trust_table import Triples, main, trust_table
from models.known_truth import compare
from models.perceptual import PerceptualNet


@pytest.fixture(scope="module")
def triples():
    return Triples(Street("val", (32, 64), 6, 0), 6)


def test_the_mean_is_of_further_draws_of_the_same_layout(triples):
    street = Street("val", (32, 64), 6, 0)
    draws = torch.stack([torch.from_numpy(street.redraw(2, 1 + d).photo) for d in range(11)])
    assert torch.equal(triples.means[2], draws.float().mean(0).round().to(torch.uint8))
    assert torch.equal(triples.draws[2], torch.from_numpy(street.redraw(2, 0).photo))
    assert torch.equal(triples.photos[2], torch.from_numpy(street[2].photo))


def test_shares_ratios_and_equal_weights_by_hand():
    near, far = torch.tensor([1., 2., 3.]), torch.tensor([2., 1., 9.])

    def terms(a, b):
        return {"one": b, "tenfold": 10 * b}

    found = compare(terms, near, near, far)
    assert found["one"] == {"draw nearer": pytest.approx(2 / 3), "mean / draw": pytest.approx(2.)}
    assert found["together"] == pytest.approx(found["one"])  # a term's scale is of no importance


def test_pixels_prefer_the_mean_and_a_detector_of_contrast_does_not(triples):
    class Contrast(nn.Module):
        taps, title = ("conv1_2",), "contrast"

        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))

        def forward(self, pictures):
            return {"conv1_2": pictures.flatten(2).std(2)}

    table = trust_table(triples, Contrast())
    assert table["pixels"]["L2"]["mean / draw"] < 1
    assert set(table["content loss on contrast"]) == {"image", "conv1_2", "together"}
    assert table["content loss on contrast"]["image"] == pytest.approx(table["pixels"]["L1"])


def test_a_perceptual_network_is_looked_at_tap_by_tap(triples):
    torch.manual_seed(0)
    net = PerceptualNet.at_width(.05).freeze()
    assert list(trust_table(triples, net)["content loss on VGG-19"]) == ["image", *net.taps, "together"]


def test_the_command_writes_its_table_and_refuses_photographs(tmp_path, capsys):
    small = ["data.size=[32, 64]", "perceptual.source=trained", "judge.source=trained"]
    assert main(["--layouts", "2", "--json", str(tmp_path / "table.json"), "--set", *small]) == 0
    assert "pixels" in capsys.readouterr().out
    stored = json.loads((tmp_path / "table.json").read_text())
    assert stored["provenance"]["layouts"] == 2 and set(stored["distances"]) == {"pixels"}
    with pytest.raises(InputError, match="drawn again"):
        Triples([], 3)
