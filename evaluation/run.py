"""The main job: train every method, synthesize the same layouts with each, score, write the study and the report.

    python -m evaluation.run --all                                        street scenes rendered in code, runs/street
    python -m evaluation.run --all --preset camvid --data PATH            photographs
    python -m evaluation.run --stages score,report --images mine=FOLDER   score images made by any other system
    python -m evaluation.run --stages score,study,report --images a=A b=B --data FOLDER    score pictures of a folder of
                                                                          photographs and layouts, train nothing
    torchrun --nproc-per-node 8 -m evaluation.run --all ...               the same on eight GPUs

Running the same command again repeats no finished work; a stopped one goes on where it was.
"""

import argparse
import shlex
import sys

from baselines.named import METHODS
from data import DATASETS
from data.configuration import RenamedOption
from data.errors import one_line_errors
from evaluation import published
from evaluation.metrics import NAMES as METRICS
from evaluation.pipeline import STAGES
from human_study.protocol.protocols import PROTOCOLS
from presets.schema import EXTRACTOR_KINDS, JUDGES, preset_names


def listing() -> str:
    """Names that options and presets take, for a terminal of 80 columns."""
    protocols = [f"{table.name} on {table.dataset}" for table in published.tables() if table.protocol]
    methods = [f"{name:18}{title}" for name, (title, _, _) in METHODS.items()]
    pairs = ["any other pair generator+objective, for example crn+gan, unet+image_space"]
    parts = {"stages (--stages)": STAGES, "presets (--preset)": preset_names(), "methods (--methods)": methods + pairs,
             "datasets (data.dataset)": DATASETS, "metrics (score.metrics)": METRICS,
             "judges (judge.source)": [f"{name:14}{text}" for name, text in JUDGES.items()],
             "extractors (score.extractors)": [f"{name:14}{text}" for name, text in EXTRACTOR_KINDS.items()],
             "protocols of published tables (score.protocol)": protocols,
             "study protocols (study.protocol)": PROTOCOLS}
    return "\n".join(f"{title}\n{_columns(list(names))}" for title, names in parts.items())


def _columns(names: list[str], width: int = 80) -> str:
    """Names from top to bottom in as many columns as fit."""
    wide = max(map(len, names)) + 4
    rows = -(-len(names) // max(1, (width + 2) // wide))
    lines = ["".join(f"  {name:{wide - 2}}" for name in names[row::rows]).rstrip() for row in range(rows)]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m evaluation.run", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    what = usage.add_argument_group("what to do")
    what.add_argument("--all", action="store_true", help="all stages")
    what.add_argument("--stages", metavar="A,B,...", help=f"some of {','.join(STAGES)}")
    what.add_argument("--list", action="store_true", help="list the names that options and presets take")
    how = usage.add_argument_group("with what")
    how.add_argument("--preset", metavar="NAME|FILE.yaml",
                     help="default: street; with --images, --data and nothing to train: images")
    how.add_argument("--data", metavar="PATH", help="folder of the dataset (not for scenes rendered in code)")
    how.add_argument("--baseline", metavar="NAME",
                     help="the method that the others are compared with; default: the preset's, else the first")
    how.add_argument("--reference", action=RenamedOption, const="--baseline", help=argparse.SUPPRESS)
    how.add_argument("--out", metavar="DIR", help="run directory; default: runs/<preset>")
    how.add_argument("--methods", metavar="A,B,...",
                     help="instead of the preset's; names from --list, or generator+objective")
    how.add_argument("--images", action="extend", nargs="+", default=[], metavar="NAME=FOLDER",
                     help="score folders of PNG files named like the layouts, each as one more method")
    how.add_argument("--device", choices=["auto", "cpu", "cuda"], help="default: the preset's (auto)")
    how.add_argument("--executor", metavar="auto|local|processes|ray", default="auto",
                     help="where each method is trained and synthesizes: here one after another (local), in processes "
                          "of one thread (processes), or as tasks of a Ray cluster (ray: RAY_ADDRESS, or this machine "
                          "alone); default: processes on a CPU with several cores, else local")
    how.add_argument("--jobs", type=int, metavar="N",
                     help="trainings at a time, and most cores that the rest may use; default: the cores that this job "
                          "may use (affinity, cgroup quota), at most 4 trainings")
    how.add_argument("--seed", type=int, metavar="N", help="default: the preset's (0)")
    how.add_argument("--seeds", type=int, metavar="N",
                     help="train N seeds, each in a run directory seed-N of its own; the report covers all of them")
    how.add_argument("--budgets", metavar="N,N,...",
                     help="train at each of these numbers of images seen, each in a run directory budget-N of its own, "
                          "with the settings that the preset has for it; default: the preset's training.images_seen")
    how.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings",
                     help="any keys of the preset, for example training.images_seen=6000 training.lr=0.001")
    return usage


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    with one_line_errors("evaluation.run"):
        if args.list:
            print(listing())
            return 0
        from evaluation.pipeline.job import run  # every room of the house, and torch: seconds
        return run(args, shlex.join(["python", "-m", "evaluation.run", *argv]))


if __name__ == "__main__":
    sys.exit(main())
