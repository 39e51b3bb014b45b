"""NumPy files: dtype and shape from the headers."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy

from divergence.errors import LoadError
from divergence.load.inspect import words
from divergence.load.kinds import Kind


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """Return the arrays by name; that of an .npy file has none."""
    try:
        if kind is Kind.NPY:
            with path.open("rb") as stream:
                return {"array": _header(stream)}
        with zipfile.ZipFile(path) as archive:
            return {
                "arrays": {n.removesuffix(".npy"): _entry(archive, n) for n in archive.namelist()}
            }
    except ValueError as error:
        raise LoadError(f"'{path}' is damaged: {error}.") from error


def _entry(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as stream:
        return _header(stream)


def _header(stream: IO[bytes]) -> str:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return words.tensor(dtype.name, shape)
