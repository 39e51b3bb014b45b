"""A file as the reference: detectors read its operators and settings in PyTorch's words."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import divergence
from divergence.capture.onnx_runner import OnnxRunner
from divergence.diagnose.translation import in_aten

GRAPH = """<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2,8,8] x) => (float[1,2] y)
<float[2,2,3,3] k = {KERNEL}, float scale = {0.75}, float low = {-0.6}, float high = {0.8}>
{
  [conv] a = Conv<pads = [1, 1, 1, 1]>(x, k)
  [slope] b = LeakyRelu<alpha = 0.3>(a)
  [scaled] c = Mul(b, scale)
  [sum] d = Add(c, x)
  [bounded] e = Clip(d, low, high)
  [pool] f = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(e)
  [mean] y = ReduceMean<axes = [2, 3], keepdims = 0>(f)
}"""


def file(*changes):
    """Return the network with parts of its text exchanged."""
    rng = np.random.default_rng(0)
    kernel = ", ".join(f"{v:.4f}" for v in rng.normal(size=36))
    text = GRAPH.replace("KERNEL", kernel)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return onnx.parser.parse_model(text)


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("pads = [1, 1, 1, 1]", "pads = [2, 1, 0, 1]", "attribute.padding"),
        ("d = Add(c, x)", "d = Identity(c)", "structure.missing_op"),
        ("c = Mul(b, scale)", "c = Identity(b)", "structure.missing_op"),
        ("e = Clip(d, low, high)", "e = Clip(d, low)", "attribute.activation"),
        ("alpha = 0.3", "alpha = 0.01", "attribute.activation"),
        ("f = AveragePool", "f = MaxPool", "attribute.pool"),
        ("y = ReduceMean", "y = ReduceMax", "attribute.pool"),
    ],
)
def test_a_fault_is_named_and_proved_against_a_file(old, new, cause):
    x = np.random.default_rng(1).normal(size=(1, 2, 8, 8)).astype("float32")
    report = divergence.trace(file(), file((old, new)), x)
    assert report.verdict.status == "divergent"
    finding = report.findings[0]
    assert finding.cause == cause
    assert finding.proof.error_after < 1e-4 * finding.proof.error_before


def test_operators_and_settings_are_those_of_pytorch():
    runner = OnnxRunner(file())
    sites = {site.name: site for site in in_aten(_program(runner), runner.file.model).sites}
    assert sites["a"].op == "convolution"
    assert sites["a"].attributes["pads"] == (1, 1, 1, 1)
    assert sites["a"].attributes["stride"] == sites["a"].attributes["dilation"] == (1, 1)
    assert sites["b"].attributes["negative_slope"] == pytest.approx(0.3)
    assert (sites["c"].op, sites["c"].attributes["other"]) == ("mul", 0.75)
    assert "other" not in sites["d"].attributes
    assert sites["e"].attributes["min"] == pytest.approx(-0.6)
    assert sites["e"].attributes["max"] == pytest.approx(0.8)
    assert (sites["f"].op, sites["f"].attributes["kernel_size"]) == ("avg_pool", (2, 2))
    assert (sites["y"].op, sites["y"].attributes["dim"]) == ("mean", (2, 3))


def _program(runner):
    from divergence.records import Call

    return runner.program(Call((), {"x": np.zeros((1, 2, 8, 8), np.float32)}))


@pytest.mark.parametrize(
    ("node", "settings"),
    [
        ("Pad<mode = 'constant'>(x, pads)", {"pad": (1, 2, 0, 0, 0, 0, 0, 0), "value": None}),
        ("Sub(one, x)", {}),
        ("Sub(x, one)", {"other": 1.0}),
    ],
)
def test_what_says_how_is_read_off_constants(node, settings):
    node = node.replace("'", '"')
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
    net (float[1,2,8,8] x) => (float[n,c,h,w] y)
    <int64[8] pads = {{0, 0, 0, 1, 0, 0, 0, 2}}, float one = {{1}}> {{ [n] y = {node} }}"""
    runner = OnnxRunner(onnx.parser.parse_model(text))
    (site,) = [s for s in in_aten(_program(runner), runner.file.model).sites if s.name == "y"]
    found = {k: v for k, v in site.attributes.items() if k in ("pad", "value", "other")}
    assert found == settings
