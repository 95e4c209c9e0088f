"""Logs of a training for people: a CSV file and TensorBoard events."""

import csv
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from data.files import write_text


class TrainingLog:
    """log.csv (step, images, seconds, total and every loss term) and TensorBoard events in one folder.

    Opened at the step of the checkpoint: rows that a killed run wrote after it are cut off, so that none occurs twice.
    """

    def __init__(self, folder: Path, step: int):
        self.file = folder / "log.csv"
        self.columns: list[str] | None = None
        self._keep_until(step)
        self.events = None
        if _is_utf8(folder):
            self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)
        else:
            print(f"  {folder}: no TensorBoard events, whose library writes to UTF-8 paths only; log.csv has the same",
                  flush=True)

    def _keep_until(self, step: int) -> None:
        text = self.file.read_text(encoding="utf-8", errors="replace") if self.file.exists() and step else ""
        whole = text[: text.rfind("\n") + 1].replace("\0", "")  # a line without its end is half a line
        rows = list(csv.reader(whole.splitlines()))
        if rows and rows[0][:1] != ["step"]:  # damaged: begin again with new columns
            print(f"  {self.file}: damaged, goes on from step {step}", flush=True)
            rows = []
        if rows:
            self.columns = rows[0]
        kept = rows[:1] + [row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdecimal()
                           and int(row[0]) <= step]
        write_text(self.file, "".join(",".join(row) + "\n" for row in kept))

    def add(self, step: int, images: int, seconds: float, terms: dict[str, float]) -> None:
        row: dict[str, Any] = {"step": step, "images": images, "seconds": f"{seconds:.2f}"}
        row |= {name: f"{value:.6g}" for name, value in terms.items()}
        with open(self.file, "a", newline="", encoding="utf-8") as file:
            if self.columns is None:
                self.columns = list(row)
                file.write(",".join(self.columns) + "\n")
            file.write(",".join(str(row.get(column, "")) for column in self.columns) + "\n")
        for name, value in terms.items() if self.events else ():
            self.events.add_scalar(f"loss/{name}", value, step)

    def close(self) -> None:
        with suppress(OSError):  # a full disk, which `add` reports
            if self.events:
                self.events.close()


def _is_utf8(path: Path) -> bool:
    """Whether the bytes of a path are its text in UTF-8: false in other locales and for names of old disks."""
    try:
        return os.fsencode(path) == str(path).encode()
    except UnicodeEncodeError:
        return False
