"""The disk is full at every file of a run in turn: each time the command ends with one line, and going on gives the
results of a run that never met a full disk."""

import errno
import os
import re
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from evaluation.run import main
from evaluation.run_directory import RunDirectory
from reports.page import figure_files
from training import checkpoint

METRICS = ["similarity", "cost", "differences"]
PRESET = f"""
extends: smoke
methods: [image_space, crn_diversity]
data: {{size: [32, 64], train: 4, val: 2}}
perceptual: {{source: auto}}
training: {{images_seen: 4, samples_every: 4, log_every: 2}}
generators: {{crn: {{widths: [4, 4, 4, 4]}}}}
objectives: {{diversity: {{k: 2}}}}
score: {{metrics: [{', '.join(METRICS)}], extractors: [], bootstrap: 100}}
study: {{baseline: image_space}}
"""


STAGES = ["train,synthesize", "score", "study", "report"]  # of one call each


def run(folder: Path, stages: str) -> None:
    (folder.parent / "tiny.yaml").write_text(PRESET)
    assert main(["--stages", stages, "--preset", str(folder.parent / "tiny.yaml"), "--device", "cpu", "--executor",
                 "local", "--out", str(folder)]) == 0


def results(folder: Path) -> dict:
    """What must not depend on what happened in between: weights, pictures, scores, and files with random names or
    times of this run by their size or presence."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if file.name == "checkpoint.pt":
            found[name] = {key: value.tolist() for key, value in checkpoint.load(file)["generator"].items()}
        elif re.match(r"(dataset|methods/\w+/(images|variants|samples))/", name) and file.is_file():
            found[name] = file.read_bytes()
        elif name.startswith("report/"):
            found[name] = True
        elif re.match(r"study/.*\.(csv|json)", name):
            found[name] = file.stat().st_size
    for score in RunDirectory(folder).scores():
        if score.metric != "cost":
            found[score.metric, score.method] = [(value.name, value.value, value.interval) for value in score.values]
    return found


class FullDisk:
    """Refuses each file once, when it is written for the first time; of pictures and tables one of each kind in each
    folder."""

    def __init__(self, monkeypatch):
        self.refused: dict[str, str] = {}
        self.replace = os.replace
        monkeypatch.setattr("data.files.os.replace", self.write)
        monkeypatch.setattr("training.logs.open", self.append, raising=False)

    def refuse_once(self, file) -> None:
        path = Path(str(file).removesuffix(" (appended to)"))
        many = path.suffix in (".png", ".svg", ".pdf", ".csv", ".tex") and path.name != "log.csv"
        key = f"{path.parent}/*{path.suffix}" if many else str(file)
        if key not in self.refused:
            self.refused[key] = str(path)
            raise OSError(errno.ENOSPC, "No space left on device", str(file))

    def write(self, source, target):
        self.refuse_once(target)
        self.replace(source, target)

    def append(self, file, *args, **options):
        self.refuse_once(f"{file} (appended to)")
        return open(file, *args, **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, Path]:
    """A run that never meets a full disk, as it is before each of its stages and, under "", after all of them."""
    root, found = tmp_path_factory.mktemp("runs"), {}
    for stages in STAGES:
        found[stages] = root / f"before {stages}" / "run"
        if (root / "run").exists():
            shutil.copytree(root / "run", found[stages])
        run(root / "run", stages)
    return found | {"": root / "run"}


@pytest.fixture(autouse=True)
def empty_figures(monkeypatch):
    """Figures take seconds to draw; what matters here is that their files are written, by this process, whose disk is
    full."""
    monkeypatch.setattr(figure_files, "MOST_PROCESSES", 1)
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **options: file.write(b"<svg></svg>"))


@pytest.mark.parametrize("stages", STAGES)
def test_the_disk_is_full_at_every_file_in_turn(undisturbed, monkeypatch, capsys, stages):
    folder = undisturbed[stages]
    folder.parent.mkdir(parents=True, exist_ok=True)
    capsys.readouterr()
    with monkeypatch.context() as patched:
        disk = FullDisk(patched)
        while not ends_well(folder, stages, disk, capsys):
            assert not list(folder.rglob("*.part"))
    assert len(disk.refused) > 3
    made = results(folder)
    assert made and made == {name: content for name, content in results(undisturbed[""]).items() if name in made}


def ends_well(folder, stages, disk, capsys) -> bool:
    """Whether the command came to its end; if not, it said so in one line that names the file."""
    try:
        run(folder, stages)
    except SystemExit as stopped:
        error = capsys.readouterr().err
        assert stopped.code == 2 and error.count("\n") == 1
        assert error.startswith("evaluation.run: error: no space left on the disk while writing ")
        assert list(disk.refused.values())[-1] in error
        return False
    return True
