"""The suite's own judge: folded for speed, and one pass for classes and features."""

import numpy as np
import pytest
import torch
from torch import nn

from data.labels import LabelSpace
from evaluation.cache.consumers import judge_pass
from evaluation.cache.measurements import ImageBatch, Measurements
from evaluation.networks.judge import load_judge
from models.segmentation import ResidualUNet

LABELS = LabelSpace(["road", "car", "sky", "void"], [[1, 1, 1], [2, 2, 2], [3, 3, 3], [0, 0, 0]])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = ResidualUNet(4, 6, levels=3)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        for values in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
            values.copy_(torch.rand_like(values) + .2)
    return network.eval().requires_grad_(False)


def test_a_folded_judge_gives_what_its_network_gives(network):
    images = torch.randint(0, 256, (5, 3, 20, 36), dtype=torch.uint8)
    judge = load_judge(network, LABELS, (20, 36), {"images seen": 1})
    logits, features = network.with_features(images.float() / 127.5 - 1)
    classes, found = judge.predict_with_features(images)
    assert torch.allclose(judge.quick(images.float() / 127.5 - 1), logits, atol=1e-4)
    assert torch.equal(classes.long(), logits[:, :3].argmax(1)) and torch.equal(judge.predict(images), classes)
    assert torch.allclose(found, features, atol=1e-5) and torch.equal(judge.features(images), found)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())  # the network itself stays whole


def test_only_the_first_of_several_images_is_labelled(network):
    images = torch.randint(0, 256, (2, 3, 3, 20, 36), dtype=torch.uint8)
    judge = load_judge(network, LABELS, (20, 36), {"images seen": 1})
    classes, features = judge_pass(ImageBatch(["a", "b"], np.zeros((2, 20, 36), np.uint8), images[:, 0], images), judge)
    expected, every = judge.predict_with_features(images.flatten(0, 1))
    assert torch.equal(classes, expected[::3]) and torch.allclose(features, every.unflatten(0, (2, 3)), atol=1e-5)


class Means:
    """A consumer that records the number of threads it ran with."""

    name, key = "means", "means"

    def __init__(self):
        self.threads = set()

    def __call__(self, batch):
        self.threads.add(torch.get_num_threads())
        return {"mean": batch.images.double().mean((1, 2, 3, 4)).numpy()}


@pytest.mark.parametrize("alone, threads", [(False, 1), (True, 3)])
def test_batches_in_threads_come_back_in_the_order_of_the_layouts(tiny_run, alone, threads):
    before = torch.get_num_threads()
    expected = Measurements(tiny_run).get("crn", Means())["mean"]
    torch.set_num_threads(3)
    try:
        several, consumer = Measurements(tiny_run), Means()
        several.batch_pixels = 1  # a layout in each batch
        consumer.key, consumer.alone = "means again", alone
        assert np.array_equal(several.get("crn", consumer)["mean"], expected)
        assert consumer.threads == {threads} and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
