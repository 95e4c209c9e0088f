"""The installed suite: it is complete, and packages of the same names in the working directory are not taken for it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["data", "models", "baselines", "training", "evaluation", "human_study", "reports", "presets", "writing"]
# Processes that a command starts search in the same order. 17 items: more than travel together
IN_PROCESSES = "import evaluation; from data.processes import map_in_processes as m; print(*m(len, ['ab'] * 17, 2))"
COMMANDS = [  # the package that Python imports before any code of ours runs, the command, a word of what it prints
    ("evaluation", ["-m", "evaluation.run", "--list"], "street"),
    ("evaluation", ["-c", IN_PROCESSES], " ".join(["2"] * 17)),
    ("human_study", ["-m", "human_study", "--help"], "usage"),
    ("reports", ["-m", "reports.contact_sheet", "--help"], "usage"),
    ("data", ["-m", "data.check", "street", "--set", "train=4", "val=4"], "0 problems"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return installed(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def editable(tmp_path_factory) -> Path:
    return installed(tmp_path_factory.mktemp("editable"), "--editable")


def installed(folder: Path, *options: str) -> Path:
    """The interpreter of an environment with the suite installed, which finds its dependencies in this one's."""
    if {"pip", "setuptools"} - {name.lower() for name in packages_distributions()} or \
            int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("needs pip, and setuptools 77 or newer (the test extra)")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                            encoding="utf-8", check=True).stdout.splitlines()
    for name in listed:
        if name.split("/")[0] in (*PACKAGES, "pyproject.toml", "README.md", "own_packages_first.py"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    venv.create(folder / "venv", symlinks=True)
    found = folder / "venv" / "bin" / "python"
    outer = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})) / "outer.pth"
    outer.write_text("\n".join(path for path in sys.path if "site-packages" in path) + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(found), "install", "--quiet", "--no-deps", "--no-index",
               "--no-build-isolation", *options, str(source)]
    done = subprocess.run(install, capture_output=True, text=True, encoding="utf-8", env=environment())
    assert done.returncode == 0, done.stderr
    return found


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")}


def run(python: Path, arguments: list[str], folder: Path) -> str:
    done = subprocess.run([str(python), *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8",
                          env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("package", "command", "word"), COMMANDS)
def test_folders_named_like_the_suite_s_packages_do_not_shadow_them(wheel, tmp_path, package, command, word):
    write_shadows(tmp_path, package)
    assert word in run(wheel, command, tmp_path)


def test_such_folders_do_not_shadow_an_editable_install(editable, tmp_path):
    package, command, word = COMMANDS[1]
    write_shadows(tmp_path, package)
    assert word in run(editable, command, tmp_path)


def write_shadows(folder: Path, package: str) -> None:
    for name in PACKAGES:
        (folder / name).mkdir()
        if name == "models":
            (folder / name / "model.pt").write_bytes(b"weights")
        elif name not in (package, "presets"):  # a package of one's own that bears the command's name is its owner's
            (folder / name / "__init__.py").write_text("raise ImportError('not ours')", encoding="utf-8")


def test_everything_that_is_read_is_installed(wheel, tmp_path):
    code = ("import data, evaluation, presets.schema, pathlib\n"
            "for name in presets.schema.preset_names(): presets.schema.load_preset(name)\n"
            "for room in ('data', 'evaluation', 'presets', 'human_study', 'reports', 'writing'):\n"
            "    folder = pathlib.Path(__import__(room).__file__).parent\n"
            "    for file in folder.rglob('*'): print(file.relative_to(folder.parent).as_posix())")
    there = set(run(wheel, ["-c", code], tmp_path).split("\n"))
    expected = [name for room in ("data", "evaluation", "presets", "human_study", "reports", "writing")
                for name in subprocess.run(["git", "ls-files", room], cwd=ROOT, capture_output=True, text=True,
                                           encoding="utf-8", check=True).stdout.splitlines() if (ROOT / name).exists()]
    assert [name for name in expected if name not in there] == []
