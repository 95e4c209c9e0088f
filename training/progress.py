"""Progress of trainings: a bar for each on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_SECONDS = 15  # between two lines about one training, if output goes to a file


@dataclass(frozen=True)
class Position:
    """Progress of one training. loss: mean over the steps since the last position; None when the training has ended,
    finished or not."""

    title: str
    step: int
    steps: int
    loss: float | None = None


Watcher = Callable[[Position], None]


class Display:
    """Shows the trainings that are running, in whatever process; `show` is a Watcher."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   TextColumn("{task.fields[loss]}"))
        self.bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal,
                             redirect_stdout=sys.stdout.isatty())
        self.rows: dict[str, TaskID] = {}
        self.lines: dict[str, tuple[float, int, float]] = {}  # by title: time and step of the first, time of the last

    def show(self, at: Position) -> None:
        if self.bars.disable:
            self._line(at)
        elif at.loss is not None:
            self.bars.start()  # no effect if they run
            if at.title not in self.rows:
                self.rows[at.title] = self.bars.add_task(at.title, total=at.steps, completed=at.step, loss="")
            self.bars.update(self.rows[at.title], completed=at.step, loss=f"loss {at.loss:.4g}")
        elif at.title in self.rows:
            self.bars.remove_task(self.rows.pop(at.title))
            if not self.rows:
                self.bars.stop()

    def _line(self, at: Position) -> None:
        now = time.monotonic()
        started, first, last = self.lines.setdefault(at.title, (now, at.step, now))
        if at.loss is None:
            del self.lines[at.title]
        elif now - last > LINE_SECONDS:
            self.lines[at.title] = started, first, now
            left = (now - started) / max(1, at.step - first) * (at.steps - at.step)
            print(f"  {at.title}: step {at.step}/{at.steps}, loss {at.loss:.4g}, {left:.0f} s left", file=sys.stderr,
                  flush=True)

    def close(self) -> None:
        """Remove all bars: after an interruption, the last positions of trainings may never come."""
        for task in self.rows.values():
            self.bars.remove_task(task)
        self.rows = {}
        self.bars.stop()
