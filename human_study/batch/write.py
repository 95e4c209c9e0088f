"""Write a batch: HIT tables in MTurk's format, the page, the pictures under opaque names, the secret plan apart."""

import re
from collections.abc import Sequence
from dataclasses import astuple
from itertools import combinations
from pathlib import Path
from typing import Literal

from data.errors import InputError, nearest
from data.files import fingerprint, list_folder, read_mapping, write_json, write_rows, write_text
from data.made import is_made, write_record
from evaluation.run_directory import RunDirectory
from human_study.batch.assets import (
    LAYOUTS,
    Asset,
    Key,
    Name,
    identical_everywhere,
    in_language,
    source_hashes,
    write_assets,
)
from human_study.batch.folder import (
    ASSET_COLUMNS,
    PLAN_COLUMNS,
    RESPONSES,
    SCHEMA,
    TaskBatch,
    database_file,
    read_assets,
    read_batch,
)
from human_study.batch.identity import BatchIdentity, make_identity, private_folder
from human_study.page.page import table_template
from human_study.protocol.matlab import PUBLISHED, published_table, table_columns, table_text
from human_study.protocol.protocols import Protocol, load_protocol
from human_study.responses.columns import SEPARATOR
from human_study.responses.keys import opaque
from human_study.trials.cast import choose_cast, fitted
from human_study.trials.draw import draw
from human_study.trials.trials import Hit, Trial

Rng = Literal["numpy", "matlab"]


class StudyInUse(InputError):
    """A batch that people answered would be overwritten."""


def write_batch(run: RunDirectory, protocol: str | Protocol, methods: Sequence[str] | None, baseline: str,
                anchor: str | None = None, seed: int = 0, rng: Rng = "numpy", images_url: str = "images",
                out: Path | None = None) -> TaskBatch:
    """Draw the design and write study/<protocol>/ (or `out`). The same run and arguments give the same
    bytes in the same folder: opaque names follow from the batch's own secret.

    methods: those compared with `baseline`; None: all of the run but the baseline and the anchor. anchor: overrides
    the protocol's. images_url: where the pictures will be served from, without the last slash.
    Raises InputError for unknown, identical or too few methods, an anchor that is tested, too few or unequal images;
    StudyInUse where another batch is in use there.
    """
    protocol = fitted(run, load_protocol(protocol) if isinstance(protocol, str) else protocol)
    cast = choose_cast(run, protocol, methods, baseline, anchor)
    # from the content of the study, not the place of the run, so that a repeated run draws the same design
    content = fingerprint(run.layouts(), protocol.sha256(), [cast.baseline, cast.others, cast.anchor], seed)
    dataset = run.config()["config"].get("data", {}).get("dataset", "images")
    study_id = f"{dataset}-{protocol.name}-{content[:8]}"
    _check_url(images_url)
    hits = draw(protocol, cast, run.layouts(), study_id, seed, rng)
    names = pictures(hits, protocol)
    hashes = source_hashes(run, sorted({name[1:] for name in names}))
    spec = {"schema": SCHEMA, "study_id": study_id, "protocol": protocol.model_dump(mode="json"),
            "protocol_sha256": protocol.sha256(), "baseline": cast.baseline, "methods": list(cast.others),
            "anchor": cast.anchor, "seed": seed, "rng": rng,
            "images_sha256": {f"{method}/{image}": digest for (method, image), digest in sorted(hashes.items())}}
    spec["spec_sha256"] = fingerprint(spec)
    folder = Path(out) if out else run.study / protocol.name
    _keep_answers(folder, spec)
    identity = make_identity(folder)
    assets = _pictures_on_disk(run, folder, spec["spec_sha256"], identity, hashes, hits, protocol)
    tables = table_names(hits, identity.secret)
    _write_plan(folder, spec, hits, assets, tables)
    if protocol.task == "pairs":  # a table knows neither single pictures nor more than two
        _write_tables(folder, protocol, hits, assets, images_url, tables)
    write_json(private_folder(folder) / "spec.json", spec)
    batch = read_batch(folder)
    if protocol.task == "pairs":
        write_text(folder / "public" / "template.html", table_template(batch))
    return batch


def pictures(hits: Sequence[Hit], protocol: Protocol) -> list[Name]:
    """Every (table, method, image_id) shown, sorted: of all methods, of layouts where they are shown, and instruction
    checks in every language."""
    shown = set()
    for hit in hits:
        for trial in hit.trials:
            check = trial.sentinel == "instruction"
            images = [in_language(trial.image_id, code, protocol) for code in protocol.languages] if check else [
                trial.image_id]
            methods = [*trial.methods, *([LAYOUTS] if protocol.show_layout and not check else [])]
            shown |= {(hit.table, method, image) for method in methods for image in images}
    return sorted(shown)


def _keep_answers(folder: Path, spec: dict) -> None:
    """People's answers can only be read with the plan they were given to; simulated ones are made again. Raises
    StudyInUse."""
    written = folder / "secret" / "spec.json"
    if not written.exists() or read_mapping(written).get("spec_sha256") == spec["spec_sha256"]:
        return
    for file in (database_file(folder), folder / RESPONSES):
        if file.exists():
            raise StudyInUse(f"{file}: belongs to a batch with other settings or images, which would be overwritten; "
                             f"rename {folder} to keep it, then run the same command again")
    for file in list_folder(folder, f"secret/{database_file(folder, simulated=True).name}*"):
        file.unlink()


def _pictures_on_disk(run: RunDirectory, folder: Path, spec_sha256: str, identity: BatchIdentity,
                      hashes: dict[Key, str], hits: Sequence[Hit], protocol: Protocol) -> dict[Name, Asset]:
    """Keep the pictures of an earlier call with the same specification, otherwise write them."""
    images, record = folder / "public" / "images", folder / "secret" / "images.json"
    # names change with the pictures, because caches keep old ones
    secret = opaque(identity.secret.encode(), spec_sha256)
    inputs, table = fingerprint(spec_sha256, secret), folder / "secret" / "assets.csv"
    if is_made(record, inputs, [table], folder):
        return {asset.name: asset for asset in read_assets(folder)}
    (folder / "secret" / "spec.json").unlink(missing_ok=True)  # an interrupted call leaves no batch that looks complete
    assets, pixels = write_assets(run, images, hashes, pictures(hits, protocol), secret, protocol)
    for left, right in sorted({pair for hit in hits for trial in hit.trials if trial.sentinel == "none"
                               for pair in combinations(trial.compared, 2)}):
        if identical_everywhere(pixels, left, right):
            raise InputError(f"methods '{left}' and '{right}' have the same images: nothing to compare")
    write_rows(table, [ASSET_COLUMNS, *map(astuple, assets)])
    write_record(record, inputs, [table, *(images / f"{asset.asset_id}.png" for asset in assets)], folder)
    return {asset.name: asset for asset in assets}


def _write_plan(folder: Path, spec: dict, hits: Sequence[Hit], assets: dict[Name, Asset],
                names: dict[str, str]) -> None:
    rows = [PLAN_COLUMNS]
    for hit in hits:
        hit_id = opaque(spec["spec_sha256"].encode(), "hit", hit.table, hit.index)[:16]
        for i, trial in enumerate(hit.trials):
            shown = [assets[hit.table, method, trial.image_id].asset_id for method in trial.methods]
            rows.append([spec["study_id"], spec["spec_sha256"], names[hit.table], hit_id, hit.index, i, trial.trial_id,
                         trial.block, trial.image_id, trial.condition, trial.task, SEPARATOR.join(trial.methods),
                         SEPARATOR.join(shown), trial.exposure_ms or "", str(trial.adaptive).lower(), trial.sentinel,
                         trial.sentinel_answer])
    write_rows(folder / "secret" / "plan.csv", rows)


def table_names(hits: Sequence[Hit], secret: str) -> dict[str, str]:
    """Opaque file names of the HIT tables, without suffix, by table: neither name nor order reveals the method."""
    tables = sorted({hit.table for hit in hits}, key=lambda table: opaque(secret.encode(), "table", table))
    return {table: f"hits-{i:02d}" for i, table in enumerate(tables, 1)}


def _write_tables(folder: Path, protocol: Protocol, hits: Sequence[Hit], assets: dict[Name, Asset], url: str,
                  names: dict[str, str]) -> None:
    for old in list_folder(folder / "public", "hits-*.csv"):
        if old.stem not in names.values():
            old.unlink()

    def cells(table: str, trial: Trial) -> dict[str, str]:
        found = {side: assets.get((table, method, trial.image_id)) for side, method in
                 zip(("left", "right", "layout"), (*trial.methods, LAYOUTS), strict=True)}
        return {side: f"{url}/{asset.asset_id}.png" if asset else "" for side, asset in found.items()} | {
            "ms": str(trial.exposure_ms or "")}

    for table, name in names.items():
        rows = [[cells(table, trial) for trial in hit.trials] for hit in hits if hit.table == table]
        columns = table_columns(protocol.timed, protocol.show_layout)
        write_text(folder / "public" / f"{name}.csv", table_text(rows, columns))


def _check_url(url: str) -> None:
    """Pictures on an https page must come by https; cells and attributes are filled in unescaped by the platforms."""
    if not re.fullmatch(r"[A-Za-z0-9:/._~%+@-]+", url) or url.endswith("/"):
        raise InputError(f"--images-url {url}: expected an address without spaces, quotes, commas and last slash")
    if url.startswith("http:") and not re.match(r"http://(localhost|127\.0\.0\.1)\b", url):
        raise InputError(f"--images-url {url}: pages of the platforms are https and refuse pictures by http; use https")


def write_published(protocol: str, out: Path) -> Path:
    """The HIT table published with the paper, byte for byte, under its published name."""
    if protocol not in PUBLISHED:
        raise InputError(f"no table was published for protocol '{protocol}': {nearest(protocol, PUBLISHED)}")
    name, table = published_table(protocol)
    write_text(Path(out) / name, table)
    return Path(out) / name
