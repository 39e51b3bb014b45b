"""A trace whose branches only values tell apart: clean where it is, divergent where it is not."""

from __future__ import annotations

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

import divergence


class Siblings(nn.Module):
    """One layer called on three inputs; nothing but values says which call is which."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        first, second = torch.tanh(self.layer(x * 2)), torch.tanh(self.layer(x * -3))
        return first * second


def exported(model: Siblings, order: tuple[float, float], *, fault: bool) -> onnx.ModelProto:
    """Return the file by hand: the calls in an order, their nodes and values without names."""
    weight = model.layer.weight.detach().numpy().T.copy()
    initializers = {"w": weight, "b": model.layer.bias.detach().numpy()}
    nodes = []
    for i, gain in enumerate(order):
        initializers[f"g{i}"] = torch.tensor(gain).numpy()
        nodes += [
            helper.make_node("Mul", ["x", f"g{i}"], [f"m{i}"]),
            helper.make_node("Gemm", [f"m{i}", "w", "b"], [f"f{i}"]),
            helper.make_node("Tanh", [f"f{i}"], [f"t{i}"]),
        ]
    nodes.append(helper.make_node("Add" if fault else "Mul", ["t0", "t1"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 6))],
        [numpy_helper.from_array(value, name) for name, value in initializers.items()],
    )
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


@pytest.mark.parametrize("order", [(2.0, -3.0), (-3.0, 2.0)])
def test_crossed_calls_are_told_by_their_values(order):
    torch.manual_seed(1)
    model, x = Siblings().eval(), torch.randn(2, 6)
    report = divergence.trace(model, exported(model, order, fault=False), x)
    assert report.verdict.status in {"identical", "rounding"}
    assert all(pair.metrics.sqnr_db > 80 for pair in report.pairs)


@pytest.mark.parametrize("order", [(2.0, -3.0), (-3.0, 2.0)])
def test_what_reads_them_is_still_wrong_where_it_is(order):
    torch.manual_seed(1)
    model, x = Siblings().eval(), torch.randn(2, 6)
    report = divergence.trace(model, exported(model, order, fault=True), x)
    assert report.verdict.status == "divergent"
    assert [culprit.candidate for culprit in report.culprits] == ["y"]
