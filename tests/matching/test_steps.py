"""What a site says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from divergence.matching.graph import Graph
from divergence.records import Program, Site
from tests.matching.programs import Sketch


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


@pytest.mark.parametrize(
    ("index", "same"), [((0, 1, 2, 3, 4, 5), True), ((0, 3, 1, 4, 2, 5), False), (None, False)]
)
def test_a_gathering_of_all_is_a_copy_only_in_the_order_that_they_stand_in(index, same):
    sketch = Sketch("op")
    value = sketch.op("a", "tanh", (1, 6, 8), [sketch.input("x", (1, 6, 8))])
    names = [] if index is None else [sketch.weight("i", np.array(index))]
    sketch.op("b", "index_select", (1, 6, 8), [value], names)
    graph = Graph(sketch.program("b"))
    assert (graph.of["a"] == graph.of["b"]) is same
