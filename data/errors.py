"""The one exception for bad input, and how a command line reports it."""

import contextlib
import difflib
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator

BROKEN_PIPE = 141  # 128 + SIGPIPE


class InputError(Exception):
    """Wrong input by the user. The message is one line: which file or key, what is wrong, what is expected."""


def nearest(name: str, known: Iterable[str]) -> str:
    """'did you mean' text for an unknown name: the nearest known name, if one is close, and all known names.

    >>> nearest("crm", ["crn", "unet"])
    "did you mean 'crn'? known: crn, unet"
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}known: {', '.join(known)}"


@contextlib.contextmanager
def one_line_errors(program: str) -> Iterator[None]:
    """Turn InputError and the system's refusal of a file into one line on stderr and exit code 2.

    If the reader of the output has gone, as with `| head`, the program ends quietly with the exit code that shells give
    a program ended by SIGPIPE. Other exceptions are bugs and are not caught.
    """
    _escape_what_the_terminal_cannot_show()
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        sys.exit(BROKEN_PIPE)
    except InputError as error:
        sys.exit(_fail(program, str(error)))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sys.exit(_fail(program, f"no space left on the disk while writing {error.filename or 'a file'}; "
                                    "free some space and run the same command again: finished work is kept"))
        if error.filename is None:  # not about a file: a broken connection, for example
            raise
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        why = "a folder is expected, this is a file" if in_the_way else error.strerror
        sys.exit(_fail(program, f"{error.filename}: {why}"))


def _escape_what_the_terminal_cannot_show() -> None:
    """Print paths and names that the terminal's encoding lacks with escapes instead of failing, also in the processes
    that this one starts."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    encoding = os.environ.get("PYTHONIOENCODING", "").partition(":")[0]
    os.environ["PYTHONIOENCODING"] = f"{encoding}:backslashreplace"


def _reader_has_gone() -> bool:
    """Whether the reader of the standard output has gone; the rest of the output is then discarded."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _fail(program: str, message: str) -> int:
    print(f"{program}: error: {message}", file=sys.stderr)
    return 2
