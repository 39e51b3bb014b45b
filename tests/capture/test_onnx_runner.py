"""Runs of an ONNX file: what is shown, under which name, when; what goes wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Barrier, Thread
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto, numpy_helper, save_model

from divergence.capture import observers
from divergence.capture.onnx_runner import OnnxRunner
from divergence.errors import CaptureError, InputError, LoadError
from tests.capture.onnx_graphs import BRANCHES, FUNCTION, LOOP, SCAN, X, call, graph, shown

LEVELS = ("none", "basic", "extended", "all", "deployed")
WAYS = ("observers", "outputs")
MIXED = """mixed (float[2,3] x, int64[2,3] k) => (float[2,3] y, int64[2,3] j, bool[2,3] p) {
  a = Abs(x)  d = Cast<to = 11>(a)  e = Exp(d)  f = Cast<to = 1>(e)  i = Cast<to = 6>(f)
  u = Cast<to = 2>(i)  s = Cast<to = 8>(i)  j = Add(k, k)  p = Greater(f, x)
  y = Tanh(f)
}"""
K = np.arange(6).reshape(2, 3)


def untouched(model: ModelProto, feeds, level="ORT_ENABLE_ALL"):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    return ort.InferenceSession(model.SerializeToString(), options).run(None, feeds)


@pytest.mark.parametrize("observe", WAYS)
def test_each_value_is_shown_once_in_the_order_of_the_graph(observe):
    runner = OnnxRunner(graph(MIXED), optimization="none", observe=observe)
    values = shown(runner, call(x=X, k=K))
    assert list(values) == list("xkadefiusjpy")
    assert np.allclose(values["e"], np.exp(np.abs(X).astype(np.float64)), rtol=1e-12)
    assert values["u"].dtype == np.uint8
    assert values["s"].dtype == object
    assert values["s"].tolist() == values["i"].astype(str).tolist()
    assert np.array_equal(values["p"], np.exp(np.abs(X)) > X)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("observe", WAYS)
def test_outputs_are_those_of_an_untouched_session(level, observe):
    model = graph(MIXED)
    runner = OnnxRunner(model, optimization=level, observe=observe)
    given = call(x=X, k=K)
    traced = runner.run(given, lambda site, value, exact=None: None)
    for ours, plain in zip(traced, untouched(model, {"x": X, "k": K}), strict=True):
        assert np.array_equal(ours, plain)
    for ours, plain in zip(runner.untouched(given), traced, strict=True):
        assert np.array_equal(ours, plain)


@pytest.mark.parametrize(
    "kind", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"]
)
def test_types_without_an_observer_of_their_own_are_shown_as_they_are(kind):
    elements = {"bfloat16": 16, "float16": 10, "float8_e4m3fn": 17, "float8_e5m2": 19}
    element = {**elements, "int4": 22, "uint4": 21}[kind]
    model = graph(
        f"g (float[2,3] x) => (float[2,3] y) {{ v = Cast<to={element}>(x) y = Cast<to=1>(v) }}"
    )
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    values = shown(OnnxRunner(model, optimization="none"), call(x=numbers))
    assert values["v"].dtype == np.dtype(getattr(ml_dtypes, kind, None) or kind)
    assert np.array_equal(values["v"].astype(np.float32), numbers)


def test_outputs_of_types_that_numpy_lacks_come_out():
    model = graph("g (float[2,3] x) => (bfloat16[2,3] y) { y = Cast<to = 16>(x) }")
    (y,) = OnnxRunner(model).run(call(x=X))
    assert np.array_equal(y, X.astype(ml_dtypes.bfloat16))
    model = graph("g (bfloat16[2,3] x) => (float[2,3] y) { y = Cast<to = 1>(x) }")
    (z,) = OnnxRunner(model).run(call(x=y))
    assert np.array_equal(z, y.astype(np.float32))


def test_what_is_no_tensor_is_listed_with_the_reason():
    model = graph("""g (float[2,3] x) => (float[2,3] y)
      { s = SequenceConstruct(x, x)  i = Constant<value = int64 {1}>()
        e = SequenceAt(s, i)  y = Relu(e) }""")
    runner = OnnxRunner(model)
    (hidden,) = runner.program(call(x=X)).unobservable
    assert (hidden.site, hidden.reason) == (
        "s",
        "it is no tensor, or its type is not known before it exists",
    )
    assert "e" in shown(runner, call(x=X))


def test_only_the_sites_asked_for_are_shown_and_an_alias_under_its_own_name():
    model = graph("g (float[2,3] x) => (float[2,3] y) { a = Abs(x) b = Identity(a) y = Neg(b) }")
    for level in ("none", "all"):
        runner = OnnxRunner(model, optimization=level)
        assert list(shown(runner, call(x=X))) == ["x", "a", "y"]
        assert list(shown(runner, call(x=X), {"b", "y"})) == ["b", "y"]
        assert runner.program(call(x=X)).unobservable == ()


def test_an_output_that_is_an_input_or_a_constant():
    model = graph("""g (float[2,3] x) => (float[2,3] y, float[2] k, float[2,3] z)
      { y = Identity(x)  k = Constant<value = float[2] {1, 2}>()  z = Abs(y) }""")
    for level in ("none", "deployed"):
        runner = OnnxRunner(model, optimization=level)
        assert list(shown(runner, call(x=X))) == ["x", "z"]
        assert list(shown(runner, call(x=X), {"y"})) == ["y"]
        y, k, _ = runner.run(call(x=X), lambda site, value, exact=None: None)
        assert np.array_equal(y, X)
        assert k.tolist() == [1, 2]


def test_weights_that_an_old_file_lists_as_inputs_are_none():
    model = graph("g (float[2,3] x, float[3,200] w) => (float[2,200] y) { y = MatMul(x, w) }", 11)
    model.ir_version = 3
    weight = np.arange(600, dtype=np.float32).reshape(3, 200)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    for level in ("none", "deployed"):
        runner = OnnxRunner(model, optimization=level)
        assert [s.name for s in runner.program(call(x=X)).sites] == ["x", "y"]
        assert np.allclose(shown(runner, call(x=X))["y"], X @ weight)


def test_empty_values_are_shown():
    model = graph("g (float[n,3] x) => (float[n,3] y) { a = Abs(x)  y = Neg(a) }")
    values = shown(OnnxRunner(model), call(x=np.zeros((0, 3), np.float32)))
    assert values["a"].shape == (0, 3)


def test_a_branch_shows_what_is_taken():
    runner = OnnxRunner(graph(BRANCHES))
    values = shown(runner, call(x=X, c=True))
    assert list(values) == ["x", "c", "t", "y0/then_branch/a0", "y0/then_branch/a", "y0", "y"]
    assert np.array_equal(values["y0/then_branch/a0"], np.abs(X) + X)
    program = runner.program(call(x=X, c=False))
    assert "y0/else_branch/b" in {site.name for site in program.sites}
    hidden = {entry.site: entry.reason for entry in program.unobservable}
    assert set(hidden) == {"y0/then_branch/a0", "y0/then_branch/a"}
    assert "not taken" in hidden["y0/then_branch/a"]


HANDED_ON = """branches (float[2,3] x, bool c) => (float[n,3] y) {
  t = Abs(x)
  y0 = If <then_branch = yes () => (float[n,3] a) { a = Neg(t) },
           else_branch = no () => (float[n,3] b) { b = Identity(t) }> (c)
  y = Identity(y0)
}"""


@pytest.mark.parametrize(("taken", "source"), [(True, "y0/then_branch/a"), (False, "t")])
def test_what_a_branch_hands_out_is_the_value_that_it_made(taken, source):
    runner = OnnxRunner(graph(HANDED_ON))
    sites = {site.name: site for site in runner.program(call(x=X, c=taken)).sites}
    name = "y"
    while (alias := sites[name].alias_of) is not None:
        assert sites[name].shape == (2, 3)
        name = alias
    assert name == source
    assert ("y0/then_branch/a" in sites) == taken
    assert ("y0/else_branch/b" in sites) != taken


def test_what_branches_in_a_loop_hand_out_is_of_their_own_turn():
    text = """loop (float[2] x, int64 n) => (float[2] y) {
      go = Constant<value = bool {1}>()
      y = Loop <body = turn (int64 i, bool k, float[2] s) => (bool d, float[2] u) {
        d = Identity(k)  two = Constant<value = int64 {2}>()  c = Less(i, two)
        v = If <then_branch = yes () => (float[2] a) { a = Neg(s) },
                else_branch = no () => (float[2] b) { b = Exp(s) }> (c)
        u = Abs(v)
      }> (n, go, x)
    }"""
    runner = OnnxRunner(graph(text), optimization="none")
    program = runner.program(call(x=X[0, :2], n=3))
    taken = ["then_branch/a", "then_branch/a#1", "else_branch/b"]
    assert [s.alias_of for s in program.sites if s.op == "If"] == [f"y/body/v/{t}" for t in taken]
    known = {site.name: site for site in program.sites}
    assert known["y/body/v/else_branch/b"].inputs == ("y/body/u#1",)


@pytest.mark.parametrize("level", ["none", "deployed"])
def test_each_turn_of_a_loop_is_a_site(level):
    runner = OnnxRunner(graph(LOOP), optimization=level)
    given = call(x=X, n=3)
    values = shown(runner, given)
    turns = ["y/body/t", "y/body/t#1", "y/body/t#2"]
    assert [name for name in values if name.startswith("y/body/t")] == turns
    assert values["y/body/t#2"].max() == 3
    program = runner.program(given)
    names = [site.name for site in program.sites if not site.constant]
    assert names == list(values)
    found = {site.name: site for site in program.sites}
    assert found["y/body/u#2"].inputs == ("y/body/t#2", "x")
    assert found["ys"].shape == (3, 2, 3)
    assert list(shown(runner, given, {"y/body/t#1"})) == ["y/body/t#1"]


def test_each_turn_of_a_scan_is_a_site():
    values = shown(OnnxRunner(graph(SCAN)), call(x=X))
    assert np.array_equal(values["y/body/t#1"], X.sum(axis=0))


def test_functions_are_seen_inside():
    values = shown(OnnxRunner(graph(FUNCTION, domains=', "my" : 1')), call(x=X))
    assert len(values) == 6
    assert np.array_equal(values["u"], np.abs(X))


def test_shapes_that_only_a_run_knows_are_in_the_program():
    model = graph("g (float[2,3] x) => (int64[2,k] y) { y = NonZero(x) }")
    program = OnnxRunner(model).program(call(x=np.eye(2, 3, dtype=np.float32)))
    assert program.sites[-1].shape == (2, 2)


class StopRunError(Exception):
    pass


@pytest.mark.parametrize("error", [StopRunError, KeyboardInterrupt])
@pytest.mark.parametrize("observe", WAYS)
def test_what_a_probe_raises_stops_the_run_and_comes_out_as_it_is(error, observe):
    nodes = " ".join(f"v{n + 1} = Abs(v{n})" for n in range(50))
    model = graph(f"g (float[2] v0) => (float[2] v50) {{ {nodes} }}")
    runner = OnnxRunner(model, optimization="none", observe=observe)
    seen = []

    def probe(site, value, exact=None):
        seen.append(site)
        if site == "v3":
            raise error

    for _ in range(2):
        with pytest.raises(error):
            runner.run(call(v0=X[0, :2]), probe)
        assert seen == ["v0", "v1", "v2", "v3"]
        seen.clear()
    assert len(shown(runner, call(v0=X[0, :2]))) == 51


@pytest.mark.parametrize("shared", [True, False])
def test_runs_in_several_threads_do_not_mix(shared):
    model = graph(
        "g (float[64] x) => (float[64] y) { a = Neg(x) b = Neg(a) c = Neg(b) y = Neg(c) }"
    )
    one = OnnxRunner(model, optimization="none")
    start, wrong = Barrier(4), []

    def work(number):
        runner = one if shared else OnnxRunner(model, optimization="none")
        start.wait()
        for turn in range(20):
            number += 100 * turn
            values = shown(runner, call(x=np.full(64, number, np.float32)))
            if len(values) != 5 or any(set(np.abs(v)) != {number} for v in values.values()):
                wrong.append(values)

    threads = [Thread(target=work, args=(n + 1,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("level", ["none", "deployed"])
@pytest.mark.parametrize("known", [True, False])
def test_outputs_come_in_batches_within_the_bound(level, known, monkeypatch):
    # Twelve values of 1 KiB, or with a size that follows from a value alone.
    nodes = " ".join(f"v{n + 1} = Neg(v{n})" for n in range(12))
    start = "v0 = Abs(x)" if known else "v0 = Reshape(x, n)"
    model = graph(f"""g (float[256] x, int64[1] n) => (float[k] v12) {{ {start} {nodes} }}""")
    runner = OnnxRunner(model, optimization=level, observe="outputs", memory=4 * 1024)
    fetched = []
    from divergence.capture.onnx_session import Session

    run = Session.run

    def counted(self, feeds, outputs=None, options=None):
        values = run(self, feeds, outputs, options)
        fetched.append(sum(v.nbytes for v in values))
        return values

    monkeypatch.setattr(Session, "run", counted)
    values = shown(runner, call(x=np.ones(256, np.float32), n=np.array([256])))
    assert list(values)[2:] == [f"v{n}" for n in range(13)]
    assert max(fetched) <= 4 * 1024
    assert len(fetched) == (4 if known else 5)  # sizes that are open take a run of their own


def test_without_the_extension_values_come_out_as_outputs(monkeypatch):
    monkeypatch.setattr(observers, "find_spec", lambda name: None)
    runner = OnnxRunner(graph(MIXED))
    assert runner.describe()["observe"] == "outputs"
    assert "e" in shown(runner, call(x=X, k=K))
    with pytest.raises(CaptureError, match="need onnxruntime-extensions, which is not installed"):
        OnnxRunner(graph(MIXED), observe="observers")
    hidden = OnnxRunner(graph(BRANCHES)).program(call(x=X, c=True)).unobservable
    assert all("inside a body, which only observers see" in entry.reason for entry in hidden)
    assert len(hidden) == 3


def test_the_given_model_is_left_as_it_is_and_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = graph(MIXED)
    before = model.SerializeToString()
    shown(OnnxRunner(model), call(x=X, k=K))
    assert model.SerializeToString() == before
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("divergence.capture.deployed.disk_usage", lambda folder: usage)
    with pytest.raises(CaptureError, match=r"0 MiB are free; make room, point TMPDIR"):
        OnnxRunner(graph(MIXED)).program(call(x=X, k=K))
    assert list(tmp_path.iterdir()) == []


def test_describe_says_what_runs(tmp_path):
    path = tmp_path / "m.onnx"
    save_model(graph(MIXED), path)
    found = OnnxRunner(path, optimization="basic", threads=1).describe()
    assert found["file"] == str(path)
    assert (found["kind"], found["optimization"], found["threads"]) == ("onnx", "basic", 1)
    assert found["opset"] == {"ai.onnx": 21}
    assert found["onnxruntime"] == ort.__version__


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "needs 'k' too"),
        ({"x": X, "k": K, "z": X}, "has no input 'z'; its inputs are 'x', 'k'"),
        ({"x": X.astype(np.float64), "k": K}, "'x' of the ONNX model is float32, but got float64"),
        ({"x": X.T, "k": K}, "'x' of the ONNX model is 2x3, but got 3x2"),
    ],
)
def test_a_call_that_does_not_fit_says_so(arrays, words):
    with pytest.raises(InputError, match=words):
        OnnxRunner(graph(MIXED)).run(call(**arrays))


def test_an_input_that_is_no_tensor_says_so():
    model = graph("g (float[2,3] s) => (float[2,3] y) { y = SequenceAt(s, i) }")
    tensor = model.graph.input[0].type.tensor_type
    model.graph.input[0].type.sequence_type.elem_type.tensor_type.CopyFrom(tensor)
    with pytest.raises(InputError, match="'s' of the ONNX model is a sequence; only tensors"):
        OnnxRunner(model).run(call(s=[X, X]))


def test_an_unknown_operator_says_so():
    model = graph("g (float[2,3] x) => (float[2,3] y) { y = Nonesuch(x) }")
    with pytest.raises(
        LoadError, match=r"^ONNX Runtime cannot load the ONNX model: .*Nonesuch"
    ) as e:
        OnnxRunner(model).run(call(x=X))
    assert "\n" not in str(e.value)


def test_an_opset_from_the_future_says_so():
    model = graph("g (float[2,3] x) => (float[2,3] y) { y = Relu(x) }", opset=999)
    with pytest.raises(
        LoadError,
        match=r"model: it is of opset 999 of .*update onnxruntime, or export with a lower",
    ):
        OnnxRunner(model).run(call(x=X))


@pytest.mark.parametrize("probe", [None, lambda site, value, exact=None: None])
def test_a_failure_within_the_runtime_says_so(probe):
    model = graph("g (float[2,3] x, int64[1] s) => (float[n] y) { y = Reshape(x, s) }")
    with pytest.raises(CaptureError, match=r"fails while it runs the model: .*Reshape") as e:
        OnnxRunner(model).run(call(x=X, s=np.array([5])), probe)
    assert "\n" not in str(e.value)


def test_a_path_may_be_text(tmp_path):
    save_model(graph(MIXED), tmp_path / "m.onnx")
    runner = OnnxRunner(str(tmp_path / "m.onnx"))
    assert runner.file.path == Path(tmp_path / "m.onnx")
