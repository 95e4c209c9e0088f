"""Imports point one way, between the rooms of the house and between the rooms within them."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each room may use itself, what stands after it and nothing else. Files of a room beside its inner rooms are named "".
OUTER = ["reports", "human_study", "evaluation", "training", "baselines", "models", "presets", "writing", "data"]
FRONT_DOOR = "evaluation/pipeline/job.py"  # lists and starts the stages of every room
INNER = {
    "data": {"": ["datasets", "street"], "datasets": [""], "street": [""], "check": [""]},
    "evaluation": {
        "networks": [""],
        "statistics": [""],
        "cache": ["networks", ""],
        "metrics": ["statistics", "cache", "networks", ""],
        "pipeline": ["metrics", "statistics", "cache", "networks", ""],
    },
    "human_study": {
        "responses": [],
        "protocol": ["responses"],
        "trials": ["responses", "protocol"],
        "page": ["responses", "protocol", "trials", "batch"],
        "batch": ["responses", "protocol", "trials", "page"],
        "server": ["responses", "protocol", "trials", "batch", "page", "analysis"],
        "platforms": ["responses", "protocol", "trials", "batch", "page"],
        "analysis": ["responses", "protocol", "trials", "batch"],
        "simulation": ["responses", "protocol", "trials", "batch", "page", "server", "analysis"],
    },
    "reports": {
        "tables": [],
        "findings": ["tables"],
        "figures": ["tables", "findings"],
        "page": ["tables", "findings", "figures", ""],
        "app_parts": ["tables", "findings", ""],
        "app_pages": ["app_parts", "tables", "findings", "figures", ""],
    },
}


def imports(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def files(room: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", f"{room}/*.py"], cwd=ROOT, text=True,
                            capture_output=True, check=True).stdout.split()
    return [Path(name) for name in listed if (ROOT / name).exists()]


@pytest.mark.parametrize("room", OUTER)
def test_a_room_uses_only_what_comes_before_it_in_the_flow(room):
    forbidden = set(OUTER[: OUTER.index(room)])
    wrong = [f"{file} imports {name}" for file in files(room) if str(file) != FRONT_DOOR
             for name in imports(ROOT / file) if name.split(".")[0] in forbidden]
    assert wrong == []


PAIRS = [(room, inner) for room, within in INNER.items() for inner in within if inner]


@pytest.mark.parametrize(("room", "inner"), PAIRS)
def test_rooms_within_a_room_use_only_what_they_say(room, inner):
    allowed = {inner, *INNER[room][inner]}
    wrong = []
    for file in files(f"{room}/{inner}"):
        for name in imports(ROOT / file):
            parts = name.split(".")
            if parts[0] == room:
                used = parts[1] if len(parts) > 1 and parts[1] in INNER[room] else ""
                if used not in allowed:
                    wrong.append(f"{file} imports {name}")
    assert wrong == []
