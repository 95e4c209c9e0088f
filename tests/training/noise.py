"""A dataset of noise, and a suite of tiny networks on it."""

import os
import signal

import numpy as np

from data.labels import LabelSpace
from data.pairs import Pair
from presets.schema import Preset
from training.suite import Suite

NAMES = ["road", "car", "sky", "void"]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the harness may catch it."""


class Noise:
    """Pairs of noise; reading item number `kill_at` (counted over all readings) ends the process, so to speak, and
    number `signal_at` sends it SIGTERM."""

    def __init__(self, count=12, kill_at=None, signal_at=None, size=(16, 32), names=NAMES):
        self.count, self.kill_at, self.signal_at, self.size, self.read = count, kill_at, signal_at, size, 0
        self.labels = LabelSpace(names, [(i, i, i) for i in range(len(names))])

    def __len__(self):
        return self.count

    def name(self, index):
        return f"{index:05d}"

    def __getitem__(self, index):
        self.read += 1
        if self.read == self.kill_at:
            raise Killed
        if self.read == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)
        rng, (height, width) = np.random.default_rng(index), self.size
        layout = rng.integers(0, len(self.labels.names), (height // 4, width // 4), dtype=np.uint8)
        photo = rng.integers(0, 255, (3, height, width), dtype=np.uint8)
        return Pair(self.name(index), photo, layout.repeat(4, 0).repeat(4, 1))


def preset(size=(16, 32), widths=(8, 8, 8), **training) -> Preset:
    settings = {"images_seen": 24, "batch": 2, "precision": "float32", "log_every": 2, "samples_every": 5,
                "checkpoint_seconds": 0.0, **training}
    return Preset.model_validate({
        "data": {"dataset": "street", "size": list(size), "train": 12, "val": 4}, "training": settings,
        "perceptual": {"source": "trained", "width": 0.04, "images_seen": 8},
        "segmenter": {"source": "trained", "images_seen": 8, "width": 8}, "judge": {"source": "trained", "width": 8},
        "generators": {"crn": {"widths": list(widths)}, "pix2pix": {"width": 4}, "dcgan": {"width": 4}},
        "objectives": {"content": {"calibrate_at": 0.5}, "diversity": {"k": 2, "calibrate_at": 0.5},
                       "gan": {"patch_layers": 1, "patch_width": 4}, "gan_segmentation": {"width": 4}}})


def suite(folder, train=None, size=(16, 32), widths=(8, 8, 8), names=NAMES, **training) -> Suite:
    made = Suite(preset(size, widths, **training), folder)
    made.__dict__.update(train=train or Noise(size=size, names=names), val=Noise(4, size=size, names=names),
                         _data_key="noise")  # cached properties; the last one would read some pairs
    return made
