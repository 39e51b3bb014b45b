"""Values that are combined with the wrong one, or by the wrong operation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import divergence
from tests.zoo.special import export


class Residual(nn.Module):
    """A norm, a layer with a scale, a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.inner = nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 8)
        self.last = nn.Linear(8, 3)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        return self.last(x + 0.3 * torch.relu(self.inner(self.norm(x))))


def _twice(graph):
    (add,) = (n for n in graph.node if n.op_type == "Add" and n.name.startswith("/Add"))
    add.input[0] = add.input[1]
    return add.name


def _subtracted(graph):
    (add,) = (n for n in graph.node if n.op_type == "Add" and n.name.startswith("/Add"))
    add.op_type = "Sub"
    return add.name


def _exchanged(graph):
    (norm,) = (n for n in graph.node if n.op_type == "LayerNormalization")
    norm.input[1], norm.input[2] = norm.input[2], norm.input[1]
    return norm.name


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (_twice, "structure.order"),
        (_subtracted, "structure.missing_op"),
        (_exchanged, "structure.order"),
    ],
)
def test_what_is_combined_wrongly_is_named_and_repaired(wrong, cause, tmp_path):
    torch.manual_seed(0)
    model, given, fixed = Residual().eval(), torch.randn(4, 6), tmp_path / "fixed.onnx"
    file = export(model, (given,), opset_version=17)
    node = wrong(file.graph)
    report = divergence.trace(model, file, given, fix=fixed)
    assert report.verdict.status == "divergent"
    assert [finding.cause for finding in report.findings] == [cause]
    assert node in report.culprits[0].candidate_nodes
    assert divergence.trace(model, fixed, given).verdict.status in {"rounding", "identical"}
