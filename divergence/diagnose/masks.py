"""Masks of attention logits: minus infinity on one side, a very small number on the other."""

from __future__ import annotations

from typing import Final

import numpy as np

from divergence.records import Array

# What libraries write for minus infinity: -1e4 for float16, -1e9, or the type's least number.
# Behind any of them a softmax gives 0, as long as something in the row is not masked.
MASKED: Final = -1e4


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
