"""An ONNX file against another: no float64 run tells their rounding."""

from __future__ import annotations

import numpy as np
import onnx
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


def folded(path, how):
    """Write a convolution whose norm was folded in float64 or, step by step, in float32."""
    numbers = np.random.default_rng(0)
    kernel = numbers.normal(size=(16, 16, 1, 1)) * numbers.lognormal(0, 3, (16, 1, 1, 1))
    gain, mean = numbers.lognormal(0, 2, 16), 1e3 * numbers.normal(size=16)
    if how == "at once":
        parts = kernel * gain.reshape(-1, 1, 1, 1), -mean * gain
    else:
        scale = np.sqrt(np.float32(1) / (1 / gain.astype("f") ** 2))
        parts = kernel.astype("f") * scale.reshape(-1, 1, 1, 1), -(mean.astype("f") * scale)
    if how == "wrong":
        parts[0][3] *= 1.0001
    weights = [
        onnx.numpy_helper.from_array(p.astype("f"), n) for p, n in zip(parts, "wb", strict=True)
    ]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv"),
        onnx.helper.make_node("Relu", ["c"], ["y"], "relu"),
    ]
    shape = [1, 16, 8, 8]
    ends = [[onnx.helper.make_tensor_value_info(n, 1, shape)] for n in "xy"]
    graph = onnx.helper.make_graph(nodes, "folded", *ends, weights)
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=opset), path)
    return path


@pytest.mark.parametrize(("how", "status"), [("step by step", "rounding"), ("wrong", "divergent")])
def test_parameters_that_two_exporters_folded_are_the_same(tmp_path, how, status):
    x = np.random.default_rng(1).normal(size=(1, 16, 8, 8)).astype("float32")
    first = folded(tmp_path / "first.onnx", "at once")
    report = divergence.trace(first, folded(tmp_path / "second.onnx", how), x)
    assert report.verdict.status == status, report.verdict.sentence
