"""How many of an activation's elements tell anything of the error that came into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from divergence.records import Array

# More elements are never few enough for luck, however many of them saturate.
MOST = 4096


def _within(low: float, high: float) -> Callable[[Array], Array]:
    return lambda value: ((value > low) & (value < high)).astype(np.float64)


# Derivatives of activations as functions of their own value, by PyTorch's and by ONNX's name.
SLOPES: Final[Mapping[str, Callable[[Array], Array]]] = MappingProxyType(
    {
        "tanh": lambda value: 1 - value * value,
        "sigmoid": lambda value: value * (1 - value),
        "softmax": lambda value: value * (1 - value),
        "relu": _within(0, np.inf),
        "relu6": _within(0, 6),
        "hardsigmoid": _within(0, 1),
        "hardtanh": _within(-1, 1),
    }
)


def effective(op: str, values: Array) -> float:
    """Return how many elements of an activation's result have an error that is not flattened.

    An error that comes in is multiplied by the slope s: the sum of squared errors has as many
    degrees of freedom as (sum s^2)^2 / sum s^4 equal ones would have (Satterthwaite, An
    approximate distribution of estimates of variance components, Biometrics 2, 1946).

    >>> effective("relu", np.array([0.0, 0.0, 0.0, 2.5]))
    1.0
    """
    slope = SLOPES.get(op.lower())
    if slope is None or values.size > MOST:
        return float(values.size)
    with np.errstate(invalid="ignore", over="ignore"):
        squares = np.square(slope(values.astype(np.float64)))
    squares = squares[np.isfinite(squares)]
    most = float(squares.max(initial=0.0))
    if not most:
        return float(values.size)
    squares /= most
    return float(squares.sum() ** 2 / np.square(squares).sum())
