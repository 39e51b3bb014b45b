"""Faults among nodes that compute a table of constants."""

from __future__ import annotations

import numpy as np
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

import divergence
from tests.zoo.special import export


class Placed(nn.Module):
    """Adds sines and cosines of rows and columns, computed of nothing that is fed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 12), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        ones = torch.ones(1, x.shape[1], 3)
        steps, turns = ones.cumsum(1) / 6 * 6.5, ones.cumsum(2) / 3 * 6.5
        table = torch.stack((steps.sin(), turns.cos()), 3).flatten(2)
        table = torch.cat((table, table * 0.5), 2)
        return self.last(torch.tanh(self.first(x) + table))


def traced(wrong):
    """Trace an export with a fault; wrong: edits the file and returns the nodes' names."""
    torch.manual_seed(0)
    model, given = Placed().eval(), torch.randn(2, 6, 12)
    file = export(model, (given,), opset_version=17)
    nodes = wrong(file.graph)
    report = divergence.trace(model, file, given)
    assert report.verdict.status == "divergent"
    assert nodes & set(report.culprits[0].candidate_nodes)
    return report


def _swapped(graph):
    (concat,) = (n for n in graph.node if n.op_type == "Concat" and "Unsqueeze" in n.input[0])
    concat.input[:] = concat.input[::-1]
    return {concat.name}


def _slower(graph):
    graph.initializer.append(numpy_helper.from_array(np.float32(5.5), "slower"))
    changed = set()
    for node in graph.node:
        held = {n.output[0]: helper.get_node_attr_value(n, "value") for n in graph.node
                if n.op_type == "Constant"}  # fmt: skip
        for place, name in enumerate(node.input):
            if name in held and numpy_helper.to_array(held[name]).tolist() == 6.5:
                node.input[place] = "slower"
                changed.add(node.name)
    return changed


def test_the_order_of_what_a_shape_is_read_of_as_well_is_named():
    report = traced(_swapped)
    assert report.findings[0].cause == "structure.order"
    assert report.findings[0].proof.holds


def test_a_number_that_is_wrong_in_two_places_is_set_in_both():
    report = traced(_slower)
    assert [finding.cause for finding in report.findings] == ["weights.one"]
    assert report.findings[0].proof.error_after < 1e-5
