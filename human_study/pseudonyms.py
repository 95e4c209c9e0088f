"""Pseudonyms of participants: HMAC-SHA256 with a key that lives outside the results. Deleting the key anonymises."""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from data.errors import InputError

KEY_BYTES = 32


def pseudonym(key: bytes, platform: str, participant: str) -> str:
    """`w_` and 20 hex digits: the same for the same person on one platform, not to be turned back without the key."""
    return "w_" + hmac.new(key, f"{platform}|{participant}".encode(), hashlib.sha256).hexdigest()[:20]


def read_key(file: Path, create: bool = False) -> bytes:
    """The key; with `create` a new one (readable by its owner only) where there is none.

    Raises InputError for a missing or malformed key and for one that others can read.
    """
    file = Path(file)
    if not file.exists():
        if not create:
            raise InputError(f"{file}: no key; without it participants cannot be told apart under a pseudonym")
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(KEY_BYTES) + "\n")
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise InputError(f"{file}: others can read the key; run chmod 600 on it")
    try:
        key = bytes.fromhex(file.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(f"{file}: not a key ({KEY_BYTES} bytes as hexadecimal digits)")
    return key
