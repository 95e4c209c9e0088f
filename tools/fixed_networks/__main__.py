"""Make a network that ships with the street scenes: judge, perceptual or segmenter.

    python -m tools.fixed_networks judge --out data/street/networks

Writes NAME.safetensors (float16) and NAME.yaml, its card. The shipped files were made with the defaults, but for
--minutes; --share and --steps make a short trial. --start trains a network further, whose card the new one repeats
under `earlier`.
"""

import argparse
import platform
import shlex
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch
from ruamel.yaml import YAML
from torch import nn

from data.errors import InputError, one_line_errors
from data.files import atomic_path
from models.fixed import card_file, read_network, write_weights
from models.perceptual import weights_sha256
from tools.fixed_networks.learning import Pool, learn
from tools.fixed_networks.perceiving import Perceiver
from tools.fixed_networks.roles import ROLES, Role
from tools.fixed_networks.scenes import LABELS, VERSION, render

EARLIER = ("command", "weights_sha256", "trained_on", "training", "versions", "earlier")  # copied from --start's card


def make(name: str, role: Role, out: Path, device: str, seed: int, workers: int, command: str,
         bf16: bool | None = None, start: Path | None = None) -> dict[str, Any]:
    """Render, train, score, write; gives the card.

    bf16: autocast; None: on a GPU. start: folder of a network to train further."""
    bf16 = device != "cpu" if bf16 is None else bf16
    earlier = _read_start(start, name, role) if start else None
    out.mkdir(parents=True, exist_ok=True)  # before minutes of rendering
    started = time.perf_counter()
    report = partial(_report, name, started)
    rendered = [render(request, workers) for request in (role.small, role.large, *role.check)]
    report(f"{sum(scenes.photos[:, :, 0, 0, 0].size for scenes in rendered)} photographs rendered")
    torch.manual_seed(seed)
    network = role.network()
    if earlier:
        network.load_state_dict(earlier[0].state_dict())
    trainee = role.wrap(network).to(device, memory_format=torch.channels_last)
    pools = [Pool(scenes, device) for scenes in rendered[:2]]
    if earlier and isinstance(trainee, Perceiver):
        trainee.match_norms(pools[0].batch(role.budget.batch)[0][:, 0])
    loss = role.loss(trainee, pools, batch=role.budget.batch)
    averaged, took = learn(trainee, loss, role.budget, device, bf16, report)
    network = role.core(averaged).requires_grad_(False).eval()
    digest = write_weights(out, name, network)
    scores = {"x".join(map(str, scenes.layouts.shape[1:])): role.score(network, Pool(scenes, device))
              for scenes in rendered[2:]}
    card = {"role": name, "command": command, "sha256": digest, "weights_sha256": weights_sha256(network.state_dict()),
            "architecture": role.architecture, "parameters": sum(p.numel() for p in network.parameters()),
            "scenes": VERSION, "labels": list(LABELS.names), **_data(role),
            "training": {**asdict(role.budget), "seed": seed, **took,
                         "wall_seconds": round(time.perf_counter() - started, 1)},
            "versions": _versions(device, bf16), "scores": scores}
    if earlier:
        card["earlier"] = {key: earlier[1][key] for key in EARLIER if key in earlier[1]}
    with atomic_path(card_file(out, name)) as file:
        writer = YAML()
        writer.width = 120
        writer.dump(card, file)
    return card


def _report(name: str, started: float, text: str) -> None:
    print(f"[{name} {time.perf_counter() - started:5.0f} s] {text}", flush=True)


def _data(role: Role) -> dict[str, Any]:
    """What it was trained and scored on: scenes by split, size and seed of the dataset."""
    listed = {"trained_on": (role.small, role.large), "scored_on": role.check}
    return {key: [asdict(request) | {"size": list(request.size)} for request in requests]
            for key, requests in listed.items()}


def _read_start(folder: Path, name: str, role: Role) -> tuple[nn.Module, dict[str, Any]]:
    network, card = read_network(folder, name)
    if card["architecture"] != role.architecture or card["scenes"] != VERSION:
        raise InputError(f"--start {folder}: its {name} is {card['architecture']} of {card['scenes']}, expected "
                         f"{role.architecture} of {VERSION}")
    return network.requires_grad_(True), card


def _versions(device: str, bf16: bool) -> dict[str, str]:
    where = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": numpy.__version__,
            "device": f"{device}: {where}", "precision": "bf16 autocast" if bf16 else "float32"}


def table(card: dict[str, Any]) -> str:
    """The card's scores: a line per size, or per size and term."""
    lines = []
    for size, scores in card["scores"].items():
        rows = scores if isinstance(next(iter(scores.values())), dict) else {"IoU": scores}
        for name, row in rows.items():
            values = "  ".join(f"{key} {value:.2f}" for key, value in row.items())
            lines.append(f"{card['role']:10} {size:8} {name:8} {values}")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m tools.fixed_networks", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("role", choices=list(ROLES))
    usage.add_argument("--out", type=Path, required=True, metavar="DIR")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    usage.add_argument("--seed", type=int, default=0)
    usage.add_argument("--workers", type=int, help="rendering processes; default: one per available core")
    usage.add_argument("--steps", type=int, help="at most; default: the role's")
    usage.add_argument("--minutes", type=float, help="wall-clock limit of the training, rendering not counted")
    usage.add_argument("--batch", type=int, help="pictures at 64x128 in a step; default: the role's")
    usage.add_argument("--margin", type=float, help="perceptual: factor of the ranking's margins; default: 1")
    usage.add_argument("--lr", type=float, help="the highest learning rate; default: the role's")
    usage.add_argument("--bf16", action="store_true", default=None, help="autocast on a CPU too; on a GPU always")
    usage.add_argument("--start", type=Path, metavar="DIR", help="train the network of this folder further")
    usage.add_argument("--share", type=float, default=1., help="share of the scenes, for a short trial")
    return usage


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    with one_line_errors("tools.fixed_networks"):
        role = ROLES[args.role].scaled(args.share) if args.share != 1 else ROLES[args.role]
        given = {key: getattr(args, key) for key in ("steps", "minutes", "batch", "lr")}
        changes = {key: value for key, value in given.items() if value is not None}
        role = replace(role, budget=replace(role.budget, **changes))
        if args.margin is not None:
            if args.role != "perceptual":
                raise InputError(f"--margin: of the perceptual network, not of the {args.role}")
            role = replace(role, loss=partial(role.loss, margin=args.margin))
        device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
        command = "python -m tools.fixed_networks " + shlex.join(argv)
        print(table(make(args.role, role, args.out, device, args.seed, args.workers, command, args.bf16,
                         args.start)))
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
