"""Imports point one way, between the rooms of the house and between the rooms within them."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each room may use itself, what stands after it and nothing else. Files of a room beside its inner rooms are named "".
OUTER = ["reports", "human_study", "evaluation", "training", "baselines", "models", "presets", "data"]
FRONT_DOOR = "evaluation/job.py"  # lists and starts the stages of every room
INNER = {
    "data": {"": ["datasets", "street"], "datasets": [""], "street": [""], "check": [""]},
    "evaluation": {
        "networks": [""],
        "measuring": ["networks", ""],
        "metrics": ["measuring", "networks", ""],
        "stages": ["metrics", "measuring", "networks", ""],
    },
    "human_study": {
        "table": [],
        "design": ["table"],
        "batch": ["table", "design"],
        "server": ["table", "design", "batch", "analysis"],
        "platforms": ["table", "design", "batch"],
        "analysis": ["table", "design", "batch"],
        "rehearsal": ["table", "design", "batch", "server", "analysis"],
    },
    "reports": {
        "record": [],
        "findings": ["record"],
        "figures": ["record", "findings"],
        "page": ["record", "findings", "figures", ""],
        "app_parts": ["record", "findings", ""],
        "app_pages": ["app_parts", "record", "findings", "figures", ""],
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


@pytest.mark.parametrize("room", OUTER)
def test_a_folder_can_be_taken_in_at_a_glance(room):
    folders: dict[Path, int] = {}
    for file in files(room):
        folders[file.parent] = folders.get(file.parent, 0) + 1
    assert {str(folder): count for folder, count in folders.items() if count > 14} == {}
