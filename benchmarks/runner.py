"""How every benchmark is called: its options, its rows as a table on the terminal, and the same rows as JSON."""

import argparse
import platform
import socket
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from data.errors import one_line_errors
from data.files import write_json

Result = dict[str, Any]  # one line of the table; "fault": what must not be, which makes the exit code 1


def run(name: str, description: str, options: Callable[[argparse.ArgumentParser], None],
        measure: Callable[[argparse.Namespace], Iterable[Result]], argv: Sequence[str] | None = None) -> int:
    """The command line of benchmarks/<name>.py; the exit code.

    options: adds the benchmark's own. measure: gives its rows.
    """
    usage = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    options(usage)
    usage.add_argument("--out", type=Path, metavar="FILE.json", help="also write the table as JSON")
    args = usage.parse_args(argv)
    with one_line_errors(f"benchmarks.{name}"):
        rows = list(measure(args))
        print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n\n{table(rows)}")
        if args.out:
            settings = {key: value for key, value in vars(args).items() if key != "out" and value is not None}
            write_json(args.out, {"machine": {"processor": processor(), "threads": torch.get_num_threads(),
                                              "torch": torch.__version__},
                                  "options": {key: str(value) for key, value in settings.items()}, "rows": rows})
    return 1 if any(row.get("fault") for row in rows) else 0


def processor() -> str:
    """Name of the GPU if there is one, else of the CPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def table(results: Iterable[Result]) -> str:
    """Columns of equal width; rows with other columns than the ones before begin a new table."""
    parts = []
    for columns, group in groupby(results, key=tuple):
        rows = list(group)
        cells = [list(columns), *([_text(row[column]) for column in columns] for row in rows)]
        sides = ["<" if isinstance(rows[0][column], str) else ">" for column in columns]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        parts.append("\n".join("  ".join(f"{text:{side}{width}}" for text, side, width
                                         in zip(line, sides, widths, strict=True)).rstrip() for line in cells))
    return "\n\n".join(parts)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
