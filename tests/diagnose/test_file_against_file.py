"""An ONNX file against another: no float64 run tells their rounding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import divergence

pytestmark = pytest.mark.filterwarnings("ignore")


def listener():
    """Long windows over a signal, whose sums depend on how the convolution is arranged."""
    return nn.Sequential(
        nn.Conv2d(1, 64, (512, 1), stride=(4, 1)),
        nn.ReLU(),
        nn.MaxPool2d((2, 1)),
        nn.Conv2d(64, 8, (16, 1)),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(4),
    )


def test_files_that_agree_to_the_last_bit_are_identical_however_segments_are_computed(tmp_path):
    torch.manual_seed(0)
    x = torch.rand(1, 1, 1024, 1) + 3
    model = listener().eval()
    model(x)
    with torch.no_grad():  # sums that nearly cancel
        model[0].weight -= model[0].weight.mean((2, 3), keepdim=True)
    for name, dynamo in (("first", True), ("second", False)):
        torch.onnx.export(model, (x,), str(tmp_path / f"{name}.onnx"), dynamo=dynamo, verbose=False)
    report = divergence.trace(tmp_path / "first.onnx", tmp_path / "second.onnx", x)
    assert {pair.verdict for pair in report.pairs} == {"identical"}
    assert max(p.introduced.multiple for p in report.pairs if p.introduced) > 10
    assert report.verdict.status == "identical", report.verdict.sentence
