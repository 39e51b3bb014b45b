"""Copies of values that wait for their partners: in memory, and beyond a bound on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from divergence.errors import OutputError
from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Value:
    """A site's value, and the same in float64 where the run was asked for it."""

    array: Array
    exact: Array | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.array.nbytes + (0 if self.exact is None else self.exact.nbytes)

    def copy(self) -> Value:
        """Return a copy that shares no memory with the runtime."""
        return Value(self.array.copy("K"), None if self.exact is None else self.exact.copy("K"))


@dataclass(frozen=True, slots=True)
class _Spilled:
    """A value on disk: its bytes alone, since extension types have no file format."""

    path: Path
    empty: Value  # shapes and types, without memory of their own

    @property
    def nbytes(self) -> int:
        return self.empty.nbytes

    def load(self) -> Value:
        with self.path.open("rb") as file:
            arrays = [
                np.fromfile(file, np.uint8, like.nbytes).view(like.dtype).reshape(like.shape)
                for like in (self.empty.array, self.empty.exact)
                if like is not None
            ]
        return Value(*arrays)


class Store:
    """Keeps copies under any key, at most `memory` bytes of them outside of temporary files.

    Attributes:
        nbytes: held in memory now; peak_nbytes: at most; spilled_nbytes: written to disk in all.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._held: dict[Hashable, Value | _Spilled] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = count()
        self.nbytes = self.peak_nbytes = self.spilled_nbytes = 0

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a copy of `value`.

        Raises:
            OutputError: it must go to disk and does not fit there.
        """
        if self.nbytes + value.nbytes > self._memory:
            self._held[key] = self._spill(value)
            self.spilled_nbytes += value.nbytes
            return
        self._held[key] = value.copy()
        self.nbytes += value.nbytes
        self.peak_nbytes = max(self.peak_nbytes, self.nbytes)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def get(self, key: Hashable) -> Value:
        """Return the value under `key`, read back from disk where it went there."""
        held = self._held[key]
        return held.load() if isinstance(held, _Spilled) else held

    def drop(self, key: Hashable) -> int:
        """Forget the value under `key`, if there is one; return its bytes."""
        held = self._held.pop(key, None)
        if held is None:
            return 0
        if isinstance(held, _Spilled):
            held.path.unlink()
        else:
            self.nbytes -= held.nbytes
        return held.nbytes

    def close(self) -> None:
        """Forget everything and delete what is on disk."""
        self._held.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def _spill(self, value: Value) -> _Spilled:
        arrays = [array for array in (value.array, value.exact) if array is not None]
        try:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="divergence-")
            path = Path(self._folder.name, str(next(self._numbers)))
            with path.open("wb") as file:
                for array in arrays:
                    array.tofile(file)
        except OSError as error:
            raise OutputError(
                f"{value.nbytes} bytes beyond the memory bound of {self._memory} bytes cannot be "
                f"kept in {tempfile.gettempdir()}: {error.strerror}. Raise --memory, or set TMPDIR "
                "to a folder with more room."
            ) from error
        empties = [np.broadcast_to(np.empty((), a.dtype), a.shape) for a in arrays]
        return _Spilled(path, Value(*empties))
