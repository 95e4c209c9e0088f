"""What a training run leaves for people to watch: a CSV log, TensorBoard events, a progress bar."""

import csv
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from data.files import write_text


class TrainingLog:
    """log.csv (step, images, seconds, total and every loss term) and TensorBoard events in one folder.

    Opened at the step of the checkpoint: rows that a killed run wrote after it are cut off, so that none stands twice.
    """

    def __init__(self, folder: Path, step: int):
        self.file = folder / "log.csv"
        self.columns: list[str] | None = None
        self._keep_until(step)
        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def _keep_until(self, step: int) -> None:
        rows = list(csv.reader(self.file.read_text().splitlines())) if self.file.exists() and step else []
        if rows:
            self.columns = rows[0]
        kept = rows[:1] + [row for row in rows[1:] if len(row) == len(rows[0]) and int(row[0]) <= step]
        write_text(self.file, "".join(",".join(row) + "\n" for row in kept))

    def add(self, step: int, images: int, seconds: float, terms: dict[str, float]) -> None:
        row: dict[str, Any] = {"step": step, "images": images, "seconds": f"{seconds:.2f}"}
        row |= {name: f"{value:.6g}" for name, value in terms.items()}
        with open(self.file, "a", newline="") as file:
            if self.columns is None:
                self.columns = list(row)
                file.write(",".join(self.columns) + "\n")
            file.write(",".join(str(row.get(column, "")) for column in self.columns) + "\n")
        for name, value in terms.items():
            self.events.add_scalar(f"loss/{name}", value, step)

    def close(self) -> None:
        self.events.close()


class TrainingProgress:
    """A progress bar with loss and time left on a terminal; a line every 15 seconds where output goes to a file, or
    where several processes share the terminal."""

    def __init__(self, title: str, steps: int, done: int, visible: bool = True):
        self.title, self.steps, self.done, self.first = title, steps, done, done
        self.started = self.printed = time.monotonic()
        self.bar = None
        if visible and sys.stderr.isatty() and multiprocessing.parent_process() is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                       TextColumn("{task.fields[loss]}"))
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(title, total=steps, completed=done, loss="")
            self.bar.start()
        self.visible = visible

    def update(self, step: int, loss: float) -> None:
        self.done = step
        if self.bar:
            self.bar.update(self.task, completed=step, loss=f"loss {loss:.4g}")
        elif self.visible and time.monotonic() - self.printed > 15:
            self.printed = time.monotonic()
            left = (self.printed - self.started) / max(1, step - self.first) * (self.steps - step)
            print(f"  {self.title}: step {step}/{self.steps}, loss {loss:.4g}, {left:.0f} s left", file=sys.stderr,
                  flush=True)

    def close(self) -> None:
        if self.bar:
            self.bar.stop()
