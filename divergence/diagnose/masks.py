"""Masks of attention logits: minus infinity on one side, a very small number on the other."""

from __future__ import annotations

import numpy as np

from divergence.compare.floor import MASKED
from divergence.records import Array


def alike(reference: Array, candidate: Array) -> Array:
    """Return the candidate with the reference's masks where both mask.

    A row (along the last axis) that one side masks altogether stays as it is: there a softmax
    gives NaN behind minus infinity, and equal shares behind a finite number.

    >>> alike(np.array([[0.5, -np.inf]]), np.array([[0.5, -1e9]]))
    array([[ 0.5, -inf]])
    """
    if reference.shape != candidate.shape or reference.ndim == 0 or reference.dtype.kind != "f":
        return candidate
    infinite = np.isneginf(reference) != np.isneginf(candidate)
    if not infinite.any():
        return candidate
    masked = (reference <= MASKED) & (candidate <= MASKED)
    whole = (reference <= MASKED).all(-1, keepdims=True) | (candidate <= MASKED).all(
        -1, keepdims=True
    )
    return np.where(infinite & masked & ~whole, reference, candidate)
