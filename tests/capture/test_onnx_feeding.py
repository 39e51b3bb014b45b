"""The fed run: segments that start from given values."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from divergence.capture.onnx_graph import segment
from divergence.capture.onnx_runner import OnnxRunner
from divergence.errors import CaptureError, LoadError
from tests.capture.onnx_graphs import BRANCHES, X, call, graph, shown

CHAIN = """chain (float[2,3] x) => (float[2,3] y, float[2,3] z) <float[3] w = {1, 2, 3}> {
  [n1] a = Mul(x, w)  [n2] b = Exp(a)  [n3] c = Add(b, x)  [n4] d = Neg(c)
  [n5] y = Add(d, b)  [n6] z = Sqrt(b)
}"""
SIZES = dict.fromkeys("xabcdyz", 24)


def run(windows, feeds):
    found = {}
    for window in windows:
        window.run(
            {name: np.asarray(feeds[name]) for name in window.inputs},
            lambda site, value, exact=None: found.__setitem__(site, value),
        )
    return found


def test_each_boundary_is_computed_from_what_was_fed():
    runner = OnnxRunner(graph(CHAIN))
    ones = {
        name: np.full((2, 3), value, np.float32) for name, value in {"x": 2, "b": 3, "d": 5}.items()
    }
    (window,) = runner.fed_windows(["d", "b", "y", "z"], SIZES)
    assert window.ends == ("b", "d", "y", "z")
    assert window.inputs == ("x", "b", "d")
    found = run([window], ones)
    assert list(found) == ["b", "d", "y", "z"]
    assert np.allclose(found["b"], np.exp(2 * np.array([1, 2, 3])))
    assert set(found["d"].flat) == {-5}
    assert set(found["y"].flat) == {8}
    assert np.allclose(found["z"], np.sqrt(3))
    assert not found["z"].flags.writeable


@pytest.mark.parametrize("memory", [1, 150, 200, 1000])
def test_windows_keep_to_the_bound_and_agree(memory):
    runner = OnnxRunner(graph(CHAIN))
    values = shown(OnnxRunner(graph(CHAIN), optimization="none"), call(x=X))
    windows = runner.fed_windows(list("abcdyz"), SIZES, memory)
    assert [end for window in windows for end in window.ends] == list("abcdyz")
    for window in windows:
        held = sum(SIZES[name] for name in {*window.inputs, *window.ends})
        held += sum(SIZES[name] for name in window.ends)
        assert held <= memory or len(window.ends) == 1
    assert len(windows) == {1: 6, 150: 3, 200: 2, 1000: 1}[memory]
    for name, value in run(windows, values).items():
        assert np.array_equal(value, values[name])


def test_a_node_that_gives_a_fed_and_another_value_is_run_once_for_both():
    model = graph("""g (float[4] x) => (float[2] y)
      { p, q = Split<num_outputs = 2>(x)  r = Neg(p)  y = Add(r, q) }""")
    (window,) = OnnxRunner(model).fed_windows(["p", "y"], {})
    fed = {"x": np.arange(4, dtype=np.float32), "p": np.full(2, 10, np.float32)}
    found = run([window], fed)
    assert found["p"].tolist() == [0, 1]
    assert found["y"].tolist() == [-8, -7]


def test_bodies_read_what_is_fed_and_their_own_values_are_left_out():
    runner = OnnxRunner(graph(BRANCHES))
    (window,) = runner.fed_windows(["t", "y0/then_branch/a", "y0"], {})
    assert window.ends == ("t", "y0")
    found = run([window], {"x": X, "c": True, "t": np.ones((2, 3), np.float32)})
    assert np.array_equal(found["y0"], -(1 + X))


def test_boundaries_of_types_that_only_the_runtime_knows():
    model = graph(
        """g (float[2,3] x) => (float[2,3] y)
        { a = com.microsoft.QuickGelu<alpha = 1.0>(x)  y = Neg(a) }""",
        domains=', "com.microsoft" : 1',
    )
    (window,) = OnnxRunner(model).fed_windows(["a", "y"], {})
    assert np.array_equal(run([window], {"x": X, "a": X})["y"], -X)


def test_a_window_that_fails_says_so():
    (window,) = OnnxRunner(graph(CHAIN)).fed_windows(["c"], {})
    with pytest.raises(CaptureError, match="fails while it runs the model"):
        window.run({"x": np.ones((2, 4), np.float32)}, lambda site, value, exact=None: None)


def test_a_segment_is_what_lies_between():
    model = graph(CHAIN)
    assert segment(model, "y", {"b", "d"}) == ["n5"]
    assert segment(model, "y", {"b"}) == ["n3", "n4", "n5"]
    assert segment(model, "z", set()) == ["n1", "n2", "n6"]


def test_an_edited_model_is_run_with_the_weights_of_the_file():
    weights = np.random.default_rng(0).standard_normal((40, 40)).astype(np.float32)
    x = np.eye(40, dtype=np.float32)
    model = graph("g (float[40,40] x) => (float[40,40] y) { [m] a = MatMul(x, w)  y = Neg(a) }")
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    runner = OnnxRunner(model)
    assert "w" in runner.file.weights
    edited = type(model)()
    edited.CopyFrom(runner.file.model)
    edited.graph.node[1].op_type = "Identity"
    assert np.array_equal(runner.evaluate(edited, call(x=x))["y"], weights)
    assert np.array_equal(runner.evaluate(edited, call(x=x), ["a"])["a"], weights)
    new = numpy_helper.from_array(2 * weights, "w")
    edited.graph.initializer[0].CopyFrom(new)
    assert np.array_equal(runner.evaluate(edited, call(x=x))["y"], 2 * weights)
    assert np.array_equal(runner.run(call(x=x))[0], -weights)
    edited.graph.node.append(helper.make_node("Nonesuch", ["a"], ["b"]))
    with pytest.raises(LoadError, match="Nonesuch"):
        runner.evaluate(edited, call(x=x))


def test_a_window_is_divided_into_halves_that_agree_with_it():
    runner = OnnxRunner(graph(CHAIN))
    values = shown(OnnxRunner(graph(CHAIN), optimization="none"), call(x=X))
    (window,) = runner.fed_windows(list("abcdyz"), SIZES)
    first, second = window.halves()
    assert (first.ends, second.ends) == (("a", "b", "c"), ("d", "y", "z"))
    assert (first.inputs, second.inputs) == (("x", "a", "b"), ("b", "c", "d"))
    found = run([first, second], values)
    assert list(found) == list("abcdyz")
    for name, value in found.items():
        assert np.array_equal(value, values[name])
