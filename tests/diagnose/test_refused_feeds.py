"""What the runtime refuses to compute from the reference's values ends no trace."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import divergence

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
net (float[3,4] x) => (float[3,2] y)
<float[4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}, int64[1] first = {0}, int64[1] next = {1},
 float[3,1] zeros = {0, 0, 0}>
{
  [joined] a = Concat<axis = 1>(zeros, x)
  [cut] b = Slice(a, first, next, next)
  [whole] c = Cast<to = 7>(b)
  [row] d = Squeeze(c, next)
  [table] e = MatMul(x, w)
  [taken] f = Gather<axis = 0>(e, d)
  [last] y = Relu(f)
}"""


class Net(nn.Module):
    """Takes rows by numbers that are cut from a tensor; cuts another slice for its shape only."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.arange(1.0, 9).reshape(4, 2))

    def forward(self, x):
        column = torch.full_like(x[:, :1], 0)
        rows = torch.cat([column, x], 1)
        return torch.relu((x @ self.w)[rows[:, 0].long()])


@pytest.mark.parametrize(("wrong", "status"), [(False, "rounding"), (True, "divergent")])
def test_a_slice_that_is_no_index_does_not_end_the_trace(wrong, status):
    text = TEXT.replace("Relu(f)", "Neg(f)") if wrong else TEXT
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32") * 9
    report = divergence.trace(Net().eval(), onnx.parser.parse_model(text), torch.from_numpy(x))
    assert report.verdict.status == status
