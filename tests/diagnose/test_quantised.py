"""Files in 8-bit integers: their own rounding is no fault, what is wrong besides is."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from onnxruntime import InferenceSession, quantization
from torch import nn
from torch.nn import functional

import divergence
from divergence.diagnose.causes.weight import Operand
from divergence.diagnose.restored import likeliest
from divergence.diagnose.unrounded import Cut, unround
from divergence.diagnose.weights import Expected
from divergence.records import Weight
from sample_models.calibrate import calibrate
from tests.zoo.special import export

FORMS = ("QDQ", "QOperator", "dynamic")


class Gated(nn.Module):
    """Convolutions with a gate, a residual, an embedding's sum and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.norm = nn.BatchNorm2d(12)
        self.squeeze, self.excite = nn.Conv2d(12, 6, 1), nn.Conv2d(6, 12, 1)
        self.last = nn.Conv2d(12, 12, 3, padding=1)
        self.head = nn.Linear(12 * 16, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.stem(x)))
        gate = functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = x + self.last(x * torch.sigmoid(self.excite(gate)))
        return self.head(functional.relu(functional.avg_pool2d(x, 4)).flatten(1))


@cache
def network():
    torch.manual_seed(0)
    given = torch.randn(2, 3, 16, 16)
    model = calibrate(Gated(), given)
    return model, given, export(model, (given,), opset_version=17)


def copied():
    model = onnx.ModelProto()
    model.CopyFrom(network()[2])
    return model


def quantised(file, form, folder, given=None):
    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(file, source)
    if form == "dynamic":
        quantization.quantize_dynamic(source, target)
        return onnx.load(target)
    name = file.graph.input[0].name
    given = network()[1].numpy() if given is None else given

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.values = iter([{name: given}])

        def get_next(self):
            return next(self.values, None)

    quantization.quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=quantization.QuantFormat[form],
        per_channel=form == "QDQ",
        activation_type=quantization.QuantType.QUInt8,
    )
    return onnx.load(target)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr("logging.warning", lambda *_, **__: None)  # the quantiser advises
    monkeypatch.setattr("logging.Logger.warning", lambda *_, **__: None)


@pytest.mark.parametrize("form", FORMS)
def test_a_files_own_rounding_is_named_and_no_fault(form, tmp_path):
    model, given, file = network()
    report = divergence.trace(model, quantised(file, form, tmp_path), given)
    assert report.verdict.status == "rounding"
    (finding,) = report.findings
    assert (finding.cause, finding.culprit) == ("precision.reduced", None)
    # With nothing rounded the file is the reference, to the units in the last place.
    assert finding.proof.error_after < 1e-5 < finding.proof.error_before


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_weight_is_found_behind_the_rounding(form, tmp_path):
    model, given, _ = network()
    file = copied()
    (weight,) = (t for t in file.graph.initializer if t.name == "head.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 3, weight.name))
    report = divergence.trace(model, quantised(file, form, tmp_path), given)
    assert report.verdict.status == "divergent"
    assert report.culprits[0].reference == "head"
    found = report.findings[0]
    assert found.cause == "weights.one"
    assert found.proof.holds
    assert "head.weight" in found.explanation


@pytest.mark.parametrize("form", ["QDQ", "dynamic"])
def test_a_weight_that_no_rounding_makes_of_the_references_is_wrong(form, tmp_path):
    def heavier(file):
        weight = next(t for t in file.graph.initializer if list(t.dims) == [24, 24])
        value = numpy_helper.to_array(weight) * np.float32(1.06)
        weight.CopyFrom(numpy_helper.from_array(value, weight.name))

    report = attending(form, tmp_path, heavier)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause == "weights.one"
    assert "out.weight" in report.findings[0].explanation


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_addition_is_found_behind_the_rounding(form, tmp_path):
    model, given, _ = network()
    file = copied()
    (add,) = (n for n in file.graph.node if n.op_type == "Add")
    add.op_type = "Sub"
    report = divergence.trace(model, quantised(file, form, tmp_path), given)
    assert report.verdict.status == "divergent"
    assert report.culprits


def test_a_range_that_cuts_values_off_is_told_apart(tmp_path):
    model, given, file = network()
    narrow = quantised(file, "QDQ", tmp_path)
    node = next(
        n for n in narrow.graph.node if n.op_type == "QuantizeLinear" and "input" not in n.name
    )
    scale = next(t for t in narrow.graph.initializer if t.name == node.input[1])
    scale.CopyFrom(
        numpy_helper.from_array(numpy_helper.to_array(scale) / np.float32(6), scale.name)
    )
    report = divergence.trace(model, narrow, given)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause == "precision.overflow"
    assert report.findings[0].parameters["reached"] > report.findings[0].parameters["maximum"]


def test_a_relu_left_out_is_kept_where_another_range_ends_within_rounding():
    """Behind a sum the range that begins at zero is a ReLU, behind a function it is rounding."""
    step = helper.make_node
    nodes = [
        step("Add", ["x", "x"], ["sum"]),
        step("QuantizeLinear", ["sum", "scale", "zero"], ["sum.integers"]),
        step("DequantizeLinear", ["sum.integers", "scale", "zero"], ["relu"]),
        step("HardSwish", ["x"], ["swish"]),
        step("QuantizeLinear", ["swish", "scale", "zero"], ["swish.integers"]),
        step("DequantizeLinear", ["swish.integers", "scale", "zero"], ["y"]),
    ]
    held = {"scale": np.float32(2), "zero": np.uint8(0)}
    ends = [helper.make_tensor_value_info(n, 1, [2]) for n in ("x", "relu", "y")]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in held.items()]
    )
    known = {k: Weight(k, v.shape, str(v.dtype), partial(np.asarray, v)) for k, v in held.items()}
    unround(graph, known, {}, Cut(slack=True, sums=True))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    value = np.array([-0.3, 1], np.float32)
    relu, swish = InferenceSession(model.SerializeToString()).run(None, {"x": value})
    assert np.allclose(relu, [0, 2])
    assert np.allclose(swish, value * np.clip(value / 6 + 0.5, 0, 1))


class Attending(nn.Module):
    """One attention with its norm and residual: faults in it are small beside 8-bit rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(24), nn.Linear(24, 72), nn.Linear(24, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        weights = torch.softmax(q @ k.transpose(1, 2) * 24**-0.5, -1)
        return x + self.out(weights @ v)


def attending(form, folder, wrong):
    """Trace an attention that was quantised with a fault; wrong: edits the float32 file."""
    torch.manual_seed(0)
    model, given = Attending().eval(), torch.randn(2, 16, 24)
    file = export(model, (given,), opset_version=17)
    wrong(file)
    return divergence.trace(model, quantised(file, form, folder, given.numpy()), given)


def _scaled(file):
    """Halve the number that scales the logits."""
    (softmax,) = (n for n in file.graph.node if n.op_type == "Softmax")
    (scale,) = (n for n in file.graph.node if n.output[0] == softmax.input[0])
    file.graph.initializer.append(numpy_helper.from_array(np.float32(0.5 * 24**-0.5), "half"))
    scale.input[1] = "half"


def _coarse(file):
    """Give the norm another epsilon."""
    (norm,) = (n for n in file.graph.node if n.op_type == "LayerNormalization")
    (epsilon,) = (a for a in norm.attribute if a.name == "epsilon")
    epsilon.f = 0.05


@pytest.mark.parametrize("form", ["QDQ", "dynamic"])
@pytest.mark.parametrize(
    ("wrong", "cause"), [(_scaled, "weights.one"), (_coarse, "attribute.epsilon")]
)
def test_a_fault_of_less_than_ten_steps_is_found_beneath_them(form, wrong, cause, tmp_path):
    report = attending(form, tmp_path, wrong)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause == cause
    assert report.findings[0].proof.error_after < 0.1 * report.findings[0].proof.error_before


@pytest.mark.parametrize("form", FORMS)
def test_a_right_attention_only_rounds(form, tmp_path):
    assert attending(form, tmp_path, lambda _: None).verdict.status == "rounding"


class Unbiased(nn.Module):
    """A linear layer whose bias is zero, behind a norm: folded together they have another one."""

    def __init__(self):
        super().__init__()
        self.norm, self.wide, self.head = nn.LayerNorm(16), nn.Linear(16, 24), nn.Linear(24, 4)

    def forward(self, x):
        return self.head(functional.gelu(self.wide(self.norm(x))))


def test_a_bias_of_zeros_is_not_taken_for_a_rounded_one(tmp_path):
    torch.manual_seed(0)
    given = torch.randn(2, 6, 16)
    model = calibrate(Unbiased(), given)
    nn.init.zeros_(model.wide.bias)
    file = export(model, (given,), opset_version=17)
    report = divergence.trace(model, quantised(file, "QDQ", tmp_path, given.numpy()), given)
    assert report.verdict.status == "rounding"
    assert [finding.cause for finding in report.findings] == ["precision.reduced"]
    assert report.findings[0].proof.error_after < 1e-5


@pytest.mark.parametrize(
    ("op", "position", "first"),
    [
        ("BatchNormalization", 2, "norm.bias"),
        ("BatchNormalization", 1, "norm.weight"),
        ("QLinearConv", 8, "norm.bias"),
        ("QLinearConv", 3, "norm.weight"),
        ("MatMul", 2, "norm.weight"),
    ],
)
def test_a_bias_in_coarse_units_is_not_taken_for_a_weight_that_would_fit(op, position, first):
    node = helper.make_node(op, ["x"] * 9, ["y"])
    place = Operand(node, position, "coarse", np.zeros(4, np.float32), 3.5)
    expected = [Expected(f"norm.{name}", np.ones(4, np.float32)) for name in ("weight", "bias")]
    assert likeliest(place, expected)[0].name == first
