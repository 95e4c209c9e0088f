"""The perceptual pyramid: its arithmetic by hand, its cost, its weight files and what it says about broken ones."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from scipy.io import savemat
from torch.utils.flop_counter import FlopCounterMode

from data.errors import InputError
from data.files import sha256
from models.perceptual import (
    CONVENTIONS,
    TAPS,
    TOPOLOGIES,
    Convention,
    PerceptualNet,
    weights_sha256,
)
from models.vgg_files import convention_of, load_perceptual

VGG19, VGG16 = TOPOLOGIES["vgg19"], TOPOLOGIES["vgg16"]
LAYERS = VGG19.layers
SMALL = dict(zip(LAYERS, (2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 4, 3, 4, 4), strict=True))


def weights(layers=LAYERS, widths=SMALL, seed=0, topology=VGG19):
    """Random weights with torchvision's keys."""
    generator = torch.Generator().manual_seed(seed)
    tensors, inputs = {}, 3
    for name in topology.layers:
        if name in layers:
            key, outputs = f"features.{topology.index[name]}", widths[name]
            tensors[f"{key}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * .3
            tensors[f"{key}.bias"] = torch.randn(outputs, generator=generator)
        inputs = widths[name]
    return tensors


def images(batch=2, size=(32, 48), seed=0):
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def safetensors_file(folder, tensors, name="vgg.safetensors"):
    save_file(tensors, folder / name)
    return folder / name


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_layer_names_and_torchvision_s_indices(name):
    topology = TOPOLOGIES[name]
    assert f"VGG-{len(topology.layers) + 3}" == topology.title and topology.needed[-1] == "conv5_2"
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        features = getattr(torchvision.models, name)(weights=None).features
    convolutions = [i for i, layer in enumerate(features) if isinstance(layer, torch.nn.Conv2d)]
    assert [topology.index[name] for name in topology.layers] == convolutions
    assert [topology.channels[name] for name in topology.layers] == [features[i].out_channels for i in convolutions]


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_features_equal_a_network_written_out_plainly(topology):
    net = PerceptualNet.at_width(1 / 32, network=topology)
    x = images()
    features = net(x)
    rgb = (x + 1) / 2
    plain = (rgb - torch.tensor([.485, .456, .406]).view(3, 1, 1)) / torch.tensor([.229, .224, .225]).view(3, 1, 1)
    for name in TOPOLOGIES[topology].needed:
        if name[-2:] == "_1" and name != "conv1_1":
            plain = F.avg_pool2d(plain, 2)
        layer = net.features[str(TOPOLOGIES[topology].index[name])]
        plain = F.conv2d(plain, layer.weight, layer.bias, padding=1).clamp_min(0)
        if name in features:
            torch.testing.assert_close(features[name], plain)
    assert list(features) == list(TAPS)


def passing_on(*widths, convention):
    """A network whose layers copy their first map."""
    net = PerceptualNet(widths, convention)
    with torch.no_grad():
        for layer in net.features.values():
            layer.weight.zero_()
            layer.weight[0, 0, 1, 1] = 1
    return net


def test_caffe_convention_by_hand():
    """The first map shows 255 * red - 123.680, cut at zero."""
    net = passing_on(1, 1, convention=CONVENTIONS["caffe"])
    white, grey = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    torch.testing.assert_close(net(white)["conv1_2"], torch.full((1, 1, 4, 4), 255 - 123.680))
    torch.testing.assert_close(net(grey)["conv1_2"], torch.full((1, 1, 4, 4), 127.5 - 123.680))
    assert net(-white)["conv1_2"].max() == 0  # black lies below the mean colour
    torch.testing.assert_close(net(2 * white)["conv1_2"], torch.full((1, 1, 4, 4), 382.5 - 123.680))  # not clamped


def test_an_odd_size_halves_to_what_is_there():
    """Same padding: the last column of three is pooled alone, not with a column of zeros."""
    net, (height, width) = PerceptualNet.at_width(0.125), (45, 61)
    for tap, feature in net(images(1, (height, width))).items():
        assert feature.shape == (1, net.channels[tap], height, width) and feature.min() >= 0
        height, width = (height + 1) // 2, (width + 1) // 2
    plain = passing_on(1, 1, 1, 1, convention=Convention("raw", 2.0, (1.0, 1.0, 1.0)))  # the input as it is
    column = torch.tensor([1., 3., 5.]).expand(1, 3, 2, 3)
    torch.testing.assert_close(plain(column)["conv2_2"], torch.tensor([[[[2., 5.]]]]))


@pytest.mark.parametrize(("widths", "size", "gflop"), [
    (list(VGG19.channels.values()), (256, 512), 97.1),
    ([64, 64, 128, 128, 256], (32, 32), 2 * 9 * (1024 * (3 * 64 + 64 * 64) + 256 * (64 * 128 + 128 * 128)) / 1e9)])
def test_nothing_deeper_than_the_deepest_tap_is_held_or_computed(widths, size, gflop):
    with torch.device("meta"):
        net = PerceptualNet(widths)
        with FlopCounterMode(display=False) as counter:
            assert tuple(net(torch.empty(1, 3, *size))) == net.taps
    assert net.layers[-1] == net.taps[-1] and len(net.features) == len(net.layers)
    assert counter.get_total_flops() / 1e9 == pytest.approx(gflop, abs=0.05 if gflop > 1 else 1e-9)


def test_a_new_network_trains_and_a_frozen_one_passes_gradients_on():
    net, x = PerceptualNet.at_width(0.125), images().requires_grad_()
    sum(feature.mean() for feature in net(x).values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())
    net.zero_grad()
    x.grad = None
    sum(feature.mean() for feature in net.freeze()(x).values()).backward()
    assert x.grad.abs().sum() > 0 and all(parameter.grad is None for parameter in net.parameters())


def test_channels_last_gives_the_same_features_in_that_format():
    net, x = PerceptualNet.at_width(0.125).freeze(), images()
    expected = net(x)
    fast = net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    for tap in TAPS:
        torch.testing.assert_close(fast[tap], expected[tap], rtol=1e-4, atol=1e-5)
        assert fast[tap].is_contiguous(memory_format=torch.channels_last)


def test_safetensors_weights_are_used_as_they_are(tmp_path):
    tensors = weights()
    net = load_perceptual("safetensors", safetensors_file(tmp_path, tensors), "torchvision")
    assert net.channels == {tap: SMALL[tap] for tap in TAPS}
    for key, value in net.state_dict().items():
        assert torch.equal(value, tensors[key])
    assert not any(p.requires_grad for p in net.parameters()) and not net.training
    provenance = net.provenance()
    assert provenance["layers_missing"] == [] and provenance["taps_missing"] == []
    assert provenance["file_sha256"] == sha256(tmp_path / "vgg.safetensors") and provenance["file"] == "vgg.safetensors"
    assert provenance["convention"]["name"] == "torchvision" and provenance["source"] == "safetensors"
    json.dumps(provenance, allow_nan=False)


def test_a_file_of_the_first_layers_gives_the_first_taps_and_says_so(tmp_path):
    net = load_perceptual("safetensors", safetensors_file(tmp_path, weights(LAYERS[:8])))
    features, provenance = net(images()), net.provenance()
    assert list(features) == provenance["taps"] == ["conv1_2", "conv2_2", "conv3_2"]
    assert provenance["layers_missing"] == ["conv4_1", "conv4_2", "conv4_3", "conv4_4", "conv5_1", "conv5_2"]
    assert provenance["taps_missing"] == ["conv4_2", "conv5_2"]
    full = load_perceptual("safetensors", safetensors_file(tmp_path, weights(), "full.safetensors"))
    torch.testing.assert_close(features["conv3_2"], full(images())["conv3_2"])
    with_gap = weights([name for name in LAYERS if name != "conv2_2"])
    net = load_perceptual("safetensors", safetensors_file(tmp_path, with_gap, "gap.safetensors"))
    assert net.taps == ("conv1_2",) and net.provenance()["layers_missing"] == ["conv2_2"]
    with pytest.raises(InputError, match="has 1 layers, so none of conv1_2, conv2_2"):
        PerceptualNet([4])


@pytest.mark.parametrize("change, words", [
    (lambda t: t.pop("features.2.weight"), "layers of VGG-19 are missing: conv1_2"),
    (lambda t: t.pop("features.5.bias"), "layer conv2_1 has no bias ('features.5.bias')"),
    (lambda t: t.update({"features.5.weight": torch.zeros(3, 7, 3, 3)}),
     "layer conv2_1 ('features.5.weight') has shape [3, 7, 3, 3], expected [any, 3, 3, 3] after conv1_2"),
    (lambda t: t.update({"features.10.weight": torch.zeros(4, 4, 1, 1)}), "[4, 4, 1, 1], expected [any, 4, 3, 3]"),
    (lambda t: t.update({"features.10.bias": torch.zeros(9)}), "layer conv3_1 ('features.10.bias') has shape [9]"),
    (lambda t: t["features.10.bias"].fill_(torch.nan), "layer conv3_1 has weights that are not finite"),
    (lambda t: t.update({"features.3.squeeze.weight": torch.zeros(1)}), "'features.3.squeeze.weight' is no layer"),
    (lambda t: t.update({"features.17.weight": torch.zeros(1)}), "'features.17.weight' is no layer of VGG-19"),
])
def test_missing_misshapen_and_damaged_layers_are_named(tmp_path, change, words):
    tensors = weights()
    change(tensors)
    file = safetensors_file(tmp_path, tensors)
    with pytest.raises(InputError) as caught:
        load_perceptual("safetensors", file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ") and words in message and "\n" not in message


def test_unreadable_and_absent_files(tmp_path):
    file = safetensors_file(tmp_path, weights())
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_perceptual("safetensors", file)
    for source in ("safetensors", "matconvnet", "torchvision"):
        with pytest.raises(InputError, match="absent.*no such file; expected"):
            load_perceptual(source, tmp_path / "absent")
    with pytest.raises(InputError, match="perceptual.path is missing"):
        load_perceptual("matconvnet")


@pytest.mark.parametrize(("name", "network", "channels"), [
    ("vgg19_imagenet_caffe_conv1_1-conv3_4", "vgg19", [64, 128, 256]),
    ("vgg16_hed_caffe_all.float16", "vgg16", [64, 128, 256, 512, 512])])
def test_files_of_the_machine(weights_folder, name, network, channels):
    net = load_perceptual("safetensors", weights_folder / f"{name}.safetensors", network=network)
    assert net.channels == dict(zip(TAPS, channels, strict=False))
    assert net.provenance()["taps_missing"] == list(TAPS[len(channels):])
    features = net(images(1, (64, 64)))
    assert all(torch.isfinite(f).all() and (f > 0).float().mean() > 0.05 for f in features.values())


def test_vgg16_from_safetensors_and_matconvnet(tmp_path):
    tensors = {key: value.half() for key, value in weights(VGG16.layers, topology=VGG16).items()}
    file = safetensors_file(tmp_path, tensors)
    net = load_perceptual("safetensors", file, network="vgg16", label="VGG-16 (edges)")
    assert net.taps == TAPS and len(net.layers) == 12 and {p.dtype for p in net.parameters()} == {torch.float32}
    assert net.title == net.provenance()["name"] == "VGG-16 (edges)"
    savemat(tmp_path / "vgg.mat", {"layers": mat_layers(tensors, topology=VGG16)})
    same = load_perceptual("matconvnet", tmp_path / "vgg.mat", network="vgg16")
    assert same.provenance()["weights_sha256"] == net.provenance()["weights_sha256"] and same.title == "VGG-16"
    torch.testing.assert_close(same(images())["conv5_2"], net(images())["conv5_2"])


def test_one_network_s_file_is_refused_as_the_other_s(tmp_path):
    file = safetensors_file(tmp_path, weights(VGG16.layers, topology=VGG16))
    with pytest.raises(InputError, match="'features.17.bias' is no layer of VGG-19.*set perceptual.network=vgg16"):
        load_perceptual("safetensors", file)
    with pytest.raises(InputError, match="'features.16.bias' is no layer of VGG-16.*set perceptual.network=vgg19"):
        load_perceptual("safetensors", safetensors_file(tmp_path, weights(), "19.safetensors"), network="vgg16")
    savemat(tmp_path / "vgg.mat", {"layers": mat_layers(weights())})
    with pytest.raises(InputError, match="'conv3_4' is no layer of VGG-16; set perceptual.network"):
        load_perceptual("matconvnet", tmp_path / "vgg.mat", network="vgg16")
    with pytest.raises(InputError, match="absent: no such file; expected VGG-16 of torchvision"):
        load_perceptual("torchvision", tmp_path / "absent", network="vgg16")


def test_the_hash_is_of_the_values_alone():
    net = PerceptualNet.at_width(0.0625)
    before = weights_sha256(net.state_dict())
    net.to(memory_format=torch.channels_last)
    assert weights_sha256(net.state_dict()) == before == weights_sha256(dict(reversed(net.state_dict().items())))
    with torch.no_grad():
        net.features["0"].bias[0] += 1
    assert weights_sha256(net.state_dict()) != before


def mat_layers(tensors, old=False, topology=VGG19):
    """The cell array `layers` of a MatConvNet network: convolutions [h, w, in, out], ReLUs and poolings."""
    structs = []
    for name in topology.layers:
        if f"features.{topology.index[name]}.weight" not in tensors:
            continue
        if name.endswith("_1") and structs:
            structs.append({"name": f"pool{int(name[4]) - 1}", "type": "pool", "method": "max"})
        filters = tensors[f"features.{topology.index[name]}.weight"].permute(2, 3, 1, 0).numpy()
        biases = tensors[f"features.{topology.index[name]}.bias"].numpy()[None]
        values = {"filters": filters, "biases": biases} if old else {"weights": cell(filters, biases)}
        structs.append({"name": name, "type": "conv", "pad": [[1, 1, 1, 1]], **values})
        structs.append({"name": name.replace("conv", "relu"), "type": "relu"})
    return cell(*structs)


def cell(*values):
    array = np.empty((1, len(values)), dtype=object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def average_image(colour):
    return {"normalization": {"averageImage": np.broadcast_to(np.asarray(colour, np.float32), (6, 6, 3)).copy()}}


def test_matconvnet_weights_equal_the_same_in_safetensors(tmp_path):
    tensors = weights()
    colour = (123.5, 116.25, 104.0)
    savemat(tmp_path / "vgg.mat", {"layers": mat_layers(tensors), "meta": average_image(colour)})
    net = load_perceptual("matconvnet", tmp_path / "vgg.mat")
    assert all(torch.equal(value, tensors[key]) for key, value in net.state_dict().items())
    assert net.convention == Convention("caffe", 255.0, colour)
    assert convention_of("matconvnet", "torchvision").name == net.convention.name
    provenance = net.provenance()
    assert provenance["source"] == "matconvnet" and provenance["input_mean"] == "averageImage of the file"
    assert provenance["file_sha256"] == sha256(tmp_path / "vgg.mat") and provenance["layers_missing"] == []
    same = load_perceptual("safetensors", safetensors_file(tmp_path, tensors))
    assert provenance["weights_sha256"] == same.provenance()["weights_sha256"]


def test_matconvnet_s_older_and_thinner_files_with_and_without_an_average_image(tmp_path):
    tensors = weights()
    content = {"layers": mat_layers(tensors, old=True), **average_image((123.5, 116.25, 104.0))}
    savemat(tmp_path / "old.mat", content)
    net = load_perceptual("matconvnet", tmp_path / "old.mat")
    assert all(torch.equal(value, tensors[key]) for key, value in net.state_dict().items())
    assert net.convention.mean == (123.5, 116.25, 104.0)
    savemat(tmp_path / "without.mat", {"layers": content["layers"]})
    without = load_perceptual("matconvnet", tmp_path / "without.mat")
    assert without.convention == CONVENTIONS["caffe"] and "published" in without.provenance()["input_mean"]
    thin = weights(widths=dict.fromkeys(LAYERS, 1))  # MATLAB files drop trailing dimensions of one
    savemat(tmp_path / "thin.mat", {"layers": mat_layers(thin)})
    net = load_perceptual("matconvnet", tmp_path / "thin.mat")
    assert all(torch.equal(value, thin[key]) for key, value in net.state_dict().items())


def test_matconvnet_bad_files(tmp_path):
    file = tmp_path / "vgg.mat"
    savemat(file, {"layers": mat_layers(weights(LAYERS[:8]))})
    with pytest.raises(InputError, match="missing: conv4_1, conv4_2, conv4_3, conv4_4, conv5_1, conv5_2"):
        load_perceptual("matconvnet", file)
    wrong = weights()
    wrong["features.7.weight"] = torch.zeros(4, 9, 3, 3)
    savemat(file, {"layers": mat_layers(wrong)})
    with pytest.raises(InputError, match=r"layer conv2_2 .* has shape \[4, 9, 3, 3\], expected \[any, 3, 3, 3\]"):
        load_perceptual("matconvnet", file)
    savemat(file, {"layers": cell({"name": "conv1_1", "type": "conv"})})
    with pytest.raises(InputError, match="layer conv1_1 has no weights"):
        load_perceptual("matconvnet", file)
    for content, words in (({"weights": np.zeros(3)}, "expected a network of MatConvNet"),
                           ({"layers": np.zeros((1, 4))}, "missing: conv1_1, conv1_2,")):
        savemat(file, content)
        with pytest.raises(InputError, match=words):
            load_perceptual("matconvnet", file)
    savemat(file, {"layers": mat_layers(weights())})
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(InputError, match="not a readable MATLAB file"):
        load_perceptual("matconvnet", file)


def test_torchvision_s_file_by_path_and_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    with pytest.raises(InputError, match="vgg19-dcbb9e9d.pth: no such file; expected VGG-19 of torchvision"):
        load_perceptual("torchvision")
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    state = weights() | {"classifier.6.bias": torch.zeros(1000)}
    torch.save(state, cache / "vgg19-dcbb9e9d.pth")
    net = load_perceptual("torchvision")
    assert net.convention == convention_of("torchvision", "caffe") == CONVENTIONS["torchvision"]
    assert net.provenance()["source"] == "torchvision"
    assert torch.equal(net.state_dict()["features.30.weight"], state["features.30.weight"])
    del state["features.16.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(InputError, match="cut.pth: layers of VGG-19 are missing: conv3_4"):
        load_perceptual("torchvision", tmp_path / "cut.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello")
    for name, message in (("list", "expected a dictionary"), ("text", "not a readable PyTorch weights file")):
        with pytest.raises(InputError, match=message):
            load_perceptual("torchvision", tmp_path / f"{name}.pth")
