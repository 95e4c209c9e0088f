"""Can loss and network paint at all? Trains on a few photographs until they are known by heart, and says how well.

    python -m benchmarks.memorise --preset camvid-reference --data CAMVID --out FOLDER \
        --set perceptual.path=FILE.safetensors --methods crn,image_space

A method that cannot paint the texture of photographs that it has seen a thousand times cannot paint it anywhere: then
learning rate, normalisation, calibration or precision are wrong. FOLDER gets memorise.json, and memorise.png: a row for
the photographs, then one for each method. The picture shows photographs of the data set: mind their licence.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from data.errors import one_line_errors
from data.files import write_json, write_png
from models.layers import one_hot
from presets.schema import load_preset
from training.harness import to_uint8
from training.suite import Suite, load_generator


def memorise(suite: Suite, method: str) -> tuple[dict, np.ndarray]:
    """Train to the preset's budget; what is left of the difference, and the images uint8 [n, H, W, 3]."""
    about = suite.train_method(method)
    generator, _ = load_generator(suite.method_folder(method))
    generator = generator.to(suite.device, memory_format=torch.channels_last)
    pairs = [suite.train[i] for i in range(len(suite.train))]
    with torch.no_grad():
        images = torch.cat([generator(one_hot(torch.from_numpy(pair.layout.copy())[None].to(suite.device),
                                              suite.classes))[:, 0] for pair in pairs])
    photos = torch.from_numpy(np.stack([pair.photo for pair in pairs])).float() / 127.5 - 1
    l1 = (images.float().cpu().clamp(-1, 1) - photos).abs().mean((1, 2, 3))
    said = {"method": method, "L1 in [-1, 1]": float(l1.mean()), "L1 per photograph": l1.tolist(),
            "sharpness of the photographs": sharpness(photos), "sharpness": sharpness(images.float().cpu()),
            "images seen": about["images_seen"], "seconds": about["training_seconds"], "notes": about["notes"],
            "parameters": about["parameters"]}
    return said, to_uint8(images).permute(0, 2, 3, 1).cpu().numpy()


def sharpness(pictures: torch.Tensor) -> float:
    """Mean absolute difference of neighbouring pixels of [N, 3, H, W] in [-1, 1]: texture that L1 may not mind."""
    across = (pictures[..., 1:] - pictures[..., :-1]).abs().mean()
    down = (pictures[..., 1:, :] - pictures[..., :-1, :]).abs().mean()
    return float(across + down) / 2


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.memorise", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--preset", default="camvid-reference")
    usage.add_argument("--data", metavar="PATH", help="folder of the dataset")
    usage.add_argument("--methods", default="crn,image_space", metavar="A,B,...")
    usage.add_argument("--photographs", type=int, default=8)
    usage.add_argument("--images", type=int, default=6000, help="seen in training, of those photographs; default: 6000")
    usage.add_argument("--name", default="", help="before the methods' names in memorise.json, e.g. the loss network")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    usage.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings")
    usage.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    return usage


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("benchmarks.memorise"):
        own = {"data.train": args.photographs, "training.images_seen": args.images, "device": args.device,
               **({"data.path": args.data} if args.data else {})}
        others = [setting for setting in args.settings if setting.split("=")[0] not in own]  # of a longer training
        settings = [*others, *(f"{key}={value}" for key, value in own.items())]
        suite = Suite(load_preset(args.preset, settings), args.out)
        found, rows = [], [np.stack([suite.train[i].photo.transpose(1, 2, 0) for i in range(len(suite.train))])]
        for method in args.methods.split(","):
            said, images = memorise(suite, method)
            found.append({"name": f"{args.name} {method}".strip(), **said})
            rows.append(images)
            print(f"{found[-1]['name']}: L1 {said['L1 in [-1, 1]']:.4f}, sharpness {said['sharpness']:.4f} of "
                  f"{said['sharpness of the photographs']:.4f}, {said['seconds']:.0f} s", flush=True)
        write_json(args.out / "memorise.json", {"preset": args.preset, "settings": settings, "methods": found})
        write_png(args.out / "memorise.png", np.concatenate([np.concatenate(list(row), 1) for row in rows], 0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
