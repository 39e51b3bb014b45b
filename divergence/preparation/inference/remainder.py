"""What a recipe leaves unexplained: at edges, as another kernel would, or everywhere."""

from __future__ import annotations

import numpy as np

from divergence.records import Array

# A remainder beyond this (grey levels, root mean square) is more than a kernel or a decoder makes.
MOST_LEVELS = 25.0
# Grey levels up to which a remainder is one of rounding, wherever it is: another kernel misses
# edges by tens, and a decoder or a detour through other colours by one or two anywhere.
_ROUNDED = 3.0
# Correlation of the remainder's size with the picture's slope from which it sits at edges.
# Kernels: 0.12 to 0.55 on three photographs; noise: below 0.01.
_AT_EDGES = 0.1


def sits_at_edges(remainder: Array, made: Array) -> bool:
    """Say whether a remainder (C, H, W) is large where the picture `made` changes quickly.

    Another kernel differs there; another decoder, noise or compression differs everywhere.
    """
    if float(np.abs(remainder).max(initial=0.0)) <= _ROUNDED:
        return False
    size = np.abs(remainder).mean(axis=0)
    plane = made.mean(axis=0)
    down, right = np.gradient(plane)
    slope = np.hypot(down, right)
    if float(size.std()) == 0 or float(slope.std()) == 0:
        return False
    return float(np.corrcoef(size.ravel(), slope.ravel())[0, 1]) >= _AT_EDGES
