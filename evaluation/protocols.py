"""Protocols of published tables by name (`score.protocol`): what they set, what they need, whether a run keeps them.

Only what a source states is required; what it leaves open is printed for the reader, because it moves the numbers. A
name is printed beside a value only while everything required is as the publication has it.
"""

from collections.abc import Sequence

from data.errors import InputError, nearest
from data.files import write_json
from evaluation import published
from evaluation.metrics.work import Work
from evaluation.published import PublishedProtocol, PublishedTable

UNCHECKED = "whether the judge's weights are those of its authors' file, whose hash nobody published"
INCEPTION = "FID: the official Inception weights (python -m evaluation.weights get inception)"


def settings(protocol: PublishedProtocol) -> list[str]:
    """Settings of a preset that a protocol implies, as on the command line; the user's own override them."""
    size = [f"data.size={list(protocol.size)}"] if protocol.size else []
    extractor = f"score.extractors=[{{kind: inception, resize: {protocol.fid_resize}}}]"
    return ["data.val=null", *size, *([extractor] if protocol.fid_resize else [])]


def needs(protocol: PublishedProtocol) -> list[str]:
    """What a user has to get for it, and from where."""
    lines = list((protocol.unavailable or {}).values())
    if protocol.judge:
        name = protocol.judge["name"]
        lines.append(f"judge {name}: {protocol.judge['weights']}, exported to TorchScript, with `network: {name}` in "
                     "the YAML beside it (docs/scores.md, judges)")
    return lines + ([INCEPTION] if "FID" in protocol.columns else [])


def named() -> dict[str, dict[str, PublishedTable]]:
    """Name of a protocol -> dataset -> its table."""
    found: dict[str, dict[str, PublishedTable]] = {}
    for table in published.tables():
        if table.protocol:
            found.setdefault(table.name, {})[table.dataset] = table
    return found


def named_protocol(name: str, dataset: str) -> PublishedTable:
    """The table with its protocol. Raises InputError for an unknown name and for a dataset without a table under it."""
    known = named()
    if name in published.unavailable():
        raise InputError(f"score.protocol: '{name}' cannot be checked here: {published.unavailable()[name]}; known: "
                         f"{', '.join(sorted(known))}")
    if name not in known:
        raise InputError(f"score.protocol: unknown protocol '{name}': {nearest(name, known)}")
    if dataset not in known[name]:
        raise InputError(f"score.protocol: '{name}' has no table on dataset '{dataset}'; it has one on "
                         f"{', '.join(known[name])}")
    return known[name][dataset]


def differences(work: Work, wanted: PublishedProtocol) -> dict[str, list[str]]:
    """Column of the table -> what in this run is not as the table has it; empty lists where the name may be printed."""
    common = []
    if wanted.size and tuple(work.measurements.size) != wanted.size:
        common.append(f"images are {_size(work.measurements.size)}, not {_size(wanted.size)}")
    if work.n != wanted.layouts:
        common.append(f"N is {work.n}, not {wanted.layouts}")
    found = {}
    for column in wanted.columns:
        found[column] = common + (_of_extractors(work, wanted) if column == "FID" else _of_judge(work, wanted))
    return found


def _size(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


def _of_extractors(work: Work, wanted: PublishedProtocol) -> list[str]:
    """The score's name implies the official weights and the filter; a label of the user's own hides both."""
    names = [consumer.extractor.quantity("FD").name for consumer in work.extractors]
    here = wanted.columns["FID"] in names
    return [] if here else [f"no extractor is the official Inception behind {wanted.fid_resize}"]


def _of_judge(work: Work, wanted: PublishedProtocol) -> list[str]:
    about = work.context.judge.provenance if work.context.judge else {}
    judge = wanted.judge["name"] if wanted.judge else None
    problems = [] if about.get("name") == judge else [f"the judge is {about.get('name', 'none')}, not {judge}"]
    classes = len(work.run.labels()) - 1
    if classes != wanted.classes:
        problems.append(f"{classes} classes are scored, not {wanted.classes}")
    mapping = about.get("label mapping", {})
    if about and len(set(mapping.values())) != wanted.classes:
        problems.append(f"the judge's classes are not mapped to all {wanted.classes}")
    elif any(int(theirs) != own for theirs, own in mapping.items()):
        problems.append("the judge's classes are mapped in another order than the dataset's")
    seen = about.get("input size", [])
    if wanted.size and not isinstance(seen, str) and any(a < b for a, b in zip(seen, wanted.size, strict=False)):
        problems.append(f"the judge sees images at {_size(seen)}, smaller than {_size(wanted.size)}")
    return problems


def write_named_protocol(work: Work) -> None:
    """scores/protocol.json, and `work.named` for the protocols of all scores; no file where none is requested."""
    name, file = work.context.options.protocol, work.run.path / "scores" / "protocol.json"
    work.named = {}
    if name is None:
        file.unlink(missing_ok=True)
        return
    dataset = work.run.config()["config"]["data"]["dataset"]
    table = named_protocol(name, dataset)
    protocol = table.protocol
    differs = differences(work, protocol)
    work.named = {protocol.columns[column]: name for column, problems in differs.items() if not problems}
    write_json(file, {
        "asked for": name, "dataset": dataset, "table": table.source, "values": protocol.columns,
        "kept by": sorted(column for column, problems in differs.items() if not problems), "differs": differs,
        "needs": needs(protocol), "left open by the paper": list(protocol.open), "sources": protocol.sources or {},
        "not checked": [UNCHECKED] if protocol.judge else []})
