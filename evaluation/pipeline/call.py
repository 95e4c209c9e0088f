"""From a command line to a checked call of the main job: everything that cannot work is refused before work starts."""

import json
import shlex
from argparse import Namespace
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from baselines.methods import METHODS, OBJECTIVES, check_preset_options, method_spec
from data.errors import InputError, nearest
from evaluation import protocols
from evaluation.cache.images import sizes_in
from evaluation.pipeline import STAGES, parse_stages
from evaluation.scoring import check_files, check_options
from presets.schema import Preset, load_preset
from training.check import check_methods
from training.group import group_size

IMAGES = "images"  # the preset for pictures made elsewhere and a folder of photographs and layouts


@dataclass(frozen=True)
class Call:
    """One run directory and what is to be done in it.

    stages: in order, without the dataset, which every call begins with. images: (method, folder) of pictures made
    elsewhere. out: the run directory. command: as it was typed. own_command: makes this run directory alone.
    """

    stages: list[str]
    preset: Preset
    preset_name: str
    images: list[tuple[str, str]]
    out: Path
    executor: str = "auto"
    jobs: int | None = None
    command: str = ""
    own_command: str = ""


def read_call(args: Namespace, command: str) -> Call:
    """args: of evaluation.run. Raises InputError for names, keys, files and combinations that cannot work."""
    if not args.all and not args.stages:
        raise InputError("nothing to do: give --all, or --stages with some of " + ",".join(STAGES))
    stages = list(STAGES) if args.all else parse_stages(args.stages)
    preset_name = choose_preset(args, stages)
    preset = make_preset(args, preset_name)
    methods = [method_spec(name, preset) for name in preset.methods]
    images = _parse_images(args.images, preset.methods)
    if preset_name == IMAGES and images and "size" not in preset.data.model_fields_set:
        preset.data.size = _common_size(images)
    if "score" in stages:
        check_files(preset)
    if "train" in stages:
        if not methods:
            raise InputError(f"nothing to train: preset '{preset_name}' names no method; give --methods, or another "
                             "--preset")
        check_methods(preset, methods)
    return Call(stages, preset, Path(preset_name).stem, images, Path(args.out or Path("runs") / Path(preset_name).stem),
                args.executor, args.jobs, command, command)


def one_for_each_seed(call: Call, number: int | None) -> list[Call]:
    """The call itself without a number; else the same with `number` seeds from the preset's on, each in a run directory
    seed-N within the call's. Raises InputError for fewer than two, and under torchrun."""
    if number is None:
        return [call]
    if number < 2:
        raise InputError(f"--seeds {number}: expected at least 2; --seed N is for one")
    if group_size() > 1:
        raise InputError("--seeds: not under torchrun; train one seed after another (--seed N --out DIR), then "
                         "summarise them with python -m evaluation.merge seeds")
    words, calls = _without(shlex.split(call.command), "--seeds", "--seed", "--out"), []
    for seed in range(call.preset.seed, call.preset.seed + number):
        out = call.out / f"seed-{seed}"
        own = shlex.join([*words, "--seed", str(seed), "--out", str(out)])
        calls.append(replace(call, preset=call.preset.model_copy(update={"seed": seed}), out=out, own_command=own))
    return calls


def _without(words: list[str], *options: str) -> list[str]:
    """Words of a command without these options and their values."""
    kept, skip = [], False
    for word in words:
        if not skip and word.partition("=")[0] not in options:
            kept.append(word)
        skip = not skip and word in options
    return kept


def choose_preset(args: Namespace, stages: Collection[str]) -> str:
    """The one that is named; pictures made elsewhere with a folder of photographs and layouts need none but IMAGES."""
    only_images = args.images and args.data and not {"train", "synthesize"} & set(stages)
    return args.preset or (IMAGES if only_images else "street")


def make_preset(args: Namespace, preset_name: str) -> Preset:
    """The preset with the changes of the command line. Raises InputError for unknown keys and values."""
    settings = list(args.settings)
    settings += [f"data.path={json.dumps(args.data)}"] if args.data else []
    settings += [f"seed={args.seed}"] if args.seed is not None else []
    settings += [f"device={args.device}"] if args.device else []
    settings += [f"methods=[{args.methods}]"] if args.methods else []
    settings += [f"study.baseline={json.dumps(args.baseline)}"] if args.baseline else []
    first = args.images[0].partition("=")[0] if args.images and preset_name == IMAGES else None
    defaults = [f"study.baseline={json.dumps(first)}"] if first else []
    preset = load_preset(preset_name, settings, defaults)
    if preset.score.protocol:  # its settings are defaults, too, and depend on the dataset
        table = protocols.named_protocol(preset.score.protocol, preset.data.dataset)
        preset = load_preset(preset_name, settings, [*defaults, *protocols.settings(table.protocol)])
    check_preset_options(preset)
    check_options(preset)
    for name in preset.overrides:
        if name not in (known := [*METHODS, *OBJECTIVES, *preset.methods]):
            raise InputError(f"unknown key 'overrides.{name}': {nearest(name, known)}")
    return preset


def _parse_images(items: list[str], methods: list[str]) -> list[tuple[str, str]]:
    """NAME=FOLDER as pairs. methods: of the preset, whose names are taken."""
    pairs = [item.partition("=")[::2] for item in items]
    for item, (name, folder) in zip(items, pairs, strict=True):
        if not name or not folder:
            raise InputError(f"--images {item}: expected NAME=FOLDER")
        if name in methods:
            raise InputError(f"--images {item}: '{name}' is a method of this preset; choose another name")
        if not Path(folder).is_dir():
            raise InputError(f"--images {item}: {folder}: no such folder")
    return pairs


def _common_size(images: list[tuple[str, str]]) -> list[int]:
    """Height and width of the pictures in all folders. Raises InputError for a folder without a PNG file and for
    several sizes."""
    found = {name: sizes_in(Path(folder)) for name, folder in images}
    if len(sizes := sum(found.values(), Counter())) > 1:
        each = "; ".join(f"{name} {', '.join(f'{h}x{w} ({n})' for (h, w), n in of.most_common(4))}"
                         for name, of in found.items())
        raise InputError(f"--images: pictures of {len(sizes)} sizes, height x width: {each}. All are scored at one "
                         "size: resize them in the system that made them, so that the filter is yours to choose; "
                         "photographs and layouts are resized here")
    return list(next(iter(sizes)))
