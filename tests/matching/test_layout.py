"""Layouts told apart by where a few positions lie."""

from __future__ import annotations

import numpy as np
import pytest

from divergence.matching.layout import search
from divergence.matching.positions import permuted, sampled
from divergence.records import Alignment

TURNED = (0, 1, 3, 2)


@pytest.mark.parametrize("shape", [(1, 144, 2, 2), (1, 3, 64, 64), (2, 89, 8, 8), (1, 1597, 1, 1)])
def test_swapped_height_and_width_are_seen_at_any_size(shape):
    count = int(np.prod(shape))
    found = search(shape, shape, sampled(count), lambda at: permuted(at, shape, TURNED))
    assert found == (Alignment() if shape[2] == 1 else Alignment(permutation=TURNED))
