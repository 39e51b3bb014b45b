"""Several faults in one segment, of which undoing any alone helps little."""

from __future__ import annotations

from random import Random

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import divergence
from tests.zoo.planting import Graph
from tests.zoo.special import export

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_wrong_weight_a_missing_bias_and_a_cast_are_all_named():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 24), nn.Tanh(), nn.Linear(24, 10), nn.Softmax(-1)).eval()
    x = torch.randn(1, 12, 16)
    file = export(model, (x,))
    graph = Graph(file, Random(0))
    product = next(node for node in graph.nodes if node.name == "/2/MatMul")
    graph.give(product, 1, graph.constant(product.input[1]) * np.float32(1.3))
    (name,) = product.output
    (add,) = graph.readers(name)
    graph.become(add, "Identity", [name])
    for kind in (onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT):
        cast = graph.insert_behind(name, "Cast")
        graph.set(cast, to=kind)
        cast.name = f"cast{kind}"
    report = divergence.trace(model, file, x)
    product, cast = report.culprits
    assert product.candidate_nodes == ("/2/MatMul",)
    assert "cast10" in cast.candidate_nodes
    assert {(f.cause, f.culprit) for f in report.findings} == {
        ("weights.one", 0),
        ("structure.missing_op", 0),
        ("precision.reduced", 1),
    }
    assert all(f.proof.error_after < 1e-2 * f.proof.error_before for f in report.findings)
