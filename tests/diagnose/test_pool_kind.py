"""The greatest for the mean, over windows, pictures and axes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import divergence
from tests.zoo.special import export

pytestmark = pytest.mark.filterwarnings("ignore")


class Pooled(nn.Module):
    """Features, pooled in one of three forms, and a head."""

    def __init__(self, form):
        super().__init__()
        self.first, self.head, self.form = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), form

    def forward(self, x):
        x = self.first(x)
        if self.form == "windows":
            x = nn.functional.avg_pool2d(x, 2)
        elif self.form == "picture":
            x = nn.functional.adaptive_avg_pool2d(x, 1)
        else:
            x = x.mean((2, 3), keepdim=True)
        return self.head(x)


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [
        ("windows", "AveragePool", "MaxPool"),
        ("picture", "GlobalAveragePool", "GlobalMaxPool"),
        ("axes", "ReduceMean", "ReduceMax"),
    ],
)
def test_the_greatest_is_taken_where_the_reference_takes_the_mean(form, right, wrong):
    torch.manual_seed(0)
    model, x = Pooled(form).eval(), torch.rand(1, 3, 12, 12)
    file = export(model, (x,))
    node = next(node for node in file.graph.node if node.op_type == right)
    node.op_type = wrong
    kept = [a for a in node.attribute if a.name != "count_include_pad"]
    del node.attribute[:]
    node.attribute.extend(kept)
    finding = divergence.trace(model, file, x).findings[0]
    assert (finding.cause, finding.parameters["op"]) == ("attribute.pool", [right, wrong])
    assert finding.proof.error_after < 1e-4 * finding.proof.error_before
