"""What a site says of itself."""

from __future__ import annotations

import pytest

from divergence.matching.graph import Graph
from divergence.records import Program, Site


def padded(amounts):
    sites = (
        Site("x", "input", "", "", 0, shape=(1, 6, 8)),
        Site("a", "op", "tanh", "", 1, inputs=("x",), shape=(1, 6, 8)),
        Site(
            "b",
            "op",
            "constant_pad_nd",
            "",
            2,
            (1, 6, 8),
            inputs=("a",),
            attributes={"pad": amounts},
        ),
    )
    return Graph(Program(sites, {}, ("b",), ("out",)))


@pytest.mark.parametrize(("amounts", "same"), [((0, 0, 0, 0), True), ((0, 0, 1, -1), False)])
def test_a_padding_of_the_same_size_is_what_it_pads_unless_it_crops_as_much(amounts, same):
    graph = padded(amounts)
    assert (graph.of["a"] == graph.of["b"]) is same
