"""MATLAB files up to version 7; later ones are HDF5."""

import zlib
from pathlib import Path
from typing import Any

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from data.errors import InputError

# what scipy raises on damaged files, depending on where the damage is
_DAMAGE = (MatReadError, ValueError, TypeError, LookupError, OSError, EOFError, NotImplementedError, zlib.error)


def read_mat(file: Path, variables: list[str]) -> dict[str, Any]:
    """Those of the named variables that the file has. Raises InputError when it is no readable MATLAB file."""
    try:
        content = loadmat(file, variable_names=variables)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except _DAMAGE as error:
        raise InputError(f"{file}: not a readable MATLAB file ({' '.join(str(error).split())})") from None
    return {key: value for key, value in content.items() if key in variables}
