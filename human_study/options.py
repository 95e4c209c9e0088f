"""How commands declare their options: beside the function that they start, see human_study.commands."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

Option = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Command:
    run: Callable[[argparse.Namespace], None]
    text: str
    options: Sequence[Option]


class OneLineParser(argparse.ArgumentParser):
    """Reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def option(flag: str, text: str, **more: Any) -> Option:
    return flag, {"help": text, **more}


def flag(name: str, text: str) -> Option:
    return option(name, text, action="store_true")


def numbers(text: str) -> list[int]:
    """argparse type: "10,20" -> [10, 20]."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': expected whole numbers separated by commas") from None


def whole_in(least: int, most: int | None = None) -> Callable[[str], int]:
    """argparse type: a whole number in a range."""
    def read(text: str) -> int:
        value = int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
        if value is None or value < least or (most is not None and value > most):
            upper = f" to {most}" if most is not None else " or more"
            raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, {least}{upper}")
        return value
    return read
