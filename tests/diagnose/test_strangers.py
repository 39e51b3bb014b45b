"""Values that were paired with another one's are told apart along a whole recurrence."""

from __future__ import annotations

import pytest
import torch
from onnx import numpy_helper
from torch import nn

import divergence
from tests.zoo.special import export

STEPS = 8


class States(nn.Module):
    """Two states that are carried over time, of one shape and by the same operators."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.first(x)
        one = other = x[:, 0]
        for step in range(STEPS):
            one, other = (one + x[:, step]).sin(), (other - 2 * x[:, step]).sin()
        return self.last(one * other)


def crossed(path):
    """Write pairs in which each state is taken for the other."""
    lines = ["reference,candidate"]
    for step in range(2 * STEPS):
        twin = step ^ 1
        value = f"/Sin_{twin}_output_0" if twin else "/Sin_output_0"
        lines.append(f"<root>::sin#{step},{value}")
    path.write_text("\n".join(lines))
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrong", [False, True])
def test_states_that_are_taken_for_each_other_at_every_step_are_no_culprits(wrong, tmp_path):
    torch.manual_seed(0)
    model, x = States().eval(), torch.randn(2, STEPS, 8)
    file = export(model, (x,))
    if wrong:
        (weight,) = (w for w in file.graph.initializer if w.name == "first.bias")
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.1, weight.name))
    report = divergence.trace(model, file, x, pairs=crossed(tmp_path / "pairs.csv"))
    assert report.verdict.status == ("divergent" if wrong else "rounding")
    assert [f.cause for f in report.findings if f.proof] == ["weights.one"] * wrong
    assert len(report.culprits) == wrong
