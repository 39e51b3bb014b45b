"""Kernels that ONNX Runtime stored in blocked order (NCHWc), put back as they were.

Blocks of 16 or 8 output channels (as wide as the processor's registers) are kept innermost;
where the input is blocked too, its blocks are next to them. Counts are padded to whole blocks.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from divergence.matching.parameters import Floats
from divergence.records import Array

DOMAIN: Final = "com.microsoft.nchwc::"
_BLOCKS: Final = (16, 8)


def unblocked(stored: Array, groups: int) -> Floats:
    """Return a kernel (channels, inputs of a group, height, width) in plain order.

    The block is the widest that divides the channels; padded channels and inputs are cut off.
    """
    array = np.asarray(stored, dtype=np.float64)
    channels, inputs, height, width = array.shape
    block = next((b for b in _BLOCKS if channels % b == 0), 0)
    if not block:
        return array
    if inputs % block == 0 and not (groups > 1 and inputs == 1):
        split = array.reshape(
            channels // block, inputs // block, height, width, block, block
        ).transpose(0, 5, 1, 4, 2, 3)
    else:
        split = array.reshape(channels // block, inputs, height, width, block).transpose(
            0, 4, 1, 2, 3
        )
    return _trimmed(split.reshape(array.shape))


def is_padded(plain: tuple[int, ...] | None, stored: tuple[int, ...] | None) -> bool:
    """Return whether a shape is another with its channels filled up to whole blocks.

    >>> is_padded((1, 24, 7, 7), (1, 32, 7, 7)), is_padded((1, 24, 7, 7), (1, 64, 7, 7))
    (True, False)
    """
    if plain is None or stored is None or len(plain) != 4 or len(stored) != 4:
        return False
    if (plain[0], *plain[2:]) != (stored[0], *stored[2:]) or plain[1] == stored[1]:
        return False
    return any(stored[1] == -(-plain[1] // block) * block for block in _BLOCKS)


def _trimmed(kernel: Floats) -> Floats:
    """Return a kernel without the channels and inputs at its end that are all zero."""
    for axis in (0, 1):
        others = tuple(a for a in range(4) if a != axis)
        used = np.flatnonzero(np.abs(kernel).max(axis=others) > 0)
        if used.size:
            kernel = np.take(kernel, np.arange(int(used[-1]) + 1), axis=axis)
    return kernel
