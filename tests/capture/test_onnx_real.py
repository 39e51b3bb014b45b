"""Real models: final outputs bit-equal to the untouched session at every level, values right."""

from __future__ import annotations

import warnings
from importlib.resources import files

import numpy as np
import onnxruntime as ort
import pytest
import torch

from divergence.capture.onnx_runner import OnnxRunner
from tests.capture.onnx_graphs import call, shown

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
    "deployed": "ORT_ENABLE_ALL",
}


def _timm(name):
    import timm

    return timm.create_model(name).eval(), torch.randn(1, 3, 224, 224)


def _yolo(name):
    from ultralytics import YOLO

    return YOLO(name).model.eval(), torch.rand(1, 3, 640, 640)


MODELS = {
    "vit_small_patch16_224": _timm,
    "resnet50": _timm,
    "yolo12n.yaml": _yolo,
}


@pytest.fixture(scope="module", params=[(m, d) for m in MODELS for d in (False, True)], ids=str)
def exported(request, tmp_path_factory):
    name, dynamo = request.param
    torch.manual_seed(0)
    model, x = MODELS[name](name)
    path = tmp_path_factory.mktemp("real") / "model.onnx"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        model(x)
        torch.onnx.export(model, (x,), path, input_names=["x"], dynamo=dynamo)
    given = call(x=x.numpy())
    return name, path, given, shown(OnnxRunner(path, optimization="none"), given)


@pytest.mark.parametrize("level", LEVELS)
def test_outputs_are_bit_equal_and_values_are_those_of_the_file(exported, level):
    _, path, given, plain = exported
    runner = OnnxRunner(path, optimization=level)
    program = runner.program(given)
    values = {}
    traced = runner.run(given, lambda s, v, exact=None: values.__setitem__(s, v.copy()))
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, LEVELS[level])
    untouched = ort.InferenceSession(path, options).run(None, dict(given.kwargs))
    for ours, theirs, again in zip(traced, untouched, runner.untouched(given), strict=True):
        assert np.array_equal(ours, theirs)
        assert np.array_equal(again, theirs)
    hidden = {entry.site for entry in program.unobservable}
    aliases = {site.name for site in program.sites if site.alias_of or site.constant}
    assert {s.name for s in program.sites} - hidden - aliases == values.keys()
    for name, value in values.items():
        assert value.shape == plain[name].shape
        if value.dtype.kind == "f" and value.size:
            scale = np.abs(plain[name]).max()
            assert np.abs(value - plain[name]).max() <= 1e-3 * scale + 1e-5, name


def test_nearly_all_activations_can_be_seen_as_deployed(exported):
    name, path, given, plain = exported
    runner = OnnxRunner(path)
    program = runner.program(given)
    hidden = {entry.site for entry in program.unobservable}
    shares = {}
    for op in ("Conv", "Relu", "Add", "Softmax", "LayerNormalization", "Gelu"):
        sites = [s for s in program.sites if s.op == op and not s.constant]
        if sites:
            shares[op] = sum(s.name not in hidden for s in sites) / len(sites)
    if name == "resnet50":
        # Every convolution ends in a value that is seen: its own or the activation's behind it.
        assert shares["Relu"] == 1
        covers = [s.attributes.get("divergence.covers", (s.node,)) for s in program.sites]
        seen = {
            node
            for s, nodes in zip(program.sites, covers, strict=True)
            if s.name not in hidden
            for node in nodes
        }
        assert seen >= {s.node for s in program.sites if s.op == "Conv"}
    if name.startswith("vit"):
        assert (shares["Softmax"], shares["Gelu"], shares["LayerNormalization"]) == (1, 1, 1)
    if name.startswith("yolo"):
        assert shares["Conv"] > 0.85
    assert plain.keys() >= {s.name for s in program.sites if s.kind == "input"}


@pytest.mark.parametrize("file", ["silero_vad.onnx", "silero_vad_16k_op15.onnx"])
@pytest.mark.parametrize("level", LEVELS)
def test_silero_with_its_weights_inside_if(file, level):
    path = files("silero_vad") / "data" / file
    sound = np.random.default_rng(0).standard_normal((1, 576)).astype(np.float32) / 10
    given = call(input=sound, state=np.zeros((2, 1, 128), np.float32), sr=np.array(16000))
    runner = OnnxRunner(path, optimization=level)
    program = runner.program(given)
    values = shown(runner, given)
    for ours, theirs in zip(
        runner.run(given, lambda *a: None), runner.untouched(given), strict=True
    ):
        assert np.array_equal(ours, theirs)
    inside = [name for name in values if "/then_branch/" in name or "/else_branch/" in name]
    assert len(inside) > (40 if file == "silero_vad.onnx" else 10)
    assert set(values) <= {site.name for site in program.sites}
    convolutions = [s for s in program.sites if s.op == "Conv"]
    assert len(convolutions) == 6
    weights = [program.weights[s.weights[0]].load() for s in convolutions]
    assert all(w.ndim == 3 for w in weights)


def test_weights_are_shared_between_sessions(exported):
    _, path, given, _ = exported
    runner = OnnxRunner(path, optimization="none")
    size = sum(np.prod(w.shape) * 4 for w in runner.file.weights.values())
    runner.evaluate(runner.file.model, given)  # what activations take stays with the process
    before = _resident()
    for _ in range(3):
        runner.evaluate(runner.file.model, given)
    assert _resident() - before < 2.5 * size + (64 << 20)


def _resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - not a file of this project
        return int(file.read().split()[1]) * 4096
