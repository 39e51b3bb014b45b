"""What is done to a candidate value before it is subtracted."""

from __future__ import annotations

import numpy as np

from divergence.compare.dtypes import dtype_named
from divergence.records import Alignment, Array


class AlignmentError(ValueError):
    """An alignment does not fit the value: the pair is not comparable that way."""


def align(candidate: Array, alignment: Alignment | None) -> Array:
    """Return `candidate` in the reference's layout; a view wherever that is possible.

    Steps in order: `unblock` (a value of shape N, C/b, H, W, b becomes N, C, H, W; of one that
    is N, C, H, W already only the padded channels are dropped), `cast`, `permutation`, `reshape`.

    >>> align(np.zeros((1, 4, 5, 3)), Alignment(permutation=(0, 3, 1, 2))).shape
    (1, 3, 4, 5)

    Raises:
        AlignmentError: the value's shape does not allow the step.
    """
    if alignment is None:
        return candidate
    if alignment.unblock is not None:
        candidate = _unblock(candidate, alignment.unblock)
    if alignment.cast is not None:
        candidate = cast(candidate, alignment)
    if alignment.permutation is not None:
        candidate = _permute(candidate, alignment.permutation)
    if alignment.reshape is not None:
        candidate = _reshape(candidate, alignment.reshape)
    return candidate


def cast(value: Array, alignment: Alignment | None) -> Array:
    """Return `value` in the type that the alignment names; a cast holds for both sides."""
    if alignment is None or alignment.cast is None:
        return value
    with np.errstate(over="ignore", invalid="ignore"):  # beyond the range is infinite: a finding
        return value.astype(dtype_named(alignment.cast), copy=False)


def _unblock(value: Array, channels: int) -> Array:
    if value.ndim == 5:
        batch, groups, height, width, block = value.shape
        value = value.transpose(0, 1, 4, 2, 3).reshape(batch, groups * block, height, width)
    if value.ndim < 2 or value.shape[1] < channels:
        raise AlignmentError(f"a value of shape {value.shape} holds no {channels} blocked channels")
    return value[:, :channels]


def _permute(value: Array, axes: tuple[int, ...]) -> Array:
    if sorted(axes) != list(range(value.ndim)):
        raise AlignmentError(f"the axes {axes} are no permutation of those of shape {value.shape}")
    return value.transpose(axes)


def _reshape(value: Array, shape: tuple[int, ...]) -> Array:
    try:
        return value.reshape(shape)
    except ValueError:
        raise AlignmentError(f"shape {value.shape} cannot become {shape}") from None
