"""What may lie between two final outputs: a change of one side that makes it the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divergence.records import Array, Evidence

# Two implementations of one post-processing differ by the rounding of the network before it.
AGREE = 1e-3

Change = Callable[[Array], Array]


def same(value: Array) -> Array:
    """Return the value itself: the side that a relation leaves as it is."""
    return value


@dataclass(frozen=True, slots=True)
class Relation:
    """A cause that would explain the difference: both sides agree after these changes.

    on_reference, on_candidate: what is done to each side. action: that in words.
    """

    cause: str
    explanation: str
    action: str
    on_reference: Change = same
    on_candidate: Change = same
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def distance(reference: Array, candidate: Array) -> float:
    """Return the greatest absolute difference; inf for other shapes or one-sided NaN."""
    if reference.shape != candidate.shape:
        return float("inf")
    if not reference.size:
        return 0.0
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(a - b)
    error[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    return float("inf") if np.isnan(error).any() else float(error.max())


def agree(reference: Array, candidate: Array) -> bool:
    """Return whether both are equal up to a small share of their greatest magnitude."""
    error = distance(reference, candidate)
    if not np.isfinite(error):
        return False
    return error <= AGREE * max(scale(reference), scale(candidate), 1e-12) or error == 0


def scale(value: Array) -> float:
    """Return the greatest finite magnitude."""
    magnitude = np.abs(value.astype(np.float64))
    return float(magnitude[np.isfinite(magnitude)].max(initial=0.0))
