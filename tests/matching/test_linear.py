"""Which points of two chains are paired."""

from __future__ import annotations

import numpy as np

from divergence.matching.chains import Chain, Point
from divergence.matching.linear import align
from divergence.matching.parameters import Floats, moments, norms, signature

CHANNELS = 8
MATRIX = np.random.default_rng(0).standard_normal((CHANNELS, 32))
GAIN = np.linspace(0.5, 3.0, CHANNELS)


def chain(matrix: Floats, *points: Point) -> Chain:
    statistics = moments(matrix)
    size = (CHANNELS, matrix.shape[1])
    return Chain(0, size, True, norms(matrix), statistics, signature(statistics), points)


def point(kind: str, gain: Floats, offset: Floats, blur: float) -> Point:
    return Point(0, kind, gain, offset, np.full(CHANNELS, blur))


def test_a_bias_that_was_rounded_to_nothing_does_not_tell_a_folded_norm_from_its_convolution():
    one, none = np.ones(CHANNELS), np.zeros(CHANNELS)
    norm = point("batch_norm", GAIN, 0.5 * one, 0.0)
    ours = chain(MATRIX, point("conv", one, none, 0.0), norm)
    folded = MATRIX * GAIN[:, None]
    exact = chain(folded, point("conv", one, none, 0.0))
    rounded = chain(folded, point("conv", one, none, 1.0))

    assert align(ours, exact) == [(0, 0)]  # nothing was added: the convolution, scaled
    assert align(ours, rounded) == [(1, 0)]
