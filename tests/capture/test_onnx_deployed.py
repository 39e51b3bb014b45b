"""The graph that ONNX Runtime makes of a file: values found, undone, or listed as swallowed."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from divergence.capture.onnx_runner import OnnxRunner
from tests.capture.onnx_graphs import X, call, graph, shown

IMAGE = np.random.default_rng(0).standard_normal((1, 3, 12, 12)).astype(np.float32)


class Net:
    """Collects nodes by value name."""

    def __init__(self) -> None:
        self.nodes, self.weights = [], []
        self.random = np.random.default_rng(1)

    def __call__(self, op, inputs, output, domain="", **attributes):
        name = f"node_{output}"
        self.nodes.append(helper.make_node(op, inputs, [output], name, domain=domain, **attributes))
        return output

    def weight(self, name, *shape, positive=False):
        array = self.random.standard_normal(shape) / max(1, np.sqrt(np.prod(shape[1:])))
        array = np.abs(array) + 0.5 if positive else array
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def conv(self, x, output, channels, given, kernel=3):
        w = self.weight(f"{output}_w", channels, given, kernel, kernel)
        pads = [kernel // 2] * 4
        return self("Conv", [x, w, self.weight(f"{output}_b", channels)], output, pads=pads)

    def model(self, output, shape=("n", 3, "h", "w")):
        value = helper.make_tensor_value_info
        return helper.make_model(
            helper.make_graph(
                self.nodes,
                "net",
                [value("x", TensorProto.FLOAT, shape)],
                [value(output, TensorProto.FLOAT, None)],
                self.weights,
            ),
            opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)],
            ir_version=9,
        )


def convolutional(shape=("n", 3, "h", "w")):
    net = Net()
    net("Relu", [net.conv("x", "stem", 32, 3)], "stem_relu")
    net("MaxPool", ["stem_relu"], "pool", kernel_shape=[2, 2], strides=[2, 2])
    net("Relu", [net.conv("pool", "c1", 32, 32)], "r1")
    net("Add", [net.conv("r1", "c2", 32, 32), "pool"], "sum")
    net("Relu", ["sum"], "r2")
    names = ("scale", "shift", "mean")
    bn = [net.weight(n, 32) for n in names] + [net.weight("var", 32, positive=True)]
    net("BatchNormalization", ["r2", *bn], "norm")
    net("Relu", ["norm"], "r3")
    net("Concat", ["r3", "r2"], "cat", axis=1)
    net.conv("cat", "c3", 32, 64, kernel=1)
    net("Mul", ["c3", net("Sigmoid", ["c3"], "gate")], "silu")
    net("GlobalAveragePool", ["silu"], "mean_pool")
    net("Flatten", ["mean_pool"], "y")
    return net.model("y", shape)


@pytest.mark.parametrize("level", ["basic", "extended", "all", "deployed"])
@pytest.mark.parametrize("observe", ["observers", "outputs"])
@pytest.mark.parametrize("shape", [("n", 3, "h", "w"), (1, 3, 12, 12)])
def test_every_value_shown_is_that_of_the_file(level, observe, shape):
    model, given = convolutional(shape), call(x=IMAGE)
    plain = shown(OnnxRunner(model, optimization="none"), given)
    runner = OnnxRunner(model, optimization=level, observe=observe)
    values = shown(runner, given)
    for name, value in values.items():
        np.testing.assert_allclose(value, plain[name], rtol=1e-4, atol=1e-5, err_msg=name)
    hidden = {entry.site for entry in runner.program(given).unobservable}
    assert hidden == plain.keys() - values.keys()
    assert np.array_equal(values["y"], runner.untouched(given)[0])
    assert list(values) == [name for name in plain if name in values]


def test_values_in_blocked_layout_are_put_back():
    runner = OnnxRunner(convolutional())
    assert any(tap.channels for tap in runner._sessions.trace.taps), (
        "this machine has no blocked kernels"
    )
    values = shown(runner, call(x=IMAGE))
    assert values["r3"].shape == (1, 32, 6, 6)
    found = {"stem_relu", "pool", "r1", "r2", "r3", "cat", "c3", "silu", "mean_pool", "y"}
    assert found <= values.keys()


def test_channels_behind_a_computed_shape_are_those_of_the_convolution_that_reads_them():
    # As group normalisation is exported: inference loses the shape, and the groups are no channels.
    net = Net()
    net.conv("x", "stem", 32, 3)
    net.weights += [
        numpy_helper.from_array(np.array([0, 4, -1], np.int64), "groups"),
        numpy_helper.from_array(np.ones(4, np.float32), "one"),
        numpy_helper.from_array(np.zeros(4, np.float32), "zero"),
    ]
    net("InstanceNormalization", [net("Reshape", ["stem", "groups"], "g"), "one", "zero"], "in")
    net("Reshape", ["in", net("Shape", ["stem"], "shape")], "norm")
    net("MaxPool", ["norm"], "pool", kernel_shape=[2, 2], strides=[2, 2])
    net("Relu", [net.conv("pool", "c1", 32, 32)], "y")
    model, given = net.model("y", (1, 3, 12, 12)), call(x=IMAGE)
    model.opset_import[0].version = 11  # there inference does not follow shapes as values
    plain = shown(OnnxRunner(model, optimization="none"), given)
    values = shown(OnnxRunner(model), given)
    assert {"stem", "pool", "y"} <= values.keys()
    np.testing.assert_allclose(values["pool"], plain["pool"], rtol=1e-4, atol=1e-5)


def test_a_swallowed_value_names_the_node_that_computes_it():
    runner = OnnxRunner(convolutional())
    program = runner.program(call(x=IMAGE))
    reasons = {entry.site: entry.reason for entry in program.unobservable}
    assert reasons.keys() == {"stem", "c1", "c2", "sum", "norm", "gate"}
    assert "com.microsoft.nchwc::Conv" in reasons["c2"]
    assert "QuickGelu" in reasons["gate"]
    assert {site.name for site in program.sites} >= reasons.keys()


def test_the_nodes_of_a_fusion_are_known():
    program = OnnxRunner(convolutional()).program(call(x=IMAGE))
    covers = {s.name: s.attributes.get("divergence.covers") for s in program.sites}
    assert covers["r2"] == ("node_c2", "node_sum", "node_r2")
    assert covers["silu"] == ("node_gate", "node_silu")
    assert covers["pool"] is None
    unfused = OnnxRunner(convolutional(), optimization="none").program(call(x=IMAGE))
    assert all("divergence.covers" not in site.attributes for site in unfused.sites)


def test_values_whose_names_went_with_a_merged_reshape_or_moved_transpose_are_shown():
    model = graph("""g (float[1,4,6] x) => (float[1,2,4,3] y)
      <float[6,6] w = {1,2,3,4,5,6,1,2,3,4,5,6,1,2,3,4,5,6,6,5,4,3,2,1,1,1,1,1,1,1,0,1,0,1,0,1},
       float[6] b = {1,2,3,4,5,6}, int64[4] s = {1,4,2,3}>
      { m = MatMul(x, w)  a = Add(m, b)  r = Reshape(a, s)  y = Transpose<perm=[0,2,1,3]>(r) }""")
    x = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    runner = OnnxRunner(model)
    values = shown(runner, call(x=x))
    plain = shown(OnnxRunner(model, optimization="none"), call(x=x))
    assert np.array_equal(values["a"], plain["a"])
    assert np.array_equal(values["r"], plain["r"])
    assert [e.site for e in runner.program(call(x=x)).unobservable] == ["m"]


def test_float16_runs_as_it_is_deployed():
    net = Net()
    net("Cast", ["x"], "h", to=TensorProto.FLOAT16)
    weight = net.random.standard_normal((32, 3, 3, 3)).astype(np.float16)
    net.weights.append(numpy_helper.from_array(weight, "w"))
    net("Relu", [net("Conv", ["h", "w"], "c", pads=[1, 1, 1, 1])], "r")
    net("Cast", ["r"], "y", to=TensorProto.FLOAT)
    net("Reshape", ["r", net("Shape", ["r"], "shape")], "same")
    model, given = net.model("y", (1, 3, 12, 12)), call(x=IMAGE)
    model.opset_import[0].version = 11
    for level in ("none", "extended", "deployed"):
        runner = OnnxRunner(model, optimization=level)
        values = shown(runner, given)
        assert np.array_equal(values["y"], runner.untouched(given)[0])
        np.testing.assert_allclose(values["r"].astype(np.float32), values["y"], atol=0.01)
        # The file says what the type is, also where a run has to tell the shapes.
        sites = {site.name: site for site in runner.program(given).sites}
        assert (sites["r"].dtype, sites["y"].dtype) == ("float16", "float32")
        assert sites["same"].shape == (1, 32, 12, 12)


def test_channels_last_values_of_a_quantised_model_are_put_back():
    net = Net()
    scalars = {"s": np.float32(0.05), "z": np.uint8(128), "ws": np.float32(0.02), "wz": np.int8(0)}
    net.weights.extend(numpy_helper.from_array(np.asarray(v), n) for n, v in scalars.items())
    net("QuantizeLinear", ["x", "s", "z"], "q0")
    for number, given in ((1, 3), (2, 8), (3, 8)):
        array = net.random.integers(-50, 50, (8, given, 3, 3), np.int8)
        net.weights.append(numpy_helper.from_array(array, f"w{number}"))
        inputs = [f"q{number - 1}", "s", "z", f"w{number}", "ws", "wz", "s", "z"]
        net("QLinearConv", inputs, f"q{number}", pads=[1, 1, 1, 1])
    net("QLinearAdd", ["q2", "s", "z", "q3", "s", "z", "s", "z"], "sum", domain="com.microsoft")
    # A channel shuffle: what is reshaped has another order of axes, that nothing tells.
    for name, shape in (("groups", [1, 2, 4, 12, 12]), ("whole", [1, 8, 12, 12])):
        net.weights.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    net("Reshape", ["sum", "groups"], "split")
    net("Transpose", ["split"], "turned", perm=[0, 2, 1, 3, 4])
    net("DequantizeLinear", [net("Reshape", ["turned", "whole"], "joined"), "s", "z"], "y")
    model, given = net.model("y", (1, 3, 12, 12)), call(x=IMAGE)
    plain = shown(OnnxRunner(model, optimization="none"), given)
    runner = OnnxRunner(model)
    values = shown(runner, given)
    assert {"q1", "q2", "q3", "sum"} <= values.keys()
    for name, value in values.items():
        assert value.shape == plain[name].shape
        assert np.abs(value.astype(float) - plain[name].astype(float)).max() <= 1, name
    assert np.array_equal(values["y"], runner.untouched(given)[0])


def test_a_value_folded_into_a_constant_says_so():
    model = graph("""g (float[2,3] x) => (float[3,2] y) <int64[2] i = {1, 0}>
      { s = Shape(x)  r = Gather(s, i)  y = Reshape(x, r) }""")
    reasons = {e.site: e.reason for e in OnnxRunner(model).program(call(x=X)).unobservable}
    assert reasons["r"] == "ONNX Runtime folded it into a constant"


def _optimized(tmp_path, level, model=None):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(tmp_path / "saved.onnx")
    options.log_severity_level = 3
    model = model or convolutional((1, 3, 12, 12))
    ort.InferenceSession(model.SerializeToString(), options)
    return tmp_path / "saved.onnx"


@pytest.mark.parametrize("level", ["ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_a_file_that_the_runtime_optimised_and_saved_shows_plain_values(tmp_path, level):
    given = call(x=IMAGE)
    path = _optimized(tmp_path, level)
    original = shown(OnnxRunner(convolutional()), given)
    for optimization in ("none", "deployed"):
        values = shown(OnnxRunner(path, optimization=optimization), given)
        assert len(values) >= len(original)
        for name, value in original.items():
            twins = [v for v in values.values() if v.shape == value.shape]
            assert any(np.allclose(v, value, rtol=1e-4, atol=1e-5) for v in twins), name


def test_a_pooled_value_that_enters_blocked_layout_is_put_back(tmp_path):
    net = Net()
    plain = net("MatMul", ["x", net.weight("m", 12, 12)], "plain")
    pooled = net("AveragePool", [plain], "pooled", kernel_shape=[3, 3], pads=[1] * 4)
    model = net.model(net.conv(pooled, "y", 16, 16), (1, 16, 12, 12))
    given = call(x=np.random.default_rng(2).standard_normal((1, 16, 12, 12)).astype(np.float32))
    expected = shown(OnnxRunner(model, optimization="none"), given)["pooled"]
    path = _optimized(tmp_path, "ORT_ENABLE_ALL", model)
    assert any(node.op_type == "ReorderInput" for node in onnx.load(path).graph.node)
    values = shown(OnnxRunner(path, optimization="none"), given).values()
    assert any(v.shape == expected.shape and np.allclose(v, expected, atol=1e-5) for v in values)


def test_values_that_the_file_has_in_blocked_layout_are_fed_and_given_plain(tmp_path):
    runner = OnnxRunner(_optimized(tmp_path, "ORT_ENABLE_ALL"), optimization="none")
    given = call(x=IMAGE)
    values = shown(runner, given)
    (window,) = runner.fed_windows(list(values), {})
    found = {}
    feeds = {name: values[name] for name in window.inputs}
    window.run(feeds, lambda site, value, exact=None: found.__setitem__(site, value))
    assert found.keys() == values.keys() - {"x"}
    for name, value in found.items():
        assert np.array_equal(value, values[name]), name


@pytest.mark.parametrize("level", ["extended", "deployed"])
def test_nodes_without_names_are_followed_all_the_same(level):
    model, given = convolutional(), call(x=IMAGE)
    named = OnnxRunner(model, optimization=level)
    expected = {entry.site for entry in named.program(given).unobservable}
    for node in model.graph.node:
        node.name = ""
    runner = OnnxRunner(model, optimization=level)
    assert {entry.site for entry in runner.program(given).unobservable} == expected
    assert np.array_equal(shown(runner, given)["y"], named.untouched(given)[0])


def test_a_sum_that_starts_at_zero_is_followed_into_the_convolution_that_it_is_fused_with():
    net = Net()
    stem = net.conv("x", "stem", 16, 3)
    first, second = net.conv(stem, "first", 16, 16), net.conv(stem, "second", 16, 16)
    net("Constant", [], "zero", value=numpy_helper.from_array(np.float32(0)))
    begun = net("Add", [first, "zero"], "begun")
    active = net("Relu", [net("Add", [begun, second], "sum")], "active")
    model = net.model(net.conv(active, "y", 16, 16), (1, 3, 12, 12))
    given = call(x=IMAGE)
    runner = OnnxRunner(model)
    hidden = {entry.site for entry in runner.program(given).unobservable}
    assert "active" not in hidden
    expected = shown(OnnxRunner(model, optimization="none"), given)["active"]
    np.testing.assert_allclose(shown(runner, given)["active"], expected, atol=1e-5)
