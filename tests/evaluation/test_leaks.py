"""Leaks: networks of a loss that would judge, in whatever file; training photographs among the scored ones."""

import warnings
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from data.errors import InputError
from data.files import read_image, write_json
from data.labels import LabelSpace
from evaluation import leaks
from evaluation.cache.images import pixel_hash
from evaluation.leaks import (
    THUMBNAIL,
    check_photographs,
    check_shared_weights,
    likeness,
    thumbnail,
    weight_tensors,
)
from evaluation.metrics.work import Context
from evaluation.networks.judges import build_judge
from evaluation.run import main
from evaluation.run_directory import Method
from evaluation.scoring import score_run
from models.perceptual import tensor_hashes
from presets.schema import JudgeConfig

LABELS = LabelSpace(["road", "building", "car", "void"], [[0, 0, 0]] * 4)


def test_a_network_of_a_loss_may_not_judge(tiny_run, tiny_judge):
    """By its hash at any depth of the provenance."""
    for digest, place in (("AB" * 32, {}), ("cd" * 32, {"deep": [{"sha256": "CD" * 32}, "short", 5]})):
        tiny_judge.provenance |= place
        tiny_run.write_method(Method("crn", "CRN", loss_networks={"perceptual": digest}))
        with pytest.raises(InputError, match="the judge is the network 'perceptual' of a loss of method 'crn'"):
            score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation"])
    assert tiny_run.scores("segmentation") == []


@pytest.mark.parametrize("metric, who", [("distances", "the extractor 'judge'"), ("segmentation", "the judge")])
def test_a_network_that_shares_weights_with_a_loss_may_not_score(tiny_run, tiny_judge, metric, who):
    tiny_run.write_method(Method("crn", "CRN", loss_tensors={"perceptual": sorted(tensor_hashes(tiny_judge.body))}))
    with pytest.raises(InputError, match=f"{who} shares weight tensors with 'perceptual'"):
        score_run(tiny_run, Context(tiny_judge, bootstrap=200), [metric])


def test_methods_of_earlier_calls_count_too(tmp_path, capsys):
    """crn is trained with VGG-19 from one file; the next call is about another method and judges with another file."""
    generator = torch.Generator().manual_seed(0)
    weights = {f"features.{i}.{kind}": torch.randn(shape, generator=generator) / 9
               for i, n in ((0, 3), (2, 64)) for kind, shape in (("weight", (64, n, 3, 3)), ("bias", (64,)))}
    save_file(weights, tmp_path / "loss.safetensors")
    save_file({key: value for key, value in weights.items() if ".0." in key}, tmp_path / "judge.safetensors")
    settings = ["data.train=2", "data.val=8", "training.images_seen=2", "training.batch=1", "judge.images_seen=8",
                "perceptual.source=safetensors", f"perceptual.path={tmp_path}/loss.safetensors",
                f"score.extractors=[{{kind: vgg19, path: {tmp_path}/judge.safetensors}}]",
                "objectives.content.calibrate_at=1"]
    call = ["--preset", "smoke", "--device", "cpu", "--executor", "local", "--out", str(tmp_path / "run"), "--set"]
    assert main(["--stages", "train,synthesize", "--methods", "crn", *call, *settings]) == 0
    with pytest.raises(SystemExit):
        main(["--stages", "score", "--methods", "image_space", *call, *settings])
    assert "'VGG19' shares weight tensors with 'perceptual', a network of a loss of method 'crn'" in \
        capsys.readouterr().err


def test_training_photographs_may_not_be_scored(tiny_run):
    photo = read_image(tiny_run.photo_file("00006")).transpose(2, 0, 1)
    write_json(tiny_run.dataset / "train.json", {"photo_sha256": [pixel_hash(photo + 1)]})
    check_photographs(tiny_run)
    write_json(tiny_run.dataset / "train.json", {"photo_sha256": [pixel_hash(photo)]})
    with pytest.raises(InputError, match="1 scored photographs were trained on .first: 00006"):
        check_photographs(tiny_run)


def test_photographs_are_not_held_in_memory_together(tiny_run, monkeypatch):
    read = []

    def reading(file):
        assert sum(photo() is not None for photo in read) <= 1  # the one before, until its name holds the next
        read.append(weakref.ref(photo := read_image(file)))
        return photo
    monkeypatch.setattr(leaks, "read_image", reading)
    write_json(tiny_run.train_file, {"photo_sha256": ["0" * 64]})
    np.save(tiny_run.train_thumbnails, np.zeros((1, *THUMBNAIL), np.uint8))
    assert "correlate by 0.000 at most" in check_photographs(tiny_run)["photographs"]
    assert len(read) == len(tiny_run.layouts())


class Labels(nn.Module):
    """Three logits by one convolution: the layer that a loss uses too."""

    def __init__(self):
        super().__init__()
        self.shared, self.head = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 3, 1)

    def forward(self, x):
        return self.head(self.shared(x).relu())


def exported(folder, network, form):
    example = torch.zeros(2, 3, 32, 64)
    file = folder / ("judge.pt2" if form == "program" else "judge.pt")
    if form == "program":
        torch.export.save(torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("n")},)), file)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(network, example)
            (torch.jit.freeze(traced) if form == "frozen" else traced).save(str(file))
    file.with_suffix(".yaml").write_text("labels: {0: road, 1: building, 2: car}")
    return build_judge(JudgeConfig(source="torchscript", path=str(file)), LABELS)


@pytest.mark.parametrize("form", ["traced", "frozen", "program", "half"])
def test_a_loss_network_inside_an_exported_judge_is_found(tiny_run, tmp_path, form):
    """Freezing puts the weights into the graph, an export in half precision rounds them."""
    network = Labels().eval()
    loss = sorted(tensor_hashes(network.shared))
    tiny_run.write_method(Method("crn", "CRN", loss_tensors={"perceptual": loss}))
    judge = exported(tmp_path, network.half().float() if form == "half" else network, form)
    with pytest.raises(InputError, match="the judge shares weight tensors with 'perceptual'"):
        score_run(tiny_run, Context(judge, bootstrap=200), ["segmentation"])
    tiny_run.write_method(Method("crn", "CRN", loss_tensors={"perceptual": sorted(tensor_hashes(Labels()))}))
    score_run(tiny_run, Context(judge, bootstrap=200), ["segmentation"])


def test_a_loss_network_in_the_file_of_a_huggingface_judge_is_found(tmp_path):
    """Also where the model that is loaded does not use it."""
    transformers = pytest.importorskip("transformers")
    config = transformers.SegformerConfig(
        hidden_sizes=[8] * 4, depths=[1] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8, sr_ratios=[1] * 4,
        id2label={0: "road", 1: "building", 2: "car"}, label2id={"road": 0, "building": 1, "car": 2})
    model = transformers.SegformerForSemanticSegmentation(config)
    model.save_pretrained(tmp_path)
    hidden = torch.randn(16, 32, 3)
    save_file(model.state_dict() | {"hidden": hidden}, tmp_path / "model.safetensors", {"format": "pt"})
    write_json(tmp_path / "preprocessor_config.json", {"do_resize": False, "do_normalize": False})
    judge = build_judge(JudgeConfig(source="huggingface", path=str(tmp_path)), LABELS)
    used = next(t for t in model.state_dict().values() if t.numel() >= 512 and t.min() < t.max())
    for tensor in (hidden, used):
        with pytest.raises(InputError, match="shares weight tensors"):
            check_shared_weights([Method("m", "M", loss_tensors={"vgg": sorted(tensor_hashes([tensor]))})], "j",
                                 weight_tensors(judge))


def test_tensors_of_one_number_and_small_ones_tell_nothing():
    assert not tensor_hashes([torch.ones(4096), torch.zeros(64, 64), torch.randn(511), torch.arange(4096)])
    assert len(tensor_hashes([torch.randn(512)])) == 2


def scene(seed):
    """A photograph in little: broad areas with texture on them."""
    rng = np.random.default_rng(seed)
    broad = Image.fromarray(rng.integers(0, 256, (4, 8, 3), dtype=np.uint8)).resize((64, 32), Image.Resampling.BICUBIC)
    return (np.asarray(broad, float) + rng.normal(0, 8, (32, 64, 3))).clip(0, 255).astype(np.uint8).transpose(2, 0, 1)


def one_value(photo):
    changed = photo.copy()
    changed[0, 3, 5] ^= 255
    return changed


CHANGES = {"darker": lambda p: (p * 0.8).astype(np.uint8), "mirrored and one value": lambda p: one_value(p[:, :, ::-1]),
           "noise": lambda p: (p + np.random.default_rng(0).normal(0, 8, p.shape)).clip(0, 255).astype(np.uint8)}


def test_a_training_photograph_is_known_again():
    photos = np.stack([thumbnail(scene(i)) for i in range(40)])
    assert likeness(photos[:20], photos[20:]).max() < 0.9
    for change in CHANGES.values():
        found = likeness(photos[:20], np.append(photos[20:], [thumbnail(change(scene(7)))], axis=0))
        assert found.argmax() == 7 and found[7] > 0.98 and np.delete(found, 7).max() < 0.9
    grey = np.full((2, 16, 32), 9, np.uint8)
    assert likeness(grey, grey).tolist() == [0, 0]


def test_near_duplicates_are_refused_and_the_threshold_stands_in_the_protocol(tiny_run, tiny_judge):
    photos = [read_image(tiny_run.photo_file(name)).transpose(2, 0, 1) for name in tiny_run.layouts()]
    changed = one_value(photos[6])[:, :, ::-1]
    write_json(tiny_run.train_file, {"photo_sha256": [pixel_hash(changed)]})
    assert "not looked for" in check_photographs(tiny_run)["photographs"]
    np.save(tiny_run.train_thumbnails, np.stack([thumbnail(changed)]))
    with pytest.raises(InputError, match=r"1 scored photographs look like .*above 0.98.*first: 00006.*score.alike"):
        check_photographs(tiny_run)
    context = Context(tiny_judge, bootstrap=200)
    context.options.alike = 1.0
    score_run(tiny_run, context, ["similarity"])
    assert "allowed: 1.0" in tiny_run.scores("similarity")[0].provenance["leaks"]["photographs"]
