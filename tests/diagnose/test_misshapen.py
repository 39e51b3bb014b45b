"""A window that changes the size of all that follows: the place where it does so is named."""

from __future__ import annotations

import onnx
import pytest
import torch
from torch import nn
from torch.nn.functional import pad

import divergence

pytestmark = pytest.mark.filterwarnings("ignore")


class Same(nn.Conv2d):
    """A convolution that pads by itself, as ports from other frameworks do."""

    def forward(self, x):
        return super().forward(pad(x, (1, 2, 1, 2)))


def classifier():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Hardswish(),
        Same(8, 8, 4),
        nn.Hardswish(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.Hardswish(),
        nn.Conv2d(16, 16, 5, padding=2),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )


def upscaler():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 2, stride=2),
    )


def faulty(model, x, path, number, **attributes):
    """Export and change attributes of the convolution of that number; return its node's name."""
    torch.onnx.export(model, (x,), str(path), dynamo=True, verbose=False)
    file = onnx.load(path)
    node = [node for node in file.graph.node if node.op_type == "Conv"][number]
    kept = [given for given in node.attribute if given.name not in attributes]
    kept += [onnx.helper.make_attribute(name, value) for name, value in attributes.items()]
    del node.attribute[:], file.graph.value_info[:]
    node.attribute.extend(kept)
    for output in file.graph.output:
        output.type.tensor_type.ClearField("shape")
    onnx.save(file, path)
    return node.name


@pytest.mark.parametrize(
    ("number", "attributes"),
    [
        (0, {"pads": [0, 0, 0, 0]}),
        (1, {"pads": [0, 0, 0, 0]}),
        (2, {"strides": [1, 1]}),
        (3, {"pads": [1, 1, 1, 1]}),
    ],
    ids=["first", "pads by itself", "stride", "last"],
)
def test_a_window_that_changes_every_size_behind_it_is_the_culprit(tmp_path, number, attributes):
    torch.manual_seed(0)
    model, x, path = classifier().eval(), torch.randn(1, 3, 21, 21), tmp_path / "faulty.onnx"
    name = faulty(model, x, path, number, **attributes)
    fixed = tmp_path / "fixed.onnx"
    report = divergence.trace(model, path, x, fix=fixed)
    assert report.verdict.status == "divergent"
    assert "gives another shape" in report.verdict.sentence
    (culprit,) = report.culprits
    assert name in culprit.candidate_nodes
    assert len(culprit.candidate_nodes) <= 3
    assert report.pairs[culprit.pair].verdict == "not_comparable"
    assert report.findings[0].cause == "attribute.padding"
    assert report.findings[0].proof.error_after < 1e-6 < report.findings[0].proof.error_before
    assert divergence.trace(model, fixed, x).verdict.status == "rounding"


def test_an_output_of_another_size_is_divergent_where_it_can_be_told_why(tmp_path):
    torch.manual_seed(0)
    model, x, path = upscaler().eval(), torch.randn(1, 3, 12, 12), tmp_path / "faulty.onnx"
    name = faulty(model, x, path, 1, pads=[0, 0, 0, 0])
    report = divergence.trace(model, path, x)
    assert report.verdict.status == "divergent"
    assert name in report.culprits[0].candidate_nodes
    assert report.findings[0].cause == "attribute.padding"
    assert report.findings[0].proof.error_before == float("inf")
    assert report.findings[0].proof.error_after < 1e-6


def test_two_windows_are_both_told(tmp_path):
    torch.manual_seed(0)
    model, x, path = classifier().eval(), torch.randn(1, 3, 21, 21), tmp_path / "faulty.onnx"
    names = {faulty(model, x, path, 0, pads=[0, 0, 0, 0])}
    file = onnx.load(path)
    last = [node for node in file.graph.node if node.op_type == "Conv"][3]
    next(a for a in last.attribute if a.name == "pads").ints[:] = [1, 1, 1, 1]
    onnx.save(file, path)
    report = divergence.trace(model, path, x)
    named = {node for culprit in report.culprits for node in culprit.candidate_nodes}
    assert names | {last.name} <= named
    assert [finding.cause for finding in report.findings] == ["attribute.padding"] * 2


class Spectral(nn.Module):
    """A mixing of tokens by Fourier transforms: complex numbers on the way."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(8), nn.LayerNorm(8)

    def forward(self, x):
        x = self.first(x + torch.fft.fftn(x, dim=(1, 2)).real)
        return self.second(x + torch.fft.fftn(x, dim=(1, 2)).real)


def test_complex_numbers_on_the_way_end_no_trace(tmp_path):
    torch.manual_seed(0)
    model, given = Spectral().eval(), torch.randn(1, 6, 8)
    path = tmp_path / "model.onnx"
    torch.onnx.export(model, (given,), path, dynamo=True, verbose=False)
    assert divergence.trace(model, path, given).verdict.status == "rounding"
    file = onnx.load(path)
    norm = [node for node in file.graph.node if node.op_type == "LayerNormalization"][-1]
    next(a for a in norm.attribute if a.name == "epsilon").f = 0.01
    report = divergence.trace(model, file, given)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause == "attribute.epsilon"
    assert report.findings[0].proof.error_after < 0.01 * report.findings[0].proof.error_before
