"""Inputs that differ: what reads one that only its own side can take is not to blame."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import divergence

pytestmark = pytest.mark.filterwarnings("ignore")


class Matched(nn.Module):
    """The best match of a picture's features among words."""

    def __init__(self):
        super().__init__()
        self.body, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)

    def forward(self, image, text):
        seen = self.body(image).relu()
        best = torch.einsum("bchw,brc->brhw", seen, text).amax(1, keepdim=True)
        return self.last(seen * best.sigmoid())


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    torch.manual_seed(0)
    model, path = Matched().eval(), tmp_path_factory.mktemp("apart")
    image, text = torch.randn(1, 3, 9, 9), torch.randn(1, 4, 8)
    names = {"input_names": ["image", "text"], "dynamo": False}
    for name, rows in (("fixed", 3), ("free", 4)):
        axes = {"text": {1: "rows"}} if name == "free" else None
        given = (image, text[:, :rows])
        torch.onnx.export(model, given, str(path / f"{name}.onnx"), dynamic_axes=axes, **names)
    return model, path, image, text


def test_a_file_that_takes_the_references_rows_is_judged_with_them(pair):
    model, path, image, text = pair
    given = {"candidate_inputs": {"text": text[:, :3]}}
    report = divergence.trace(model, path / "free.onnx", (image, text), **given)
    assert report.findings[0].cause == "inputs.other"
    assert report.findings[0].parameters["input"] == "text"
    assert report.findings[0].proof.error_before > 1e-3
    assert report.findings[0].proof.error_after < 1e-5
    assert not report.culprits
    assert "Fed the same input the model is right." in report.verdict.sentence


def test_a_file_that_does_not_take_them_is_not_blamed_for_it(pair):
    model, path, image, text = pair
    given = {"candidate_inputs": {"text": text[:, :3]}}
    report = divergence.trace(model, path / "fixed.onnx", (image, text), **given)
    assert report.verdict.status == "divergent"
    assert [finding.cause for finding in report.findings] == ["inputs.other"]
    assert report.findings[0].proof is None  # the file cannot be run with the reference's rows
    assert not report.culprits
    assert "The file cannot take the reference's text" in report.verdict.sentence
    assert "every segment that does not read it is within the floor" in report.verdict.sentence


def test_another_fault_beside_it_is_still_found(pair, tmp_path):
    import onnx
    from onnx import numpy_helper

    model, path, image, text = pair
    file = onnx.load(path / "fixed.onnx")
    bias = next(i for i in file.graph.initializer if i.name == "body.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) * 2, bias.name))
    onnx.save(file, tmp_path / "wrong.onnx")
    given = {"candidate_inputs": {"text": text[:, :3]}}
    report = divergence.trace(model, tmp_path / "wrong.onnx", (image, text), **given)
    assert [finding.cause for finding in report.findings] == ["inputs.other", "weights.one"]
    assert any("body" in node for node in report.culprits[0].candidate_nodes)


class Padded(nn.Module):
    """A convolution that pads by itself."""

    def __init__(self, before):
        super().__init__()
        self.before, self.body, self.last = before, nn.Conv1d(1, 4, 5), nn.Conv1d(4, 2, 3)

    def forward(self, x):
        return self.last(self.body(nn.functional.pad(x, (self.before, 0))).tanh())


@pytest.mark.parametrize(("shift", "status"), [(0.0, "rounding"), (0.5, "divergent")])
def test_another_shape_that_leads_to_the_same_values_is_no_fault(tmp_path, shift, status):
    torch.manual_seed(0)
    model, path = Padded(8).eval(), tmp_path / "padded.onnx"
    plain = Padded(0).eval()
    plain.load_state_dict(model.state_dict())
    x = torch.randn(1, 1, 24)
    padded = nn.functional.pad(x, (8, 0), value=shift)
    torch.onnx.export(plain, (padded,), str(path), dynamo=True, verbose=False)
    report = divergence.trace(model, path, (x,), candidate_inputs={"x": padded})
    assert report.verdict.status == status
    assert [finding.cause for finding in report.findings] == ["inputs.other"][: bool(shift)]
    assert (status == "rounding") == ("inputs.other" in {r.cause for r in report.ruled_out})
