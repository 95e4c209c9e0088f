"""Every command in README.md and docs/ is one that its program takes, and every file they name is there."""

import argparse
import importlib
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest

from baselines.methods import method_spec
from evaluation.pipeline import parse_stages
from evaluation.pipeline.call import choose_preset, make_preset
from presets.schema import load_preset

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Parsed(Exception):
    """Carries what a command line was read as; the program itself is not wanted here."""


def commands(text: str) -> list[str]:
    """`python -m ...` of code blocks and of inline code, one line each, without comments and the marks of prose."""
    text = re.sub(r"\\\n\s*", " ", text)
    blocks = re.findall(r"^\s*((?:torchrun [^\n]*|python) -m [^\n]*)", text, re.MULTILINE)
    inline = re.findall(r"`((?:torchrun [^`]*|python) -m [^`]*)`", text)
    lines = [re.sub(r"\s#.*|[\[\]]", "", line) for line in blocks] + [" ".join(line.split()) for line in inline]
    return sorted({line.replace(" ...", "").strip() for line in lines})


CASES = [pytest.param(command, id=command) for page in PAGES for command in commands(page.read_text())]


def test_commands_are_found():
    assert len(CASES) > 45


@pytest.mark.parametrize("command", CASES)
def test_a_command_is_one_that_its_program_takes(monkeypatch, command):
    module, *arguments = shlex.split(command.partition(" -m ")[2])
    original = argparse.ArgumentParser.parse_args

    def parse_args(parser, args=None, namespace=None):
        raise Parsed(original(parser, args, namespace))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    try:
        package = importlib.util.find_spec(module).submodule_search_locations
        importlib.import_module(f"{module}.__main__" if package else module).main()
    except Parsed as parsed:
        if module == "evaluation.run" and parsed.args[0].preset != "FILE.yaml":
            args = parsed.args[0]
            preset = make_preset(args, choose_preset(args, parse_stages(args.stages or "train")))
            assert all(method_spec(name, preset) for name in preset.methods)
    except SystemExit as end:
        assert end.code == 0 and "--help" in arguments, command


def test_make_knows_the_targets():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([\w-]+)", page.read_text(), re.MULTILINE)}
    assert {"run", "app", "test"} <= named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link
    for name in re.findall(r"`((?:data|models|baselines|training|evaluation|human_study|reports|presets)/[\w/]+\.\w+)`",
                           page.read_text()):
        assert "NAME" in name or (ROOT / name).exists(), name


def test_the_preset_of_the_readme_is_valid(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    block = next(block for block in blocks if "extends" in block)
    file = tmp_path / "mine.yaml"
    file.write_text(block)
    assert load_preset(str(file)).methods == ["crn", "unet+content", "unet+image_space"]
