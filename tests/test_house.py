"""Imports point one way, between the rooms of the house and within them; habits that all rooms keep."""

import ast
import functools
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each room may use itself, what stands after it and nothing else. Files of a room beside its inner rooms are named "".
OUTER = ["reports", "human_study", "evaluation", "training", "baselines", "models", "presets", "writing", "data"]
FRONT_DOOR = ["evaluation/run.py", "evaluation/pipeline/job.py"]  # list names and start the stages of every room
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
        "app": ["tables", "findings", "figures", ""],
    },
    "reports/app": {
        "parts": [],
        "views": ["parts"],
    },
}


@functools.cache
def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def imports(file: Path) -> list[str]:
    found = []
    for node in nodes(file):
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
    wrong = [f"{file} imports {name}" for file in files(room) if str(file) not in FRONT_DOOR
             for name in imports(ROOT / file) if name.split(".")[0] in forbidden]
    assert wrong == []


PAIRS = [(room, inner) for room, within in INNER.items() for inner in within if inner]


@pytest.mark.parametrize(("room", "inner"), PAIRS)
def test_rooms_within_a_room_use_only_what_they_say(room, inner):
    allowed = {inner, *INNER[room][inner]}
    wrong = []
    for file in files(f"{room}/{inner}"):
        for name in imports(ROOT / file):
            parts, here = name.split("."), room.split("/")
            if parts[: len(here)] == here:
                used = next((part for part in parts[len(here) : len(here) + 1] if part in INNER[room]), "")
                if used not in allowed:
                    wrong.append(f"{file} imports {name}")
    assert wrong == []


LISTING = {"glob", "rglob", "iglob", "iterdir", "listdir", "scandir", "walk"}
OF_AST = "ast"  # ast.walk lists no folder
TEXT = {"read_text", "write_text"}


def calls(file: Path) -> list[tuple[str, ast.Call]]:
    """Calls of methods and of `open`, as (name, call)."""
    found = []
    for node in nodes(file):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == OF_AST):
                found.append((node.func.attr, node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.append(("open", node))
    return found


def without_encoding(name: str, call: ast.Call) -> bool:
    """Whether a call opens a text file, or a process as text, in whatever encoding the machine prefers."""
    given = {keyword.arg for keyword in call.keywords}
    as_text = any(keyword.arg in ("text", "universal_newlines") and isinstance(keyword.value, ast.Constant)
                  and keyword.value.value is True for keyword in call.keywords)
    if name in TEXT or as_text:
        return "encoding" not in given
    if name == "open" and isinstance(call.func, ast.Name) or name == "fdopen":
        mode = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        return "encoding" not in given and not (mode and isinstance(mode[0], ast.Constant) and "b" in mode[0].value)
    return False


@pytest.mark.parametrize("room", [*OUTER, "writing", "tools", "benchmarks"])
def test_folders_are_listed_in_one_place_and_text_is_utf8(room):
    wrong = []
    for file in files(room):
        for name, call in calls(ROOT / file):
            if name in LISTING and str(file) != "data/files.py":
                wrong.append(f"{file}:{call.lineno}: {name}: list_folder of data.files leaves out hidden files")
            if without_encoding(name, call):
                wrong.append(f"{file}:{call.lineno}: {name} without encoding: text files are UTF-8 on every machine")
    assert wrong == []


def test_a_call_without_encoding_is_found():
    source = "open(f); open(f, 'w'); f.read_text(); run(f, text=True); f.write_text(t); os.fdopen(h, 'w')"
    fine = "open(f, 'rb'); open(f, encoding='utf-8'); f.read_text(encoding='utf-8'); Image.open(f); os.open(f, 1)"
    for text, expected in ((source, True), (fine, False)):
        found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        names = [getattr(node.func, "attr", getattr(node.func, "id", "")) for node in found]
        assert [without_encoding(*each) for each in zip(names, found, strict=True)] == [expected] * len(found)


def test_every_class_name_occurs_once():
    places: dict[str, list[str]] = {}
    for room in (*OUTER, "tools", "benchmarks"):
        for file in files(room):
            for node in nodes(ROOT / file):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(f"{file}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
