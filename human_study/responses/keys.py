"""Pseudonyms and tokens, all from one secret key per study, kept outside the results in a file only its owner reads.

Platforms' ids of people are personal data and can be enumerated, so a plain hash would not hide them. Deleting the key
makes the stored pseudonyms anonymous for good.
"""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from data.errors import InputError

KEY_BYTES = 32


def default_key_file(study_id: str, *identity: str) -> Path:
    """In the user's data folder; `identity`: words that distinguish this batch from others of the same study.

    Raises InputError where the user has no home folder, as in many containers.
    """
    try:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:
        raise InputError("this user has no home folder for the key of the pseudonyms; name a file for it, outside the "
                         "run, with --key-file") from None
    mark = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:12]
    return base / "semantic-image-synthesis-suite" / f"{study_id}-{mark}.key"


def load_key(file: Path, results: Path, create: bool) -> bytes:
    """The study's key; made on first use if `create`.

    Raises InputError when it is missing, readable by others, of wrong length, or inside `results`.
    """
    file = Path(file)
    if file.resolve().is_relative_to(Path(results).resolve()):
        raise InputError(f"{file}: the key must be outside the results ({results}), or it would travel with them")
    if not file.exists():
        if not create:
            raise InputError(f"{file}: the key of this study is missing; without it no participant can be recognised. "
                             "A study that was moved or copied has its key under another name in that folder: give "
                             "it with --key-file")
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise InputError(f"{error.filename}: the key of the pseudonyms cannot be written there ({error.strerror}); "
                             "name another file, outside the run, with --key-file") from None
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(KEY_BYTES))
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise InputError(f"{file}: the key is readable by others; run chmod 600 on it")
    key = file.read_bytes()
    if len(key) != KEY_BYTES:
        raise InputError(f"{file}: not a key of this program ({len(key)} bytes, expected {KEY_BYTES})")
    return key


def keyed(key: bytes, *parts: str) -> str:
    """64 hex digits of HMAC-SHA256."""
    return hmac.new(key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def opaque(secret: bytes, *parts: object) -> str:
    """32 hex digits that reveal nothing of `parts` to anyone without `secret`."""
    return keyed(secret, *map(str, parts))[:32]


def pseudonym(key: bytes, platform: str, participant: str) -> str:
    """Must never change: running studies recognise their participants by it, so the word "worker" stays."""
    return "w_" + keyed(key, "worker", platform, participant)[:20]


def same(a: str, b: str) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(a.encode(), b.encode())
