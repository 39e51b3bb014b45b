"""Values made to fit: a Python number for `forward(n: int)`, the dtype of an ONNX input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from divergence.errors import InputError
from divergence.load.links import describe, fits, same_shape
from divergence.load.onnx_model import OnnxInput
from divergence.load.signature import Parameter
from divergence.records import Array


def to_argument(value: Any, parameter: Parameter | None, item: OnnxInput | None) -> Any:
    """Return what the reference is called with for one leaf.

    A zero-dimensional array becomes a number where the parameter is declared one, a number a
    zero-dimensional array where it is declared a tensor. Doubles (what NumPy makes of
    everything) become float32 where the ONNX input is float32.
    """
    if isinstance(value, np.ndarray | np.generic) and value.ndim == 0 and parameter is not None:
        number = _number(value, parameter.scalar)
        value = np.asarray(value) if number is None else number
    if isinstance(value, int | float) and parameter is not None and parameter.container is False:
        value = _array_of(value, item.dtype if item else None)
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and item is not None:
        return value.astype(np.float32) if item.dtype == "float32" else value
    return value


def to_feed(value: Any, item: OnnxInput, source: str) -> tuple[Array, str]:
    """Return the array that an ONNX input is fed, and a note where it was cast ("" if not).

    Raises:
        InputError: the dtype or the shape is not what the input takes.
    """
    if item.dtype is None:
        raise InputError(
            f"The ONNX input '{item.name}' is no tensor (a sequence, a map or an optional); only "
            "tensors can be fed."
        )
    number = isinstance(value, bool | int | float)
    array = _array_of(value, item.dtype) if number else np.asarray(value)
    if array.ndim == 0 and item.shape is not None and all(size == 1 for size in item.shape):
        array = array.reshape([1] * len(item.shape))
    if not fits(array, item):
        raise InputError(_misfit(array, item, source))
    cast = _cast(array, item, source)
    changed = cast.dtype != array.dtype and not number
    return cast, f"{array.dtype} cast to {cast.dtype}" if changed else ""


def _number(value: Any, scalar: type | None) -> bool | int | float | None:
    kinds = {int: "iu", float: "iuf", bool: "b"}
    if scalar is None or np.asarray(value).dtype.kind not in kinds[scalar]:
        return None
    return scalar(value.item())  # type: ignore[no-any-return]  # one of three number types


def _array_of(number: bool | float, dtype: str | None) -> Array:
    if dtype is not None and not isinstance(number, bool) and dtype != "bool":
        return np.asarray(number).astype(_numpy(dtype))
    if isinstance(number, float):
        return np.asarray(number, np.float32)
    return np.asarray(number)


def _cast(array: Array, item: OnnxInput, source: str) -> Array:
    target = _numpy(item.dtype or "float32")
    if array.dtype == target:
        return array
    cast = array.astype(target)
    if array.dtype.kind in "iu" and not np.array_equal(cast, array):
        raise InputError(
            f"The input from {source} has values from {array.min()} to {array.max()}, which "
            f"{target}, the dtype of the ONNX input '{item.name}', cannot hold."
        )
    return cast


def _numpy(dtype: str) -> np.dtype[Any]:
    if dtype == "bfloat16" or dtype.startswith("float8"):
        import ml_dtypes

        named: np.dtype[Any] = np.dtype(getattr(ml_dtypes, dtype))
        return named
    return np.dtype(dtype)


def _misfit(array: Array, item: OnnxInput, source: str) -> str:
    got = f"The input from {source} is {array.dtype} {list(array.shape)}"
    wanted = f"the ONNX input {describe(item)}"
    if item.shape is not None and not same_shape(array.shape, item.shape):
        return f"{got}, which is not the shape of {wanted}.{_advice(array.shape, item.shape)}"
    return f"{got}, which is not the dtype of {wanted}; convert it first."


def _advice(shape: tuple[int, ...], wanted: Sequence[int | str | None]) -> str:
    if same_shape((1, *shape), wanted):
        return " Add a first axis of size 1."
    if len(shape) != 4:
        return ""
    n, *rest = shape
    if same_shape((n, rest[2], *rest[:2]), wanted):
        return " Its channels come last and the file takes them first: transpose it."
    if same_shape((n, *rest[1:], rest[0]), wanted):
        return " The file takes channels last: give it its own value by --candidate-input."
    return ""
