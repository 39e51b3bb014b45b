"""Another checkpoint, in a file that computes with more constants than parameters."""

from __future__ import annotations

import numpy as np
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

import divergence
from tests.zoo.special import export

PERIODS = 2.0 ** torch.arange(8)


class Waves(nn.Module):
    """Layers, and a projection of the positions' angles, which no input changes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layers[0]((torch.arange(6.0)[:, None] / PERIODS).sin())
        for layer in self.layers[1:]:
            x = x + torch.tanh(layer(x))
        return x


def test_constants_that_are_no_parameters_are_not_replaced_by_such():
    torch.manual_seed(0)
    model, other, given = Waves().eval(), Waves().eval(), torch.randn(2, 6, 8)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        for layer in other.layers:
            layer.weight += 0.3 * layer.weight.std() * torch.randn_like(layer.weight)
    graph = (file := export(other, (given,), opset_version=17)).graph
    places = np.arange(6, dtype=np.float32)[:, None]  # what an exporter may not fold
    for name, value in {"places": places, "periods": PERIODS.numpy()}.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    next(n for n in graph.node if n.op_type == "Gemm").input[0] = "waves"
    graph.node.insert(0, helper.make_node("Div", ["places", "periods"], ["angles"], "angles"))
    graph.node.insert(1, helper.make_node("Sin", ["angles"], ["waves"], "waves"))
    (found,) = divergence.trace(model, file, given).findings
    assert found.cause == "weights.all"
    assert found.proof.error_after < 1e-5 < found.proof.error_before
