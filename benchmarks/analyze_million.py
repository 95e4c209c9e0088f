"""Time the analysis of a large study: python -m benchmarks.analyze_million [--judgments N] [--csv]

The table is made up (five baselines, 500 images, one worker per 100 trials, sentinels), with spread between workers
and images. Printed: seconds for the analysis, for all outputs, and with --csv for reading the table from CSV first.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from human_study.analysis.outputs import write_analysis
from human_study.analysis.results import analyse
from human_study.responses.table import make_responses, read_responses, write_responses

BASELINES = np.array(["image_space", "gan_segmentation", "pix2pix", "encoder_decoder", "full_resolution"])
IMAGES, PER_WORKER = 500, 100


def made_up(judgments: int, seed: int = 0) -> pd.DataFrame:
    """A valid table of `judgments` rows; every tenth trial is a sentinel (the photograph is the right answer)."""
    rng = np.random.default_rng(seed)
    worker = np.arange(judgments) // PER_WORKER
    trial = np.arange(judgments) % PER_WORKER
    image = rng.integers(0, IMAGES, judgments)
    other = rng.integers(0, len(BASELINES), judgments)
    sentinel = trial % 10 == 9
    logit = 0.3 * (1 + other) + rng.normal(0, 0.7, worker[-1] + 1)[worker] + rng.normal(0, 0.8, IMAGES)[image]
    first = np.where(sentinel, "photos", "crn")
    first_wins = (rng.random(judgments) < 1 / (1 + np.exp(-logit))) | sentinel
    first_left = rng.random(judgments) < 0.5
    names = BASELINES[other]
    text = pd.Series(worker).astype(str)
    return make_responses(pd.DataFrame({
        "study_id": "benchmark", "spec_sha256": "0" * 64, "platform": "sim", "session_id": "s" + text,
        "worker_id": "w" + text, "trial_index": trial, "trial_id": "t" + pd.Series(trial).astype(str),
        "block": "test", "image_id": pd.Series(image).astype(str), "condition": first + "_vs_" + names,
        "layout": "side_by_side", "left_method": np.where(first_left, first, names),
        "right_method": np.where(first_left, names, first),
        "chosen": np.where(first_left == first_wins, "left", "right"),
        "sentinel": np.where(sentinel, "perceptual", "none"),
        "sentinel_answer": np.where(sentinel, np.where(first_left, "left", "right"), None),
        "rt_ms": rng.lognormal(7, 0.5, judgments), "submit_status": "submitted"}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judgments", type=int, default=1_000_000)
    parser.add_argument("--csv", action="store_true", help="read the table from CSV, as the analysis does")
    args = parser.parse_args()
    frame = made_up(args.judgments)
    with tempfile.TemporaryDirectory() as folder:
        if args.csv:
            file = Path(folder) / "responses.csv"
            write_responses(frame, file)
            begin = time.perf_counter()
            frame = read_responses(file)
            print(f"reading {file.stat().st_size / 1e6:.0f} MB of CSV: {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        analysis = analyse(frame, "crn")
        print(f"analysing {len(frame)} judgments of {analysis.participation.participants} participants: "
              f"{time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        write_analysis(analysis, Path(folder) / "analysis")
        print(f"writing all outputs: {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
