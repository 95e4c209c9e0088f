"""One PNG of layout | photo | every method for a few layouts, for papers, slides and a README.

    python -m reports.contact_sheet --run runs/street --out sheet.png [--layouts 4 | --layouts 00007,00123]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.errors import InputError, one_line_errors
from data.files import read_image, write_png
from evaluation.run_directory import PHOTOS, RunDirectory
from reports.tables import pictures

GAP, TITLE, FONT = 6, 22, 13  # pixels


def contact_sheet(run: RunDirectory, layouts: list[str], columns: int = 4) -> np.ndarray:
    """uint8 [H, W, 3]: a row of pictures per layout, `columns` per line; layout and photo first. Pixels are exact.

    Raises InputError for a run without layouts.
    """
    height, width = pictures.image_size(run)
    methods = run.methods()
    titles = ["Layout", "Photo", *(method.title for method in methods)]
    blocks = [[run.labels().colourise(run.layout(name)),
               *(read_image(run.image_file(method, name)) for method in (PHOTOS, *(m.name for m in methods)))]
              for name in layouts]
    scale = max(1, 256 // width)
    height, width = height * scale, width * scale
    lines = -(-len(titles) // columns)
    size = (columns * (width + GAP) + GAP, (TITLE + len(layouts) * (height + GAP)) * lines + GAP)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT)
    for i, title in enumerate(titles):
        x = GAP + i % columns * (width + GAP)
        y = GAP + i // columns * (TITLE + len(layouts) * (height + GAP))
        draw.text((x, y), title, fill="black", font=font)
        for row, block in enumerate(blocks):
            picture = Image.fromarray(block[i]).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(picture, (x, y + TITLE - GAP + row * (height + GAP)))
    return np.asarray(sheet)


def chosen_layouts(run: RunDirectory, text: str) -> list[str]:
    """A number of layouts, evenly spaced, or names. Raises InputError for a name that the run does not have."""
    names = run.layouts()
    if text.isdecimal() and text not in names:
        if int(text) < 1:
            raise InputError(f"--layouts {text}: expected a number above 0, or names of layouts")
        return pictures.evenly_spaced(names, int(text))
    wanted = [name.strip() for name in text.split(",")]
    if missing := [name for name in wanted if name not in names]:
        raise InputError(f"{run.dataset / 'layouts'}: no layout named {', '.join(missing)}")
    return wanted


def main(argv: list[str] | None = None) -> int:
    usage = argparse.ArgumentParser(prog="python -m reports.contact_sheet", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--run", required=True, metavar="DIR", help="run directory")
    usage.add_argument("--out", required=True, metavar="FILE.png")
    usage.add_argument("--layouts", default="4", metavar="N|A,B", help="how many, evenly spaced, or which; default: 4")
    usage.add_argument("--columns", type=int, default=4, help="pictures per line; default: 4")
    args = usage.parse_args(argv)
    with one_line_errors("reports.contact_sheet"):
        run = RunDirectory.open(args.run)
        write_png(Path(args.out), contact_sheet(run, chosen_layouts(run, args.layouts), max(1, args.columns)))
        print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
