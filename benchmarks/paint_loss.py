"""Which colour of cars does a content loss like best? Paints all cars of a photograph in one colour and takes the mean
loss over draws of the same layout, whose cars have any of the paints: what an undecided generator would minimise.

    python -m benchmarks.paint_loss data/street/networks

A loss that makes a generator commit likes paints better than mixtures of them and dark colours between them. 1 is the
loss between two draws, each term counting as much.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.street import CAR_COLOURS, STREET, Street
from models.fixed import read_network

SIZE = (64, 128)
LEAST = 700  # pixels of cars in a layout
BETWEEN = {"mean of all": tuple(np.mean(list(CAR_COLOURS.values()), axis=0)), "median of all": (173, 115, 45),
           "dark teal": (38, 56, 57), "teal": (48, 70, 72), "green and blue": (26, 94, 118), "dark red": (100, 20, 26),
           "dark blue": (20, 40, 90), "brown": (110, 60, 30), "olive": (90, 90, 30), "dark grey": (50, 52, 56)}


def as_float(photos: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(photos)).float() / 127.5 - 1


@torch.no_grad()
def losses(folder: Path, layouts: int, draws: int) -> dict[str, dict[str, float]]:
    """Colour -> term -> mean loss over layouts and draws."""
    network, _ = read_network(folder, "perceptual")

    def features(pictures: Tensor) -> dict[str, Tensor]:
        return {"image": pictures, **network(pictures)}

    street = Street("val", SIZE, 40 * layouts)
    crowded = (i for i in range(len(street)) if (street[i].layout == STREET.names.index("car")).sum() > LEAST)
    chosen = [index for index, _ in zip(crowded, range(layouts), strict=False)]
    targets = {i: features(as_float([street.redraw(i, d).photo for d in range(draws)])) for i in chosen}
    half = draws // 2
    scale = {term: np.mean([(t[term][:half] - t[term][half : 2 * half]).abs().mean().item() for t in targets.values()])
             for term in targets[chosen[0]]}
    found = {}
    for name, colour in {**CAR_COLOURS, **BETWEEN}.items():
        rows = []
        for i in chosen:
            painted = features(as_float([street.repaint(i, draws, [colour])]))
            rows.append({term: (painted[term] - targets[i][term]).abs().mean().item() / scale[term] for term in scale})
        found[name] = {term: float(np.mean([row[term] for row in rows])) for term in scale}
    return found


def main() -> None:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.paint_loss", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("folder", type=Path, help="with perceptual.safetensors and its card")
    usage.add_argument("--layouts", type=int, default=8)
    usage.add_argument("--draws", type=int, default=16)
    args = usage.parse_args()
    found = {name: {"all": float(np.mean(list(terms.values()))), **terms}
             for name, terms in losses(args.folder, args.layouts, args.draws).items()}
    for name, terms in sorted(found.items(), key=lambda item: item[1]["all"]):
        print(f"{name:15}{'paint' if name in CAR_COLOURS else '':7}"
              + "  ".join(f"{term} {value:.2f}" for term, value in terms.items()))


if __name__ == "__main__":
    main()
