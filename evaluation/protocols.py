"""Protocols of published tables by name (`score.protocol`): what they set, what they need, whether a run keeps them.

Only what a paper states is asked for; what it leaves open stands in `open` and is told to the reader, because it moves
the numbers. A name is printed beside a value only while everything asked for is as the paper has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.errors import InputError, nearest
from data.files import write_json
from evaluation.metrics.context import Work

FID_SETTING = "score.extractors=[{kind: inception, resize: tf1-bilinear}]"
INCEPTION = "FID: the official Inception weights (docs/scores.md, extractors)"
VOID_COUNTED = "pixel accuracy, void counted"  # 81.9 of SPADE's table is 93.5 where void is ignored


@dataclass(frozen=True)
class NamedProtocol:
    """source: the table. size: height, width; None where not stated. judge: what `network` of its description must say;
    None where the table's judge cannot be had. values: the table's column -> the name of the value here. needs: what to
    get and where. open: what the paper does not state."""

    source: str
    size: tuple[int, int] | None
    layouts: int
    judge: str | None
    classes: int
    values: dict[str, str]
    needs: Sequence[str]
    open: Sequence[str]

    def settings(self) -> list[str]:
        """Settings of a preset, as on the command line; the user's own go before them."""
        size = [f"data.size={list(self.size)}"] if self.size else []
        return ["data.val=null", *size, *([FID_SETTING] if "FID" in self.values else [])]


_OPEN = ("the size and filter with which images reach the judge", "whether FID's real set is val or train",
         "FID's resize filter")
_SCORES = {"mIoU": "mIoU", "pixel accuracy": VOID_COUNTED, "FID": "FID"}
_SPADE = "Park et al. 2019 (SPADE), Table 1"
_OASIS = "Schönfeld et al. 2021 (OASIS)"


def _exported(network: str, where: str) -> str:
    return (f"judge {network}: {where}, exported to TorchScript, with `network: {network}` in the YAML beside it "
            "(docs/scores.md, judges)")


NAMED: dict[str, dict[str, NamedProtocol]] = {
    "spade": {
        "cityscapes": NamedProtocol(_SPADE, (256, 512), 500, "DRN-D-105", 19, _SCORES, (
            _exported("DRN-D-105", "weights for Cityscapes of the Dilated Residual Networks' authors"), INCEPTION),
            _OPEN),
        "ade20k": NamedProtocol(_SPADE, (256, 256), 2000, "UperNet101", 150, _SCORES, (
            _exported("UperNet101", "weights of the scene parsing benchmark's authors"), INCEPTION), _OPEN),
        "coco_stuff": NamedProtocol(_SPADE, (256, 256), 5000, "DeepLabV2", 182, _SCORES, (
            _exported("DeepLabV2", "weights for COCO-Stuff"), INCEPTION), _OPEN)},
    "oasis": {
        "cityscapes": NamedProtocol(_OASIS, (256, 512), 500, None, 19, {"FID": "FID"}, (
            "the judge of its mIoU, a DRN trained at 256x512, is not published: mIoU cannot be had under this name",
            INCEPTION), _OPEN[1:]),
        "ade20k": NamedProtocol(_OASIS, (256, 256), 2000, "UperNet101", 150, {"mIoU": "mIoU", "FID": "FID"}, (
            _exported("UperNet101", "weights of the scene parsing benchmark's authors"), INCEPTION), _OPEN)},
    "pix2pixhd": {
        "cityscapes": NamedProtocol("Wang et al. 2018 (pix2pixHD), Table 1", None, 500, "PSPNet", 19,
                                    {"mIoU": "mIoU", "pixel accuracy": "pixel accuracy"},
                                    (_exported("PSPNet", "weights for Cityscapes of its authors"),),
                                    ("the size of the images", "whether void pixels count", *_OPEN[:1]))}}

NOT_HERE = {
    "pix2pix-fcn": "its judge, an FCN-8s in Caffe, is not one that this suite can load, and no table of it stands here",
    "freestyle": "no table of it stands here with all that its numbers need"}  # asked for, and refused with the reason


def named_protocol(name: str, dataset: str) -> NamedProtocol:
    """Raises InputError for an unknown name, and for a dataset that has no table under it."""
    if name in NOT_HERE:
        raise InputError(f"score.protocol: '{name}' cannot be checked here: {NOT_HERE[name]}; known: "
                         f"{', '.join(sorted(NAMED))}")
    if name not in NAMED:
        raise InputError(f"score.protocol: unknown protocol '{name}': {nearest(name, NAMED)}")
    if dataset not in NAMED[name]:
        raise InputError(f"score.protocol: '{name}' has no table on dataset '{dataset}'; it has one on "
                         f"{', '.join(NAMED[name])}")
    return NAMED[name][dataset]


def differences(work: Work, wanted: NamedProtocol) -> dict[str, list[str]]:
    """Column of the table -> what in this run is not as the table has it; empty lists where the name may be printed."""
    common = []
    if wanted.size and tuple(work.measurements.size) != wanted.size:
        common.append(f"images are {_size(work.measurements.size)}, not {_size(wanted.size)}")
    if work.n != wanted.layouts:
        common.append(f"N is {work.n}, not {wanted.layouts}")
    found = {}
    for column in wanted.values:
        found[column] = common + (_of_extractors(work) if column == "FID" else _of_judge(work, wanted))
    return found


def _size(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


def _of_extractors(work: Work) -> list[str]:
    official = any(consumer.extractor.official_fid for consumer in work.extractors)
    return [] if official else ["no extractor is the official Inception behind tf1-bilinear"]


def _of_judge(work: Work, wanted: NamedProtocol) -> list[str]:
    about = work.context.judge.protocol if work.context.judge else {}
    problems = [] if about.get("name") == wanted.judge else [f"the judge is {about.get('name', 'none')}, not "
                                                             f"{wanted.judge}"]
    classes = len(work.run.labels()) - 1
    if classes != wanted.classes:
        problems.append(f"{classes} classes are scored, not {wanted.classes}")
    if about and len(set(about.get("label mapping", {}).values())) != wanted.classes:
        problems.append(f"the judge's classes are not mapped to all {wanted.classes}")
    return problems


def write_named_protocol(work: Work) -> None:
    """scores/protocol.json, and `work.named` for the protocols of all scores; no file where none is asked for."""
    name, file = work.context.options.protocol, work.run.path / "scores" / "protocol.json"
    work.named = {}
    if name is None:
        file.unlink(missing_ok=True)
        return
    dataset = work.run.config()["config"]["data"]["dataset"]
    wanted = named_protocol(name, dataset)
    differs = differences(work, wanted)
    work.named = {wanted.values[column]: name for column, problems in differs.items() if not problems}
    content: dict[str, Any] = {
        "asked for": name, "dataset": dataset, "table": wanted.source, "values": wanted.values,
        "kept by": sorted(column for column, problems in differs.items() if not problems), "differs": differs,
        "needs": list(wanted.needs), "left open by the paper": list(wanted.open)}
    write_json(file, content)
