"""Other inputs of the same kind: other values, another size; and how a side reacts to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from divergence.capture.runner import Runner
from divergence.diagnose.distance import distance
from divergence.errors import DivergenceError
from divergence.records import Array, Call


def replaced(call: Call, old: object, new: object) -> Call:
    """Return the call with one leaf replaced, wherever it stands."""

    def change(node: Any) -> Any:
        if node is old:
            return new
        if isinstance(node, Mapping):
            return {key: change(value) for key, value in node.items()}
        if isinstance(node, list | tuple):
            return type(node)(change(value) for value in node)
        return node

    return Call(change(call.args), change(dict(call.kwargs)))


def other_values(array: Array, seed: int = 0) -> Array:
    """Return other values of the same kind: the elements in another order, or others.

    A permutation keeps range and distribution, so indices stay valid and activations usual.
    """
    shuffled = np.random.default_rng(seed).permutation(array.reshape(-1)).reshape(array.shape)
    if not np.array_equal(shuffled, array):
        return shuffled
    if array.dtype.kind == "b":
        return ~array
    if array.dtype.kind == "f":
        return (array * 0.5 + 0.25).astype(array.dtype)
    return np.maximum(array - 1, 0) if array.size and array.max() > 0 else array + 1


def doubled(array: Array, axis: int) -> Array:
    """Return the array twice as long along one axis."""
    return np.concatenate([array, array], axis=axis)


def outputs(runner: Runner, call: Call) -> tuple[Array, ...] | None:
    """Return what a side makes of a call, None where it fails."""
    try:
        return runner.run(call)
    except DivergenceError:
        return None


def apart(first: tuple[Array, ...], second: tuple[Array, ...]) -> float:
    """Return the greatest difference of outputs; of other shapes inf."""
    return max((distance(a, b) for a, b in zip(first, second, strict=False)), default=0.0)
