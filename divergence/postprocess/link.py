"""postprocess.activation: a link function is missing, doubled, or another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from divergence.postprocess.relation import Change, Relation, same
from divergence.records import Array, Evidence

CAUSE = "postprocess.activation"


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield each link function that one side may have and the other not."""
    for name, change in _functions(reference.ndim):
        yield _relation("candidate", "reference", name, _looks_done(name, reference), change)
    for name, change in _functions(candidate.ndim):
        yield _relation("reference", "candidate", name, _looks_done(name, candidate), change)


def _relation(side: str, other: str, name: str, doubled: bool, change: Change) -> Relation:
    """Return the relation "`side` applies `name`, `other` does not"."""
    having = "twice" if doubled else "yes"
    once_more = " once more" if doubled else ""
    at_reference = other == "reference"
    return Relation(
        CAUSE,
        f"the {side} applies {name}{once_more}; the {other} does not",
        f"apply {name} to the {other}'s output",
        on_reference=change if at_reference else same,
        on_candidate=same if at_reference else change,
        evidence=(
            Evidence(
                f"{name} at the end",
                "no" if at_reference else having,
                having if at_reference else "no",
            ),
        ),
        remedy=f"Let both sides end with {name}, or neither.",
        parameters={"function": name, "side": side},
    )


def _functions(ndim: int) -> Iterator[tuple[str, Change]]:
    yield "sigmoid", _sigmoid
    for axis in range(ndim - 1, -1, -1):
        where = "" if axis == ndim - 1 else f" over axis {axis}"
        yield f"softmax{where}", _along(axis, _softmax)
        yield f"log_softmax{where}", _along(axis, _log_softmax)
        yield f"argmax{where}", _along(axis, lambda value, axis: value.argmax(axis))
    yield "tanh", np.tanh
    yield "exp", _exp
    yield "relu", lambda value: np.maximum(value, 0)


def _along(axis: int, function: object) -> Change:
    assert callable(function)
    return lambda value: np.asarray(function(value.astype(np.float64), axis))


def _sigmoid(value: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(value.astype(np.float64), -700, 700))))


def _exp(value: Array) -> Array:
    return np.asarray(np.exp(np.clip(value.astype(np.float64), -700, 700)))


def _log_softmax(value: Array, axis: int) -> Array:
    shifted = value - value.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def _softmax(value: Array, axis: int) -> Array:
    return np.asarray(np.exp(_log_softmax(value, axis)))


def _looks_done(name: str, value: Array) -> bool:
    """Whether a value is in the range that the function gives: then another one doubles it."""
    if not name.startswith(("sigmoid", "softmax")) or not value.size:
        return False
    return bool(value.min() >= 0 and value.max() <= 1)
