"""A Gemm that takes a multiple of a parameter; values that pass through integers."""

from __future__ import annotations

import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

import divergence
from tests.zoo.special import export


def traced(wrong, folder):
    """Trace an export with a fault and its repaired file; wrong: edits the graph."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 5), nn.Tanh()).eval()
    given, fixed = 3 * torch.randn(4, 8), folder / "fixed.onnx"
    file = export(model, (given,), opset_version=17)
    wrong(file.graph)
    report = divergence.trace(model, file, given, fix=fixed)
    assert report.verdict.status == "divergent"
    assert divergence.trace(model, fixed, given).verdict.status in {"rounding", "identical"}
    return report


@pytest.mark.parametrize("factor", ["alpha", "beta"])
def test_another_factor_of_a_gemm_is_another_parameter(factor, tmp_path):
    def wrong(graph):
        gemm = [n for n in graph.node if n.op_type == "Gemm"][-1]
        kept = [a for a in gemm.attribute if a.name != factor]
        del gemm.attribute[:]
        gemm.attribute.extend([*kept, helper.make_attribute(factor, 0.5)])

    found = traced(wrong, tmp_path).findings[0]
    assert (found.cause, found.parameters["attribute"]) == ("weights.one", factor)
    assert found.proof.error_after < 1e-5 < found.proof.error_before


def test_values_that_are_cut_to_integers_and_back_are_in_another_precision(tmp_path):
    def wrong(graph):
        place = next(k for k, n in enumerate(graph.node) if n.op_type == "Relu")
        relu = graph.node[place]
        value, relu.output[0] = relu.output[0], "whole"
        make = helper.make_node
        graph.node.insert(place + 1, make("Cast", ["whole"], ["cut"], "cut", to=TensorProto.INT32))
        graph.node.insert(place + 2, make("Cast", ["cut"], [value], "back", to=TensorProto.FLOAT))

    report = traced(wrong, tmp_path)
    assert report.findings[0].cause == "precision.reduced"
    assert "int32" in report.findings[0].explanation
    assert "cut" in report.culprits[0].candidate_nodes
