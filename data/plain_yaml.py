"""YAML as people mean it: the core schema of YAML 1.2, and every key once.

YAML 1.1, PyYAML's own, takes 010 for 8, 1:30 for 90, `no` for false and 1e-4 for text, and of two equal keys the last.
"""

import math
import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list] = {}  # none of PyYAML's


_NUMBERS = list("-+.0123456789")
for _tag, _pattern, _first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", _NUMBERS),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|(?i:[-+]?\.inf|\.nan)", _NUMBERS),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("merge", r"<<", ["<"])):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    try:
        return int(text, base)  # decimal also with leading zeros
    except ValueError:  # tagged !!int by hand, or of more digits than Python reads
        raise _error(node, f"{text[:20]} is not an integer") from None


def _real(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node)
    try:
        value = float(text.replace("_", "?").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _error(node, f"{text} is not a finite number")
    return value


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict:
    lines: dict[Any, int] = {}
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if isinstance(key_node, yaml.ScalarNode) and not key_node.tag.endswith(":merge"):
            key = loader.construct_object(key_node)
            if key in lines:
                raise _error(key_node, f"key '{key}' stands twice, in line {lines[key]} and line {line}")
            lines[key] = line
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


def _filled_later(loader: _Loader, node: yaml.MappingNode):
    values: dict = {}
    yield values
    values.update(_mapping(loader, node))


def _error(node: yaml.Node, what: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, f"line {node.start_mark.line + 1}: {what}", None)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)
_Loader.add_constructor("tag:yaml.org,2002:map", _filled_later)


def parse_yaml(text: str) -> Any:
    """Plain values. Raises yaml.YAMLError, also for a key that stands twice and a number that is not finite."""
    try:
        return yaml.load(text, _Loader)
    except (ValueError, AttributeError, RecursionError) as error:  # of tags such as !!timestamp, of nesting without end
        raise yaml.YAMLError(str(error)) from None
