"""The contact sheet of data.check: some pairs of each split, photograph above layout, and the colours' legend."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.check.walk import CheckedSplit
from data.labels import LabelSpace
from data.pairs import Pair

WIDTH, GAP, LINE, COLUMNS = 240, 8, 20, 3  # pixels of a picture, between pictures, of a line of text; pairs in a row
TEXT = 13


def contact_sheet(splits: Sequence[CheckedSplit]) -> Image.Image:
    """The splits below each other, then a legend: each class's colour, name and share in each split."""
    blocks = [_pairs(split.name, split.shown, split.balance.labels) for split in splits if split.shown]
    blocks.append(_legend([split for split in splits if split.read]))
    width = max(block.width for block in blocks)
    sheet = Image.new("RGB", (width, sum(block.height for block in blocks)), "white")
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet


def _pairs(title: str, pairs: Sequence[Pair], labels: LabelSpace) -> Image.Image:
    height = round(WIDTH * pairs[0].layout.shape[0] / pairs[0].layout.shape[1])
    cell = 2 * height + LINE + GAP
    rows = -(-len(pairs) // COLUMNS)
    block = Image.new("RGB", (COLUMNS * (WIDTH + GAP) + GAP, LINE + GAP + rows * cell), "white")
    draw, font = ImageDraw.Draw(block), ImageFont.load_default(size=TEXT)
    draw.text((GAP, 4), title, "black", font)
    for number, pair in enumerate(pairs):
        left, top = GAP + number % COLUMNS * (WIDTH + GAP), LINE + GAP + number // COLUMNS * cell
        for part, pixels in enumerate((pair.photo.transpose(1, 2, 0), labels.colourise(pair.layout))):
            picture = Image.fromarray(np.ascontiguousarray(pixels))
            block.paste(picture.resize((WIDTH, height), Image.Resampling.NEAREST), (left, top + part * height))
        draw.text((left, top + 2 * height + 2), pair.name[:32], "black", font)
    return block


def _legend(splits: Sequence[CheckedSplit]) -> Image.Image:
    labels, columns = splits[0].balance.labels, COLUMNS
    rows = -(-len(labels) // columns)
    block = Image.new("RGB", (columns * (WIDTH + GAP) + GAP, (rows + 1) * LINE + 2 * GAP), "white")
    draw, font = ImageDraw.Draw(block), ImageFont.load_default(size=TEXT)
    draw.text((GAP, GAP), "class: share of pixels, " + " / ".join(split.name for split in splits), "black", font)
    for index, (name, colour) in enumerate(zip(labels.names, labels.colours, strict=True)):
        left, top = GAP + index // rows * (WIDTH + GAP), GAP + (index % rows + 1) * LINE
        shares = " / ".join(f"{split.balance.counts[index] / split.balance.counts.sum():.1%}" for split in splits)
        draw.rectangle((left, top + 2, left + 22, top + LINE - 4), tuple(colour), "black")
        draw.text((left + 30, top), f"{name[:18]}: {shares}", "black", font)
    return block
