"""The identity of one written batch: an instance number and a secret for opaque names.

Both are random. Names that followed from the specification could be decoded by anyone who knows it, and a
specification is meant to be published; two batches of one specification would share the key of their participants.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from data.errors import InputError
from data.files import read_mapping, write_text
from evaluation.run_directory import checked
from human_study.responses.keys import default_key_file

FILE = "identity"  # in secret/; without .json, so that scripts that gather tables and settings leave it out
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


@dataclass(frozen=True)
class BatchIdentity:
    instance: str  # 16 hex digits, no secret
    secret: str  # 64 hex digits: whoever has it can find the method from a picture's name


def read_identity(folder: Path) -> BatchIdentity:
    """Of a batch in `folder`. Raises InputError where the file is missing or broken."""
    file = folder / "secret" / FILE
    if not file.exists():
        raise InputError(f"{file}: missing; it was written with the batch and holds the secret of its names")
    problem = f"{file}: broken; put back the file that was written with the batch"
    return checked(BatchIdentity, read_mapping(file), problem)


def make_identity(folder: Path) -> BatchIdentity:
    """The identity of the batch in `folder`, made if there is none yet; secret/ is closed to other users."""
    file = private_folder(folder) / FILE
    if not file.exists():
        write_text(file, json.dumps(asdict(BatchIdentity(secrets.token_hex(8), secrets.token_hex(32)))) + "\n")
        file.chmod(PRIVATE_FILE)
    return read_identity(folder)


def private_folder(folder: Path) -> Path:
    """secret/ of a batch, readable by its owner only: it names the methods and holds people's answers and links."""
    made = folder / "secret"
    made.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    made.chmod(PRIVATE_FOLDER)
    return made


def key_file(folder: Path, study_id: str) -> Path:
    """Default file of the key of this batch; other batches, and copies of this one, have other files."""
    return default_key_file(study_id, read_identity(folder).instance, str(folder.resolve()))
