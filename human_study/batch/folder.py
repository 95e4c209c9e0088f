"""A batch on disk, written by human_study.batch.write and read by the server and the importers.

    study/<protocol>/public/images/<asset>.png   pictures under opaque names
    study/<protocol>/public/hits-01.csv ...      HIT tables in MTurk's format, one per baseline
    study/<protocol>/public/template.html        page for MTurk's form and for Turkle
    study/<protocol>/secret/spec.json            the frozen specification; its hash is on every output
    study/<protocol>/secret/plan.csv             one row per planned trial (knows the methods)
    study/<protocol>/secret/assets.csv           one row per picture (knows the methods)
    study/<protocol>/secret/images.json          record of the pictures: their inputs and hashes
    study/<protocol>/secret/identity             the identity of this batch, and the secret of its names

Nothing of secret/ may reach a participant. `trial_index` counts from 0: field choice_N of the page belongs to N - 1.
"""

import shlex
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from data.errors import InputError, nearest
from data.files import fingerprint, list_folder, read_mapping, read_rows
from evaluation.run_directory import RunDirectory
from human_study.batch.assets import Asset
from human_study.batch.identity import key_file
from human_study.protocol.protocols import Protocol, validate
from human_study.responses.columns import LAYOUT_OF, SEPARATOR, methods_of, shown_cells

SCHEMA = 4  # of a batch and its database
EARLIER_SCHEMA = 3  # is read too, since it differs in names only; others are refused, never guessed at
RENAMED = {"reference": "baseline", "per-worker": "per-participant",
           "use_one_session_per_worker": "use_one_session_per_participant"}
RESPONSES = "responses.csv"  # of a study folder: answers collected from platforms or exported from the server
LINKS = "links.csv"  # in secret/: participants' names and links
SIMULATED_RESPONSES = "simulated-responses.csv"  # of simulated participants, always apart


@dataclass(frozen=True)
class PlannedTrial:
    """One row of plan.csv; `exposure_req_ms` None: no time limit."""

    study_id: str
    spec_sha256: str
    batch_id: str
    hit_id: str
    hit_index: int
    trial_index: int
    trial_id: str
    block: str
    image_id: str
    condition: str
    task: str
    methods: tuple[str, ...]  # of the pictures, in the order of their places
    assets: tuple[str, ...]
    exposure_req_ms: int | None  # of an adaptive trial: where its staircase begins
    adaptive: bool
    sentinel: str
    sentinel_answer: str

    @classmethod
    def from_row(cls, row: dict[str, str]) -> "PlannedTrial":
        ms = row["exposure_req_ms"]
        return cls(**{**row, "hit_index": int(row["hit_index"]), "trial_index": int(row["trial_index"]),
                      "exposure_req_ms": int(ms) if ms else None, "adaptive": row["adaptive"] == "true",
                      **{name: tuple(row[name].split(SEPARATOR)) for name in ("methods", "assets")}})

    @property
    def compared(self) -> tuple[str, ...]:
        """Methods; outcomes count choices of the first."""
        return methods_of(self.condition)

    def row(self) -> dict[str, str | int | bool | None]:
        """The trial's columns in the table of responses."""
        rest = {name: value for name, value in vars(self).items() if name not in ("methods", "assets")}
        return {**rest, "sentinel_answer": self.sentinel_answer or None, "layout": LAYOUT_OF[self.task],
                **shown_cells(self.task, self.methods, self.assets)}


PLAN_COLUMNS = tuple(column.name for column in fields(PlannedTrial))
ASSET_COLUMNS = tuple(column.name for column in fields(Asset))


@dataclass(frozen=True)
class TaskBatch:
    """A written batch. `hits`: trials by hit_id in the order of the tables."""

    folder: Path
    spec: dict
    hits: dict[str, list[PlannedTrial]]
    assets: dict[str, Asset]  # by asset_id

    @property
    def public(self) -> Path:
        return self.folder / "public"

    @property
    def secret(self) -> Path:
        return self.folder / "secret"

    @property
    def study_id(self) -> str:
        return self.spec["study_id"]

    @property
    def spec_sha256(self) -> str:
        return self.spec["spec_sha256"]

    @property
    def key_file(self) -> Path:
        """Default file of the key of pseudonyms and links."""
        return key_file(self.folder, self.study_id)

    @cached_property
    def protocol(self) -> Protocol:
        return validate(self.spec["protocol"], str(self.secret / "spec.json"))

    def image(self, asset_id: str) -> Path:
        return self.public / "images" / f"{asset_id}.png"


def database_file(folder: Path, simulated: bool = False) -> Path:
    """The file of the answers to a batch. Simulated participants have a separate one."""
    return folder / "secret" / ("simulated.sqlite" if simulated else "study.sqlite")


def command(name: str, folder: Path, *words: object) -> str:
    """A command for a study's folder in a run, to be copied into a shell."""
    study = ("--run", folder.parent.parent, "--protocol", folder.name)
    return shlex.join(map(str, ("python", "-m", "human_study", name, *study, *words)))


def read_batch(folder: str | Path) -> TaskBatch:
    """Read study/<protocol>/. Raises InputError when there is no complete batch, or its specification was changed."""
    folder = Path(folder)
    spec_file = folder / "secret" / "spec.json"
    if not spec_file.is_file():
        raise InputError(f"{folder}: no study batch in it (no secret/spec.json); write one with python -m "
                         "human_study hits --run RUN --protocol PROTOCOL")
    spec = read_mapping(spec_file)
    if spec.get("schema") not in (SCHEMA, EARLIER_SCHEMA):
        raise InputError(f"{spec_file}: written by another version of this program (schema {spec.get('schema')}, this "
                         f"one has {SCHEMA}): go on with that version, or rename the folder and write the batch again")
    if fingerprint({key: value for key, value in spec.items() if key != "spec_sha256"}) != spec.get("spec_sha256"):
        raise InputError(f"{spec_file}: changed after it was written (its hash does not match): rules and images are "
                         "fixed before the study; write the batch again")
    if spec["schema"] == EARLIER_SCHEMA:
        spec = _renamed(spec)
    hits: dict[str, list[PlannedTrial]] = {}
    for row in read_rows(folder / "secret" / "plan.csv", PLAN_COLUMNS):
        trial = PlannedTrial.from_row(row)
        hits.setdefault(trial.hit_id, []).append(trial)
    assets = {asset.asset_id: asset for asset in read_assets(folder)}
    return TaskBatch(folder, spec, hits, assets)


def _renamed(spec: dict) -> dict:
    """A specification of schema 3 with the present names; its `spec_sha256` stays that of the file."""
    protocol = spec["protocol"]
    rules = {RENAMED.get(name, name): value for name, value in protocol["rules"].items()}
    chosen = {name: RENAMED.get(protocol[name], protocol[name]) for name in ("design", "pairs")}
    return {**{RENAMED.get(name, name): value for name, value in spec.items()},
            "protocol": {**protocol, **chosen, "rules": rules}}


def read_assets(folder: Path) -> list[Asset]:
    return [Asset(**{**{name: row[name] for name in ASSET_COLUMNS}, "width": int(row["width"]),
                     "height": int(row["height"])})
            for row in read_rows(folder / "secret" / "assets.csv", ASSET_COLUMNS)]


def study_folder(run: RunDirectory, protocol: str | None) -> Path:
    """Folder of a study in a run. Raises InputError if there is none, or several and `protocol` is None."""
    found = sorted(file.parent.parent for file in list_folder(run.study, "*/secret/spec.json"))
    names = [folder.name for folder in found]
    if protocol is not None:
        if protocol not in names:
            raise InputError(f"{run.study}: no study '{protocol}': {nearest(protocol, names)}")
        return run.study / protocol
    if len(found) != 1:
        raise InputError(f"{run.study}: " + (f"several studies, choose one with --protocol: {', '.join(names)}" if found
                                             else "no study yet; write one with python -m human_study hits"))
    return found[0]
