"""Layouts told apart by where a few positions lie."""

from __future__ import annotations

import numpy as np
import pytest

from divergence.matching.layout import search
from divergence.matching.positions import moved, permuted, sampled
from divergence.records import Alignment, Site, Weight

TURNED = (0, 1, 3, 2)


@pytest.mark.parametrize("shape", [(1, 144, 2, 2), (1, 3, 64, 64), (2, 89, 8, 8), (1, 1597, 1, 1)])
def test_swapped_height_and_width_are_seen_at_any_size(shape):
    count = int(np.prod(shape))
    found = search(shape, shape, sampled(count), lambda at: permuted(at, shape, TURNED))
    assert found == (Alignment() if shape[2] == 1 else Alignment(permutation=TURNED))


def gathered(indices: list[int]) -> tuple[Site, Site, dict[str, Weight]]:
    index = np.asarray(indices)
    source = Site("x", "input", "", "", 0, (1, 3, 4, 4), "float32")
    site = Site("y", "node", "Gather", "", 1, source.shape, "float32", ("x",), ("i",), {"axis": 1})
    return site, source, {"i": Weight("i", index.shape, "int64", lambda: index)}


@pytest.mark.parametrize("indices", [[0, 1, 2], [2, 1, 0]])
def test_a_gather_of_all_channels_moves_them(indices):
    site, source, weights = gathered(indices)
    value = np.arange(48).reshape(source.shape)
    expected = value[:, indices].reshape(-1)[sampled(48)]
    assert moved(site, source, sampled(48), weights).tolist() == expected.tolist()


def test_an_order_of_strides_is_known_where_one_axis_alone_is_long():
    source = Site("x", "input", "", "", 0, (1, 8, 1, 1), "float32")
    flat = Site("y", "op", "as_strided", "", 1, (1, 8, 1, 1), "float32", ("x",))
    assert moved(flat, source, sampled(8), {}).tolist() == list(range(8))
    broad = Site("y", "op", "as_strided", "", 1, (1, 4, 2, 1), "float32", ("x",))
    wide = Site("x", "input", "", "", 0, (1, 4, 2, 1), "float32")
    assert moved(broad, wide, sampled(8), {}) is None


def test_a_view_whose_size_is_not_the_sites_shape_was_not_the_last_step():
    source = Site("x", "input", "", "", 0, (1, 4, 2, 2), "float32")
    flat = {"aten": "view", "size": (1, 4, -1)}
    last = Site("m", "module", "Flat", "m", 1, (1, 4, 4), "float32", ("x",), attributes=flat)
    assert moved(last, source, sampled(16), {}) is not None
    turned = Site("m", "module", "Flat", "m", 1, (1, 2, 8), "float32", ("x",), attributes=flat)
    assert moved(turned, source, sampled(16), {}) is None
