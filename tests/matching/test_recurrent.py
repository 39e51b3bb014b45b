"""Cells of recurrent networks: as one node, and spelled out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import divergence

pytestmark = pytest.mark.filterwarnings("ignore")


class ByCell(nn.Module):
    """One step of an LSTM; `layer` is another one, over the cell's state as a sequence."""

    def __init__(self, layer=False):
        super().__init__()
        self.inner, self.cell, self.last = nn.Linear(6, 4), nn.LSTMCell(4, 8), nn.Linear(8, 3)
        self.layer = nn.LSTM(8, 8) if layer else None

    def forward(self, x):
        out, state = self.cell(self.inner(x).relu())
        if self.layer is not None:
            out = self.layer(out[None])[0][0]
        return self.last(out.relu()), state.abs()


class ByLayer(nn.Module):
    """The same step as a sequence of one, which exporters write as one node."""

    def __init__(self, of):
        super().__init__()
        self.inner, self.last = of.inner, of.last
        self.cell = nn.LSTM(4, 8)
        named = of.cell.state_dict()
        self.cell.load_state_dict({f"{name}_l0": value for name, value in named.items()})

    def forward(self, x):
        out, (_, state) = self.cell(self.inner(x).relu()[None])
        return self.last(out[0].relu()), state[0].abs()


def traced(model, exported, path):
    torch.manual_seed(1)
    x = torch.randn(2, 6)
    torch.onnx.export(exported, (x,), str(path), dynamo=False)
    report = divergence.trace(model, path, (x,))
    assert report.verdict.status == "rounding", report.verdict.sentence
    return report, {pair.reference: pair.candidate for pair in report.pairs}


def test_a_cell_is_the_one_node_and_its_state_the_nodes_last(tmp_path):
    torch.manual_seed(0)
    model = ByCell().eval()
    report, found = traced(model, ByLayer(model).eval(), tmp_path / "layer.onnx")
    assert found["cell[1]"] != found["cell"]
    verdicts = {pair.reference: pair.verdict for pair in report.pairs}
    assert {verdicts["cell"], verdicts["cell[1]"]} <= {"identical", "rounding"}
    reasons = {u.site: u.reason for u in report.unpaired if u.site.startswith("cell::")}
    assert set(reasons.values()) == {"a step inside a module that the other side makes in one node"}


def test_a_cell_that_is_spelled_out_is_paired_step_by_step_beside_a_layer(tmp_path):
    torch.manual_seed(0)
    model = ByCell(layer=True).eval()
    _, found = traced(model, model, tmp_path / "cell.onnx")
    assert {"cell", "cell[1]", "cell::sigmoid#0", "layer"} <= found.keys()
