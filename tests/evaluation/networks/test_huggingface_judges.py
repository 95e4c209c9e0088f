"""Segmentation models of Hugging Face as judges, tiny and with random weights; classes by names and by ids."""

import json

import pytest
import torch
from torch import nn

from data.errors import InputError
from data.files import sha256, write_json
from data.labels import LabelSpace
from evaluation.networks.huggingface_judges import NEVER_ANNOTATED, TASK, _task, map_ids, map_names
from evaluation.networks.judges import build_judge
from presets.schema import JudgeConfig

transformers = pytest.importorskip("transformers")

LABELS = LabelSpace(["road", "building", "car", "void"], [[0, 0, 0]] * 4)
TRAFFIC = LabelSpace(["road", "traffic light", "car", "void"], [[0, 0, 0]] * 4)
NAMES = {0: "sky", 1: "car", 2: "building", 3: "road"}
COMMON = {"num_attention_heads": 2, "num_queries": 5, "encoder_layers": 1, "encoder_feedforward_dim": 32,
          "dim_feedforward": 32, "id2label": NAMES, "label2id": {name: i for i, name in NAMES.items()}}
PROCESSOR = {"do_resize": False, "do_normalize": False, "do_pad": True, "size_divisor": 32}


def test_names_are_matched_by_meaningful_characters():
    names = {0: "Road", 1: "Traffic-Light", 2: "auto", 3: "sky"}
    assert map_names(names, TRAFFIC, {"auto": "car"}, "m") == {0: 0, 1: 1, 2: 2}
    with pytest.raises(InputError, match="no class for car"):
        map_names(names, TRAFFIC, {}, "m")
    with pytest.raises(InputError, match="did you mean 'car'"):
        map_names(names, TRAFFIC, {"auto": "cart"}, "m")


def test_huggingface_judge(tmp_path):
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=8,
        sr_ratios=[1, 1, 1, 1], id2label={0: "sky", 1: "car", 2: "traffic_light", 3: "road"},
        label2id={"sky": 0, "car": 1, "traffic_light": 2, "road": 3})
    torch.manual_seed(0)
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    model.save_pretrained(tmp_path)
    write_json(tmp_path / "preprocessor_config.json", {
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "do_resize": False,
        "do_reduce_labels": True})
    judge = build_judge(JudgeConfig(source="huggingface", path=str(tmp_path)), TRAFFIC)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    x = images / 255 - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    logits = model(pixel_values=x / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)).logits
    full = nn.functional.interpolate(logits[:, 1:], (64, 96), mode="bilinear", align_corners=False).argmax(1)
    assert torch.equal(judge.predict(images).long(), torch.tensor([2, 1, 0])[full])
    assert judge.provenance["sha256"] == sha256(tmp_path / "model.safetensors")
    config = JudgeConfig(source="huggingface", path=str(tmp_path), size=[32, 64])
    assert build_judge(config, TRAFFIC).provenance["input size"] == [32, 64]


def backbone():
    return transformers.SwinConfig(image_size=64, patch_size=4, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4,
                                   window_size=4, out_features=[f"stage{i}" for i in range(1, 5)])


@pytest.fixture(scope="module")
def mask2former(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mask2former")
    torch.manual_seed(0)
    config = transformers.Mask2FormerConfig(backbone_config=backbone(), feature_size=32, mask_feature_size=32,
                                            hidden_dim=32, decoder_layers=2, **COMMON)
    model = transformers.Mask2FormerForUniversalSegmentation(config).eval()
    model.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", PROCESSOR)
    return folder, model


def judge_of(folder, labels=LABELS, **options):
    return build_judge(JudgeConfig(source="huggingface", path=str(folder), **options), labels)


def pixels(n, height, width):
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_mask2former_is_the_librarys_own_post_processing(mask2former):
    """At 384 x 384, the size to which the library's function takes the masks."""
    from transformers.models.mask2former.image_processing_mask2former import Mask2FormerImageProcessor
    folder, model = mask2former
    images = pixels(2, 384, 384)
    with torch.no_grad():
        answer = model(pixel_values=images / 255)
    maps = Mask2FormerImageProcessor().post_process_semantic_segmentation(
        answer, [(384, 384)] * 2, return_segmentation_scores=True)
    scores = torch.stack([found["segmentation_scores"] for found in maps])
    expected = torch.tensor([2, 1, 0])[scores[:, 1:].argmax(1)]  # without the sky, which the run does not know
    found = judge_of(folder).predict(images).long()
    assert (found == expected).float().mean() > 0.999
    assert "no object" in judge_of(folder).provenance["classes of the masks"]
    apart = judge_of(folder, at_once=1).predict(images).long()
    assert (apart == expected).float().mean() > 0.999


def test_a_size_that_would_be_padded_is_refused(mask2former):
    with pytest.raises(InputError, match=r"size \[48, 96\]: height and width must be multiples of 32"):
        judge_of(mask2former[0], size=[48, 96])
    assert judge_of(mask2former[0], size=[64, 96]).predict(pixels(1, 32, 48)).shape == (1, 32, 48)


def test_oneformer_is_told_its_task(tmp_path):
    torch.manual_seed(0)
    config = transformers.OneFormerConfig(
        backbone_config=backbone(), hidden_dim=32, mask_dim=32, conv_dim=32, decoder_layers=2, query_dec_layers=1,
        text_encoder_width=16, text_encoder_num_layers=1, text_encoder_vocab_size=20, text_encoder_context_length=7,
        task_seq_len=7, is_training=False, **COMMON)
    model = transformers.OneFormerForUniversalSegmentation(config).eval()
    model.save_pretrained(tmp_path)
    write_json(tmp_path / "preprocessor_config.json", PROCESSOR)
    with pytest.raises(InputError, match="needs its tokenizer beside the weights"):
        judge_of(tmp_path)
    words = ["!", "<|startoftext|>", "<|endoftext|>", *(f"{word}</w>" for word in TASK.split()), *"theaskismnic",
             "e</w>", "k</w>", "s</w>", "c</w>"]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer"})
    task = _task(model, tmp_path)
    assert task.tolist() == [[1, *(vocabulary[c] for c in ("t", "h", "e</w>", "t", "a")), 2]]  # of letters, cut to 7
    judge, images = judge_of(tmp_path), pixels(2, 64, 96)
    with torch.no_grad():
        answer = model(pixel_values=images / 255, task_inputs=task.expand(2, -1))
    masks = torch.nn.functional.interpolate(answer.masks_queries_logits, (64, 96), mode="bilinear").sigmoid()
    scores = torch.einsum("nqc,nqhw->nchw", answer.class_queries_logits.softmax(-1)[..., :-1], masks)
    expected = torch.tensor([2, 1, 0])[scores[:, 1:].argmax(1)]
    assert (judge.predict(images).long() == expected).float().mean() > 0.999
    assert judge.provenance["name"] == "oneformer"


def test_classes_by_ids(mask2former):
    labels = LabelSpace(["the sky", "auto", "house", "street", "void"], [[0, 0, 0]] * 5)
    judge = judge_of(mask2former[0], labels, match="ids")
    assert judge.provenance["label mapping"] == {str(i): i for i in range(4)}
    assert judge.provenance["classes by ids, names that differ"]["sky"] == "the sky"
    with pytest.raises(InputError, match="the model has 4 classes and this run 3"):
        judge_of(mask2former[0], match="ids")
    with pytest.raises(InputError, match="no class for the sky.*judge.match=ids"):
        judge_of(mask2former[0], labels)


def test_coco_stuff_with_and_without_the_classes_that_were_never_annotated():
    def space(classes):
        return LabelSpace([*map(str, range(classes)), "void"], [[0, 0, 0]] * (classes + 1))

    small, large = (dict(enumerate(map(str, range(n)))) for n in (171, 182))
    assert len(set(NEVER_ANNOTATED)) == 11
    up, down = map_ids(small, space(182), "m"), map_ids(large, space(171), "m")
    assert up[11] == 12 and up[170] == 181 and not set(up.values()) & set(NEVER_ANNOTATED)
    assert down == {run: model for model, run in up.items()}
    assert map_ids(large, space(182), "m")[181] == 181
