"""One command at a time in a run directory."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data.errors import InputError

NAME = "in_use.json"  # while a command is at work: its host, process and time of start


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the run directory, made if it is missing. The system releases a lock when its process ends, however that
    happens, so the lock of a killed command is taken over.

    Raises InputError naming the host and process that hold it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a run directory is a folder, this is a file; give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / NAME
    handle = _take(file)
    try:
        os.truncate(handle, 0)
        holder = {"host": socket.gethostname(), "process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.write(handle, json.dumps(holder).encode())
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(handle)
        with suppress(OSError):
            folder.rmdir()  # made here, and refused before anything was written


def _take(file: Path) -> int:
    """The locked file, open. Another command may remove it between opening and locking: then the next one counts."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file.exists() and os.path.samestat(os.stat(file), os.fstat(handle)):
                return handle
        except BlockingIOError:
            raise InputError(f"{file.parent}: another command is at work in it ({_holder(file)}); wait for it, stop "
                             "it, or give another --out") from None
        except OSError as error:
            raise InputError(f"{file}: this file system cannot lock files ({error.strerror}), so two commands could "
                             "spoil each other's work; give an --out elsewhere") from None
        os.close(handle)


def _holder(file: Path) -> str:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return f"process {found['process']} on {found['host']}, since {found['since']}"
    except (OSError, ValueError, KeyError):
        return "it has just begun"
