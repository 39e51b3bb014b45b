"""How alike two pictures are, as papers on restoration give it."""

from __future__ import annotations

import math

import numpy as np

from divergence.records import Array

# Constants and window of Wang et al., "Image quality assessment: from error visibility to
# structural similarity", 2004; a box window of 7 as scikit-image has it by default.
_K1, _K2, _WINDOW = 0.01, 0.03, 7


def psnr_db(reference: Array, candidate: Array) -> float:
    """Return 10 log10(range^2 / mean square error), in decibels; inf where both are equal.

    The range is 1, or 255 where the reference's values go beyond 2.
    """
    error = float(np.mean((reference.astype(np.float64) - candidate) ** 2))
    return 10 * math.log10(_range(reference) ** 2 / error) if error else math.inf


def ssim(reference: Array, candidate: Array) -> float:
    """Return the mean structural similarity, at most 1, over channels and windows.

    reference, candidate: (1, C, H, W).
    """
    a, b = (v.astype(np.float64).reshape(-1, *v.shape[-2:]) for v in (reference, candidate))
    size = _WINDOW * _WINDOW
    mean_a, mean_b = _boxed(a), _boxed(b)
    unbiased = size / (size - 1)
    var_a = unbiased * (_boxed(a * a) - mean_a**2)
    var_b = unbiased * (_boxed(b * b) - mean_b**2)
    both = unbiased * (_boxed(a * b) - mean_a * mean_b)
    c1, c2 = ((k * _range(reference)) ** 2 for k in (_K1, _K2))
    above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return float(np.mean(above / below))


def _boxed(value: Array) -> Array:
    """Return means over windows that lie within the picture, (C, H - 6, W - 6)."""
    sums = np.pad(value, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    w = _WINDOW
    window = sums[:, w:, w:] - sums[:, :-w, w:] - sums[:, w:, :-w] + sums[:, :-w, :-w]
    return np.asarray(window / (w * w))


def _range(reference: Array) -> float:
    return 255.0 if float(np.abs(reference).max(initial=0.0)) > 2 else 1.0
