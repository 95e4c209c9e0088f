"""Numbers and protocols of publications, read from published.yaml, where each has its source.

Scores were measured by other people, on retrained models, with other judges. Beside a run's own numbers they show a
reader the order of magnitude and the order of methods; none of them is a target to be matched exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data.files import read_yaml

FILE = Path(__file__).with_suffix(".yaml")
PERCENT = ("mIoU", "pixel accuracy")  # published in percent; a run's own values of these names are fractions


@dataclass(frozen=True)
class PublishedProtocol:
    """How the scores of a table were measured, as far as its source states it.

    size: height, width; None where not stated. judge: name and where its weights are found; None where it is not
    available. columns: the table's column -> the score here. fid_resize: the filter in front of Inception. unavailable:
    column -> why it has no score here. open: what no source states. sources: fact -> where it is stated.
    """

    layouts: int
    classes: int
    columns: Mapping[str, str]
    open: Sequence[str]
    size: tuple[int, int] | None = None
    judge: Mapping[str, str] | None = None
    fid_resize: str | None = None
    unavailable: Mapping[str, str] | None = None
    sources: Mapping[str, str] | None = None


@dataclass(frozen=True)
class PublishedTable:
    """What one publication reports on one dataset.

    name: of the publication's protocol. dataset: its name in this suite; title: in print. measured: judge, extractor,
    size and number of images in words. rows: title of a method -> column -> number as printed (percent for PERCENT).
    """

    name: str
    source: str
    remark: str
    dataset: str
    title: str
    measured: str
    rows: Mapping[str, Mapping[str, float]]
    protocol: PublishedProtocol | None

    @property
    def full_source(self) -> str:
        return f"{self.source}; {self.remark}" if self.remark else self.source


@dataclass(frozen=True)
class PublishedPreferences:
    """How often people preferred one method's image to another's.

    table_1: dataset -> method -> percent of comparisons, without time limit, in which the image of `baseline` was rated
    more realistic. figure_4: (method, other) -> exposure in ms -> how many of `judgments` preferred the first; on one
    dataset, `figure_4_dataset`.
    """

    source: str
    baseline: str
    titles: Mapping[str, str]
    table_1: Mapping[str, Mapping[str, float]]
    figure_4: Mapping[tuple[str, str], Mapping[int, int]]
    figure_4_dataset: str
    judgments: int

    def realism(self, dataset: str) -> dict[str, float]:
        """Method -> percent of comparisons with the baseline that it won, Table 1; the baseline itself has 50."""
        return {self.baseline: 50.0} | {method: round(100 - percent, 1)
                                        for method, percent in self.table_1[dataset].items()}

    def share(self, a: str, b: str, exposure_ms: float | None, dataset: str = "cityscapes") -> float | None:
        """Share (0..1) of judgments for `a` over `b`, either way round; exposure_ms None: unlimited time. None where
        none is reported."""
        if exposure_ms is None:
            table = self.table_1.get(dataset, {})
            won, lost = (table.get(b) if a == self.baseline else None), (table.get(a) if b == self.baseline else None)
            return won / 100 if won is not None else 1 - lost / 100 if lost is not None else None
        if dataset != self.figure_4_dataset:
            return None
        won, lost = (self.figure_4.get(pair, {}).get(exposure_ms) for pair in ((a, b), (b, a)))
        return won / self.judgments if won is not None else 1 - lost / self.judgments if lost is not None else None


@cache
def preferences() -> PublishedPreferences:
    found = _content()["preferences"]
    figure = found["figure 4"]
    return PublishedPreferences(found["source"], found["baseline"], found["titles"], found["table 1"],
                                {(a, b): counts for a, b, counts in figure["pairs"]}, figure["dataset"],
                                figure["judgments"])


@cache
def tables() -> tuple[PublishedTable, ...]:
    return tuple(_table(name, publication, dataset, values) for name, publication in _content()["tables"].items()
                 for dataset, values in publication["datasets"].items())


def tables_for(dataset: str, source: str = "") -> list[PublishedTable]:
    """Tables on `dataset` first, of these the one of `source` where it is named; then Cityscapes, then the rest."""
    return sorted(tables(), key=lambda table: (table.dataset != dataset, table.dataset != "cityscapes", table.title,
                                               table.source != source, table.measured))


def caution() -> str:
    """What a reader should know before comparing with published scores."""
    return _content()["caution"]


def unavailable() -> dict[str, str]:
    """Names of protocols that a user may expect -> why this suite has none."""
    return _content()["unavailable"]


@cache
def _content() -> dict[str, Any]:
    return read_yaml(FILE, "published numbers")


def _table(name: str, publication: Mapping[str, Any], dataset: str, values: Mapping[str, Any]) -> PublishedTable:
    titles, columns = _content()["methods"], values.get("columns", publication["columns"])
    rows = {titles[method]: dict(zip(columns, numbers, strict=True)) for method, numbers in values["rows"].items()}
    protocol = None
    if facts := values.get("protocol"):
        size = tuple(facts["size"]) if "size" in facts else None
        kept = {column: score for column, score in columns.items() if column not in facts.get("unavailable", {})}
        shared = {key: publication.get(key) for key in ("fid_resize", "sources")}
        protocol = PublishedProtocol(**shared | facts | {"size": size, "columns": kept})
    return PublishedTable(name, publication["source"], publication.get("remark", ""), dataset, values["title"],
                          values["measured"], rows, protocol)
