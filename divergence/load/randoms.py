"""`random:1x3x224x224`: seeded inputs, in the dtype and the range that the model takes."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

from divergence.errors import InputError, nearest
from divergence.records import Array

PREFIX = "random:"
_TYPES = (
    *("float16", "float32", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
_LIMIT = 10  # exclusive bound of integers of which nothing is known
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


@dataclass(frozen=True, slots=True)
class Random:
    """An input that is yet to be drawn.

    dtype: None means that of the ONNX input. low, high: of integers, both included; None means
    0 up to the rows of the table that the input indexes, or 9.
    """

    shape: tuple[int, ...]
    dtype: str | None = None
    low: int | None = None
    high: int | None = None

    def draw(self, name: str, seed: int, dtype: str | None, limit: int | None) -> Array:
        """Return the values: normal for floats, uniform for integers and booleans.

        name: inputs of one seed differ by it. dtype, limit: what the ONNX file says.
        """
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        kind = self.dtype or dtype or "float32"
        if kind == "bool":
            return generator.integers(0, 2, self.shape).astype(bool)
        if kind in _TYPES and np.dtype(kind).kind in "iu":
            low = self.low if self.low is not None else 0
            bound = 256 if kind == "uint8" and limit is None else limit or _LIMIT
            high = self.high + 1 if self.high is not None else max(bound, low + 1)
            return generator.integers(low, high, self.shape).astype(kind)
        return _floats(generator.standard_normal(self.shape, np.float32), kind)


def parse_random(text: str) -> Random:
    """Read `random:[DTYPE:][LOW..HIGH:]SHAPE`.

    >>> parse_random("random:int64:0..99:1x16")
    Random(shape=(1, 16), dtype='int64', low=0, high=99)

    Raises:
        InputError: another form.
    """
    *settings, shape = text.removeprefix(PREFIX).split(":")
    dtype, low, high = None, None, None
    for setting in settings:
        if bounds := _RANGE.fullmatch(setting):
            low, high = int(bounds[1]), int(bounds[2])
        elif setting in _TYPES:
            dtype = setting
        else:
            raise InputError(
                f"'{text}': '{setting}' is neither a dtype nor a range such as 0..99."
                f"{nearest(setting, _TYPES)}"
            )
    if not re.fullmatch(r"\d+(x\d+)*", shape):
        raise InputError(
            f"'{text}': '{shape}' is no shape; write random:1x3x224x224 or random:int64:0..99:1x16."
        )
    if low is not None and high is not None and low > high:
        raise InputError(f"'{text}': the range {low}..{high} is empty.")
    return Random(tuple(int(size) for size in shape.split("x")), dtype, low, high)


def _floats(values: Array, kind: str) -> Array:
    if kind == "bfloat16":
        import ml_dtypes

        return values.astype(ml_dtypes.bfloat16)
    return values.astype(kind)
