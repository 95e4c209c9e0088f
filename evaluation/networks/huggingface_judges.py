"""Judges from Hugging Face: models for semantic segmentation (SegFormer, UPerNet, ...) and universal ones that predict
masks (Mask2Former, OneFormer, MaskFormer). Their classes are matched with the run's by name or by id."""

from collections.abc import Callable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

from data.errors import InputError, nearest
from data.files import read_yaml
from data.labels import LabelSpace
from evaluation.networks.mapped_judge import MappedJudge
from evaluation.networks.transformers_models import (
    load_pretrained,
    model_folder,
    model_hash,
    preprocessing,
    require_transformers,
)
from evaluation.networks.weight_tensors import module_tensors, safetensors_tensors
from presets.schema import JudgeConfig

UNIVERSAL = ("UniversalSegmentation", "MaskFormerForInstanceSegmentation")  # ends of the architectures' names
MASKS = "class probabilities without 'no object' x mask probabilities at the input size, summed over the queries"
TASK = "the task is semantic"  # OneFormer's input beside the image
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
# COCO-Stuff numbers 182 classes, of which these were never annotated; models have 182 or the other 171
COCO_STUFF, NEVER_ANNOTATED = 182, (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)


def huggingface_judge(config: JudgeConfig, labels: LabelSpace, device: str = "cpu") -> MappedJudge:
    """A model of AutoModelForSemanticSegmentation or AutoModelForUniversalSegmentation in a local folder (or, by name,
    in Hugging Face's local cache).

    match "names": its classes are matched with the run's by name; `description` may be a YAML of {model class name: run
    class name}. match "ids": class i of the model is class i of the run, whatever either calls it.
    """
    transformers = require_transformers("judge.source huggingface")
    folder = model_folder(config.path, "judge.path")
    universal = is_universal(transformers, folder)
    auto = transformers.AutoModelForUniversalSegmentation if universal else \
        transformers.AutoModelForSemanticSegmentation
    model = load_pretrained(auto, folder).to(device)
    names = {int(i): name for i, name in model.config.id2label.items()}
    if config.match == "ids":
        mapping = map_ids(names, labels, str(folder))
    else:
        renamed = read_yaml(Path(config.description), "names of the classes") if config.description else {}
        mapping = map_names(names, labels, renamed, str(folder))
    mean, std, size = astuple(preprocessing(folder, config.size, pads=universal))
    network = _universal(model, folder) if universal else (lambda x: model(pixel_values=x).logits)
    judge = MappedJudge(network, mapping, model.config.model_type, model_hash(folder), mean, std, 255.0, size,
                        device=device, batch=config.at_once,
                        weight_tensors=lambda: [*module_tensors(model), *safetensors_tensors(folder)])
    if universal:
        judge.provenance["classes of the masks"] = MASKS
    if config.match == "ids":
        judge.provenance["classes by ids, names that differ"] = {
            names[i]: labels.names[j] for i, j in mapping.items() if plain(names[i]) != plain(labels.names[j])}
    return judge


def is_universal(transformers: Any, folder: Path) -> bool:
    """Whether the model in a folder predicts masks."""
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: not a model ({' '.join(str(error).split())[:160]})") from None
    return any(name.endswith(UNIVERSAL) for name in config.architectures or ())


def _universal(model: nn.Module, folder: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """Class scores [N, M, h, w] at the input size, image by image: all queries' masks of a batch would not fit."""
    given = {"task_inputs": _task(model, folder)} if model.config.model_type == "oneformer" else {}

    def scores(x: torch.Tensor) -> torch.Tensor:
        answer = model(pixel_values=x, **{key: value.expand(len(x), -1) for key, value in given.items()})
        classes = answer.class_queries_logits.softmax(dim=-1)[..., :-1]
        return torch.stack([torch.einsum("qc,qhw->chw", of_queries, functional.interpolate(
            masks[None], x.shape[-2:], mode="bilinear", align_corners=False)[0].sigmoid())
            for of_queries, masks in zip(classes, answer.masks_queries_logits, strict=True)])
    return scores


def _task(model: nn.Module, folder: Path) -> torch.Tensor:
    """OneFormer's task as numbers [1, length]. Raises InputError for a folder without a tokenizer, for which the
    library would take an empty one."""
    from transformers import AutoTokenizer
    if not any(all((folder / file).exists() for file in files) for files in TOKENIZERS):
        raise InputError(f"{folder}: OneFormer reads its task as text and needs its tokenizer beside the weights: "
                         f"{' or '.join(' and '.join(files) for files in TOKENIZERS)}")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    length = model.config.task_seq_len
    found = tokenizer([TASK], padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return (found["input_ids"] * found["attention_mask"]).to(model.device)


def map_names(names: Mapping[int, str], labels: LabelSpace, renamed: Mapping[str, str], where: str) -> dict[int, int]:
    """Class of the model -> class index of the run, by name (case, spaces, - and _ do not matter).

    Raises InputError for a renaming to an unknown class, and when a class of the run has no counterpart at all in a
    model that shares no name.
    """
    index = {plain(name): i for i, name in enumerate(labels.names) if i != labels.void}
    for target in renamed.values():
        if plain(str(target)) not in index:
            raise InputError(f"{where}: '{target}' is no class of this run: {nearest(str(target), labels.names[:-1])}")
    renames = {plain(str(old)): plain(str(new)) for old, new in renamed.items()}
    mapping = {}
    for i, name in names.items():
        simple = plain(name)
        if (found := index.get(renames.get(simple, simple))) is not None:
            mapping[i] = found
    if missing := [labels.names[i] for i in index.values() if i not in mapping.values()]:
        raise InputError(f"{where}: no class for {', '.join(missing)}; the model knows {', '.join(names.values())}; "
                         "name counterparts in judge.description, or set judge.match=ids where class i of "
                         "the model is class i of the run (ADE20K, COCO-Stuff, Cityscapes)")
    return mapping


def map_ids(names: Mapping[int, str], labels: LabelSpace, where: str) -> dict[int, int]:
    """Class i of the model -> class i of the run. 171 classes of a model are COCO-Stuff's 182 without those that were
    never annotated, and the other way round. Raises InputError for other numbers of classes."""
    own, theirs = len(labels.names) - 1, len(names)
    annotated = [i for i in range(COCO_STUFF) if i not in NEVER_ANNOTATED]
    if theirs == own:
        return {i: i for i in range(own)}
    if {own, theirs} == {COCO_STUFF, len(annotated)}:
        return {i if theirs == COCO_STUFF else place: place if theirs == COCO_STUFF else i
                for place, i in enumerate(annotated)}
    raise InputError(f"{where}: match: ids: the model has {theirs} classes and this run {own}; they are not the same "
                     "label space (match: names picks those that share a name)")


def plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
