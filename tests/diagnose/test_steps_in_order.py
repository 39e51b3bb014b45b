"""Steps of one operator that are taken in another order."""

from __future__ import annotations

import pytest
import torch
from onnx import helper
from torch import nn

import divergence
from tests.zoo.special import export

pytestmark = pytest.mark.filterwarnings("ignore")


class Summed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.last(torch.cumsum(self.first(x), 1))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.layer = nn.Linear(4, 6), nn.GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.layer(self.first(x))[0]


@pytest.mark.parametrize(
    ("model", "flag", "value"),
    [(Summed, "reverse", 1), (Summed, "exclusive", 1), (Gated, "linear_before_reset", 0)],
)
def test_a_flag_that_changes_the_order_of_steps_is_named_and_undone(model, flag, value):
    torch.manual_seed(0)
    network, x = model().eval(), torch.randn(1, 5, 4)
    file = export(network, (x,))
    (node,) = (n for n in file.graph.node if n.op_type in {"CumSum", "GRU"})
    kept = [a for a in node.attribute if a.name != flag]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(flag, value)])
    report = divergence.trace(network, file, x)
    (finding,) = report.findings
    assert finding.cause == "structure.order"
    assert flag in finding.explanation
    assert finding.proof


@pytest.mark.parametrize("both", [False, True], ids=["forth", "both ways"])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_a_recurrent_layer_that_puts_rows_first_and_ends_the_network_is_no_fault(kind, both):
    torch.manual_seed(0)
    network, x = Gated().eval(), torch.randn(2, 5, 4)
    network.layer = kind(6, 7, batch_first=True, bidirectional=both)
    assert divergence.trace(network, export(network, (x,)), x).verdict.status == "rounding"
