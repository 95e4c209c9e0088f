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


def read_calls(args: Namespace, command: str) -> list[Call]:
    """A call for each budget and seed of the command line, each in a run directory of its own: budget-B and seed-N
    within --out, where there are several of them. Raises InputError for what cannot work."""
    budgets, several = _budgets(args), args.seeds is not None or (args.budgets or "").count(",")
    if args.seeds is not None and args.seeds < 2:
        raise InputError(f"--seeds {args.seeds}: expected at least 2; --seed N is for one")
    if several and group_size() > 1:
        raise InputError("--seeds, --budgets: not under torchrun; make one training after another (--seed N "
                         "--budgets B --out DIR), then python -m evaluation.merge trainings")
    calls = []
    for budget in budgets:
        call = read_call(args, command, budget)
        folder = call.out / f"budget-{budget}" if len(budgets) > 1 else call.out
        for seed in range(call.preset.seed, call.preset.seed + (args.seeds or 1)):
            out = folder / f"seed-{seed}" if args.seeds else folder
            preset = call.preset.model_copy(update={"seed": seed})
            calls.append(replace(call, preset=preset, out=out, own_command=_own_command(command, budget, seed, out))
                         if several else call)
    return calls


def _budgets(args: Namespace) -> list[int | None]:
    """In ascending order; [None] for the preset's own."""
    if args.budgets is None:
        return [None]
    words = args.budgets.split(",")
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words) or len({*map(int, words)}) < len(words):
        raise InputError(f"--budgets {args.budgets}: expected different numbers of images, for example 2400,8000")
    if any(setting.startswith("training.images_seen=") for setting in args.settings):
        raise InputError("--budgets and --set training.images_seen: give one of them")
    return sorted(map(int, words))


def _own_command(command: str, budget: int | None, seed: int, out: Path) -> str:
    """The command that makes one run directory of several alone."""
    kept, skip, given = [], False, ("--seeds", "--seed", "--out", "--budgets")
    for word in shlex.split(command):
        if not skip and word.partition("=")[0] not in given:
            kept.append(word)
        skip = not skip and word in given
    at = [] if budget is None else ["--budgets", str(budget)]
    return shlex.join([*kept, *at, "--seed", str(seed), "--out", str(out)])


def read_call(args: Namespace, command: str, budget: int | None = None) -> Call:
    """args: of evaluation.run. budget: images seen by each method, None for the preset's. Raises InputError for names,
    keys, files and combinations that cannot work."""
    if not args.all and not args.stages:
        raise InputError("nothing to do: give --all, or --stages with some of " + ",".join(STAGES))
    stages = list(STAGES) if args.all else parse_stages(args.stages)
    preset_name = choose_preset(args, stages)
    preset = make_preset(args, preset_name, budget)
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


def choose_preset(args: Namespace, stages: Collection[str]) -> str:
    """The one that is named; pictures made elsewhere with a folder of photographs and layouts need none but IMAGES."""
    only_images = args.images and args.data and not {"train", "synthesize"} & set(stages)
    return args.preset or (IMAGES if only_images else "street")


def make_preset(args: Namespace, preset_name: str, budget: int | None = None) -> Preset:
    """The preset with the changes of the command line. Raises InputError for unknown keys and values."""
    settings = list(args.settings)
    settings += [f"data.path={json.dumps(args.data)}"] if args.data else []
    settings += [f"seed={args.seed}"] if args.seed is not None else []
    settings += [f"device={args.device}"] if args.device else []
    settings += [f"methods=[{args.methods}]"] if args.methods else []
    settings += [f"study.baseline={json.dumps(args.baseline)}"] if args.baseline else []
    first = args.images[0].partition("=")[0] if args.images and preset_name == IMAGES else None
    defaults = [f"study.baseline={json.dumps(first)}"] if first else []
    preset = load_preset(preset_name, settings, defaults, budget)
    if preset.score.protocol:  # its settings are defaults, too, and depend on the dataset
        table = protocols.named_protocol(preset.score.protocol, preset.data.dataset)
        preset = load_preset(preset_name, settings, [*defaults, *protocols.settings(table.protocol)], budget)
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
