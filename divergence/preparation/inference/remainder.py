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
# Share of the remainder that a filter of so many pixels a side makes of the picture, from which
# another kernel made it. On three photographs: kernels and libraries 0.11 to 0.94; JPEG of
# quality 90 and more 0.01 to 0.12, of 50 at most 0.31; a detour through YCbCr 0.003 at most.
_FILTERED, _TAPS = 0.1, 5
# Pixels that the filter is fitted to.
_ENOUGH = 50_000


def sits_at_edges(remainder: Array, made: Array) -> bool:
    """Say whether a remainder (C, H, W) is large where the picture `made` changes quickly.

    Another kernel differs there, as another filter of the picture would; another decoder, noise
    or compression differs everywhere, and does not follow from the picture around a pixel.
    """
    if float(np.abs(remainder).max(initial=0.0)) <= _ROUNDED:
        return False
    size = np.abs(remainder).mean(axis=0)
    plane = made.mean(axis=0)
    down, right = np.gradient(plane)
    slope = np.hypot(down, right)
    if float(size.std()) == 0 or float(slope.std()) == 0:
        return False
    at_edges = float(np.corrcoef(size.ravel(), slope.ravel())[0, 1]) >= _AT_EDGES
    return at_edges and _filtered(remainder.mean(axis=0), plane) >= _FILTERED


def _filtered(remainder: Array, plane: Array) -> float:
    """Return the share of a remainder (H, W) that a linear filter makes of the plane."""
    if min(plane.shape) <= _TAPS:
        return 1.0  # too small to tell
    every = max(1, plane.size // _ENOUGH)
    around = np.lib.stride_tricks.sliding_window_view(plane, (_TAPS, _TAPS))
    seen = around.reshape(-1, _TAPS**2)[::every]
    edge = _TAPS // 2
    wanted = remainder[edge:-edge, edge:-edge].ravel()[::every]
    seen, wanted = seen - seen.mean(axis=0), wanted - wanted.mean()
    energy = float(wanted @ wanted)
    if not energy:
        return 0.0
    taps, *_ = np.linalg.lstsq(seen, wanted, rcond=None)
    return 1 - float(np.square(wanted - seen @ taps).sum()) / energy
