"""Does a content loss make a generator commit? Trains a small CRN on each perceptual network given and shows it.

    python -m benchmarks.commitment data/street/networks --out commitment.png

One column per network beside layout and photograph, of validation scenes. A loss whose nearest picture is an average
gives flat walls and cars of one mixed colour; one that knows what a photograph is gives windows, texture and paints.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from data.files import write_png
from models.crn import CRN
from models.fixed import read_network
from models.layers import one_hot
from models.objectives import Batch, Content, plan_calibration
from tools.fixed_networks.learning import Pool
from tools.fixed_networks.scenes import LABELS, Request, render

SIZE = (64, 128)
WIDTHS = [128, 96, 64, 40, 16]  # as in the preset street


def train(perceptual: nn.Module, pool: Pool, steps: int, minutes: float, batch: int, lr: float) -> nn.Module:
    """A CRN trained on the plain content loss with calibrated lambdas, its rate falling to 0 over the second half."""
    torch.manual_seed(0)
    device = pool.photos.device
    generator = CRN(len(LABELS), SIZE, widths=WIDTHS).to(device)
    objective = Content(perceptual.to(device)).to(device)
    plan_calibration(objective, steps, "objectives.content")
    optimiser = torch.optim.Adam(generator.parameters(), lr=lr)
    started = time.perf_counter()
    for step in range(steps):
        progress = max(step / steps, (time.perf_counter() - started) / 60 / minutes)
        if progress >= 1:
            break
        optimiser.param_groups[0]["lr"] = lr * min(1, 2 - 2 * progress)
        photos, labels = pool.batch(batch)
        pair = Batch(one_hot(labels.to(torch.uint8), len(LABELS)), photos[:, 0], labels)
        terms = objective.generator_terms(pair, objective.synthesize(generator, pair))
        optimiser.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        optimiser.step()
        objective.after_step(step + 1, lambda value: value)
    line = "  ".join(f"{name} {term.item():.2f}" for name, term in terms.items())
    print(f"{step} steps, {time.perf_counter() - started:.0f} s: {line}", flush=True)
    return generator.eval()


@torch.no_grad()
def pictures(generator: nn.Module, layouts: Tensor) -> np.ndarray:
    """uint8 [N, H, W, 3]."""
    images = generator(one_hot(layouts, len(LABELS)))[:, 0]
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def main() -> None:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.commitment", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("folders", nargs="+", type=Path, help="each with perceptual.safetensors and its card")
    usage.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    usage.add_argument("--scenes", type=int, default=1600)
    usage.add_argument("--steps", type=int, default=2400)
    usage.add_argument("--minutes", type=float, default=60, help="at most, per network")
    usage.add_argument("--batch", type=int, default=2)
    usage.add_argument("--lr", type=float, default=2e-3)
    usage.add_argument("--shown", type=int, default=6)
    usage.add_argument("--workers", type=int, default=os.cpu_count())
    args = usage.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scenes = render(Request("train", SIZE, args.scenes, 0), args.workers)
    shown = render(Request("val", SIZE, args.shown, 0), args.workers)
    pool = Pool(scenes, device)
    layouts = torch.from_numpy(shown.layouts).to(device)
    columns = [LABELS.colourise(shown.layouts), shown.photos[:, 0].transpose(0, 2, 3, 1)]
    for folder in args.folders:
        print(folder, end=": ")
        perceptual = read_network(folder, "perceptual")[0]
        columns.append(pictures(train(perceptual, pool, args.steps, args.minutes, args.batch, args.lr), layouts))
    write_png(args.out, np.concatenate([np.concatenate(list(column)) for column in columns], 1))


if __name__ == "__main__":
    main()
