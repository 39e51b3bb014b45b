"""inspect, inputs, outputs, stamp and demo: what they print and their exit codes."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest

from divergence.errors import LoadError
from divergence.postprocess.explain import Explanation
from divergence.records import Evidence, Finding, Proof

FOUND = Finding(
    cause="preprocess.mean_std",
    culprit=None,
    confidence=0.97,
    explanation="Every channel has another gain and offset.",
    evidence=(Evidence("mean", [0.485, 0.456, 0.406], [0.5, 0.5, 0.5]),),
    remedy="Prepare the candidate's image with the reference's mean.",
    parameters={
        "mean": [0.5, 0.5, 0.5],
        "spec": [{"resize": {"to": [224, 224]}}, {"normalize": {"mean": [0.5, 0.5, 0.5]}}],
    },
    proof=Proof("prepare the image with mean 0.5", 2.1, 0.0),
)
EXPLAINED = Explanation((FOUND,), same=False, explained=True, distance=2.1)


@pytest.fixture
def replaced(monkeypatch):
    """Stand a function in the place of one that another step gives."""

    def replace(module, name, answer):
        def function(*given, **named):
            calls.append((given, named))
            if isinstance(answer, Exception):
                raise answer
            return answer

        calls = []
        stand_in = ModuleType(module)
        setattr(stand_in, name, function)
        monkeypatch.setitem(sys.modules, module, stand_in)
        return calls

    return replace


def test_outputs_tells_causes_and_the_recipe(replaced, run):
    calls = replaced("divergence.postprocess.explain", "explain", EXPLAINED)
    code, out, _ = run("outputs", "a.npy", "b.npy")
    assert code == 1
    assert calls == [(("a.npy", "b.npy"), {})]
    assert out.splitlines() == [
        "The outputs differ by preprocess.mean_std.",
        "",
        "preprocess.mean_std (97 %)",
        "  Every channel has another gain and offset.",
        "  mean: reference [0.485, 0.456, 0.406], candidate [0.5, 0.5, 0.5]",
        "  mean: [0.5, 0.5, 0.5]",
        "  proof: final error 2.1 -> 0 (prepare the image with mean 0.5)",
        "  remedy: Prepare the candidate's image with the reference's mean.",
        "  spec:",
        "    - resize:",
        "        to: [224, 224]",
        "    - normalize:",
        "        mean: [0.5, 0.5, 0.5]",
    ]


def test_outputs_as_json_are_findings(replaced, run):
    replaced("divergence.postprocess.explain", "explain", EXPLAINED)
    code, out, _ = run("outputs", "a.npy", "b.npy", "--json")
    assert code == 1
    held = json.loads(out)
    assert held["same"] is False
    (finding,) = held["findings"]
    assert finding["cause"] == "preprocess.mean_std"
    assert finding["parameters"]["spec"][0] == {"resize": {"to": [224, 224]}}


def test_nothing_found_is_said_and_0(replaced, run):
    agreed = Explanation((), same=True, explained=True, distance=0.0)
    replaced("divergence.postprocess.explain", "explain", agreed)
    assert run("outputs", "a.npy", "b.npy") == (0, "The outputs agree.\n", "")


def test_outputs_that_nothing_explains_are_not_agreement(run, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.normal(size=(1, 50)))
    np.save(tmp_path / "b.npy", rng.normal(size=(1, 50)))
    code, out, _ = run("outputs", "a.npy", "b.npy")
    assert code == 1
    assert out.startswith("The outputs differ by ")
    assert out.endswith("and the difference is not explained.\n")


@pytest.fixture
def prepared(tmp_path):
    """A prepared picture, the same in [0, 255], and another picture."""
    picture = np.random.default_rng(0).random((1, 3, 16, 16), dtype=np.float32)
    np.save(tmp_path / "a.npy", picture)
    np.save(tmp_path / "b.npy", picture * 255)
    np.save(tmp_path / "c.npy", np.random.default_rng(1).random(picture.shape, np.float32))


def test_inputs_tells_a_range_from_a_range(prepared, run):
    code, out, _ = run("inputs", "a.npy", "b.npy")
    assert code == 1
    assert out.startswith("The inputs differ by preprocess.range; ")
    assert "\npreprocess.range (" in out


def test_inputs_that_agree_are_0(prepared, run):
    assert run("inputs", "a.npy", "a.npy") == (0, "The inputs agree.\n", "")


def test_a_difference_that_nothing_explains_is_not_agreement(prepared, run):
    code, out, _ = run("inputs", "a.npy", "c.npy")
    assert code == 1
    assert "explained" in out


def test_inspect_prints_a_tree(replaced, run):
    held = {
        "kind": "onnx",
        "opset": {"ai.onnx": 18},
        "inputs": [{"name": "x\x1b", "shape": [1, 3, "h", "w"]}],
        "operators": ["Conv", "Relu"],
        "metadata": {},
    }
    replaced("divergence.load.inspect", "inspect_file", held)
    code, out, _ = run("inspect", "model.onnx")
    assert code == 0
    assert out.splitlines() == [
        "kind: onnx",
        "opset:",
        "  ai.onnx: 18",
        "inputs:",
        "  - name: x\\x1b",
        "    shape: [1, 3, h, w]",
        "operators: [Conv, Relu]",
        "metadata: none",
    ]
    assert json.loads(run("inspect", "model.onnx", "--json")[1]) == held


def test_an_error_of_inspect_is_one_sentence(replaced, run):
    replaced("divergence.load.inspect", "inspect_file", LoadError("there is no file x."))
    assert run("inspect", "x") == (2, "", "divergence: there is no file x.\n")


def test_stamp_writes_what_trace_reads(run, tmp_path):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    (tmp_path / "spec.yaml").write_text("- resize: {longest: 640}\n- layout: NCHW\n")
    code, out, _ = run("stamp", "m.onnx", "--preprocess", "spec.yaml", "-o", "stamped.onnx")
    assert (code, out) == (0, "stamped.onnx now says how its images are prepared.\n")
    (entry,) = onnx.load(tmp_path / "stamped.onnx").metadata_props
    assert "640" in entry.value
    assert run("stamp", "m.onnx")[0] == 2
    assert run("stamp", "m.onnx", "--preprocess", "missing.yaml")[0] == 2


@pytest.mark.slow
def test_the_demo_finds_its_planted_fault(run, tmp_path):
    code, out, err = run("demo")
    assert (code, err) == (1, "")
    assert out.startswith("DIVERGENT")
    assert "culprit" in out
    assert (tmp_path / "divergence-report" / "report.html").exists()


def test_arrays_of_a_run_are_told_apart_by_the_command_itself(run, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1, 3, 8, 8), np.float32))
    code, out, err = run("inputs", "a.npy", "missing.npy")
    assert (code, out) == (2, "")
    assert "missing.npy" in err
