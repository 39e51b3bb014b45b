"""Functions that stand behind a network: from logits to probabilities, labels or bounded values."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from divergence.records import Array

_MOST_EXPONENT = 700  # of a float64
# Nearer to 0 and 1 a sigmoid in float32 says nothing about its logit.
_LEAST_SHARE = 1e-7
# A file of another precision may go beyond 1.
_MOST_SHARE = 1.01


def sigmoid(value: Array) -> Array:
    """Return 1 / (1 + exp(-x)), in float64."""
    return np.asarray(1 / (1 + np.exp(-_bounded(value))))


def softmax(value: Array, axis: int) -> Array:
    """Return exp(x) / sum(exp(x)) along an axis, in float64."""
    return np.asarray(np.exp(log_softmax(value, axis)))


def log_softmax(value: Array, axis: int) -> Array:
    """Return the logarithm of the softmax along an axis, in float64."""
    x = value.astype(np.float64)
    shifted = x - x.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def logit(value: Array) -> Array:
    """Return the logarithm of x / (1 - x), in float64: what a sigmoid was taken of."""
    x = np.clip(value.astype(np.float64), _LEAST_SHARE, 1 - _LEAST_SHARE)
    return np.asarray(np.log(x) - np.log1p(-x))


def unit_length(value: Array, axis: int) -> Array:
    """Return x / |x|, the Euclidean length along an axis, in float64."""
    x = value.astype(np.float64)
    return np.asarray(x / np.maximum(np.sqrt(np.square(x).sum(axis, keepdims=True)), 1e-12))


def functions(
    shape: tuple[int, ...], axis: int | None = None
) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """Yield each function with its name. axis: the one axis to go along, None for each in turn.

    Along an axis of one element all that goes along it gives a constant, whatever the value is.
    """
    yield "sigmoid", sigmoid
    ndim = len(shape)
    for along in range(ndim - 1, -1, -1) if axis is None else (axis,):
        if shape[along] == 1:
            continue
        where = "" if along == ndim - 1 else f" over axis {along}"
        yield f"softmax{where}", _along(softmax, along)
        yield f"log_softmax{where}", _along(log_softmax, along)
        yield f"argmax{where}", _along(_argmax, along)
        yield f"argmax{where}", _along(_argmax_kept, along)
        yield f"softmax{where} in place of a sigmoid", _along(_softmax_of_shares, along)
        yield f"division by the length{where}", _along(unit_length, along)
    yield "tanh", np.tanh
    yield "exp", lambda value: np.asarray(np.exp(_bounded(value)))


def _along(function: Callable[[Array, int], Array], axis: int) -> Callable[[Array], Array]:
    return lambda value: function(value, axis)


def _argmax(value: Array, axis: int) -> Array:
    return np.asarray(value.argmax(axis))


def _argmax_kept(value: Array, axis: int) -> Array:
    return np.asarray(value.argmax(axis, keepdims=True))


def _softmax_of_shares(value: Array, axis: int) -> Array:
    """Return the softmax of the logits whose sigmoid is given.

    Raises:
        ValueError: these are no results of a sigmoid.
    """
    if value.min(initial=0.0) < 0 or value.max(initial=0.0) > _MOST_SHARE:
        raise ValueError("no results of a sigmoid")
    return softmax(logit(value), axis)


def _bounded(value: Array) -> Array:
    return np.clip(value.astype(np.float64), -_MOST_EXPONENT, _MOST_EXPONENT)
