"""Real models: every way to name one, on the inputs that users have."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from divergence.load.case import load_case
from divergence.load.inspect import inspect_file
from divergence.options import parse_options

pytestmark = [
    pytest.mark.real,
    # Exporters and packages warn of their own affairs.
    pytest.mark.filterwarnings("ignore"),
]


def worst(made):
    reference = made.reference.run(made.reference_call)
    candidate = made.candidate.run(made.judged_call)
    pairs = zip(reference, candidate, strict=False)  # a file may give its state as well
    return max(float(np.abs(r - c).max()) for r, c in pairs)


def case(model, onnx, inputs, **options):
    return load_case(model, onnx, inputs, parse_options(options))


@pytest.fixture(scope="module")
def photograph():
    from matplotlib.cbook import get_sample_data

    return Path(get_sample_data("grace_hopper.jpg", asfileobj=False))


@pytest.fixture(scope="module")
def silero():
    spec = find_spec("silero_vad")
    assert spec is not None
    return Path(spec.origin).parent / "data"


@pytest.fixture
def speech(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32) * 0.1
    np.save("x.npy", samples)
    np.save("context.npy", np.concatenate([np.zeros((1, 64), np.float32), samples], axis=1))
    np.save("state.npy", np.zeros((2, 1, 128), np.float32))


@pytest.mark.usefixtures("speech")
@pytest.mark.parametrize("file", ["silero_vad_16k_op15.onnx", "silero_vad.onnx"])
def test_silero_where_each_side_keeps_its_state_elsewhere(silero, file):
    made = case(
        silero / "silero_vad.jit",
        silero / file,
        ["x=x.npy", "sr=16000", "state=state.npy"],
        candidate_inputs=["input=context.npy"],
    )
    assert type(made.reference_call.args[1]) is int
    assert [(i.name, i.own) for i in made.inputs] == [("x", True), ("sr", False), ("state", False)]
    assert worst(made) < 1e-6


def test_silero_inspected(silero):
    told = inspect_file(silero / "silero_vad.jit")
    assert told["inputs"] == {"x": "Tensor", "sr": "int"}
    assert told["modules"]["_model.decoder.rnn"] == "torch.nn.modules.rnn.LSTMCell"
    told = inspect_file(silero / "silero_vad.onnx")
    assert told["operators"]["If"] >= 1
    assert told["inputs"]["sr"] == "int64 []"


@pytest.mark.parametrize("dynamo", [False, True])
def test_timm_by_factory_and_weights_on_a_photograph(tmp_path, photograph, dynamo):
    timm = pytest.importorskip("timm")
    name = "mobilenetv3_small_050"
    module = timm.create_model(name).eval()
    onnx, weights = tmp_path / "m.onnx", tmp_path / "w.pt"
    image = torch.zeros(1, 3, 224, 224)
    torch.onnx.export(module, (image,), onnx, input_names=["images"], dynamo=dynamo)
    torch.save({"state_dict": {f"module.{k}": v for k, v in module.state_dict().items()}}, weights)
    factory = f"timm:create_model('{name}')"
    for made in (
        case(module, onnx, photograph),
        case(factory, onnx, str(photograph), weights=weights),
        case(weights, onnx, [f"images={photograph}"], factory=factory),
    ):
        assert worst(made) < 1e-4
        assert made.inputs[0].reference.chosen.origin == "timm pretrained_cfg"


def test_ultralytics_with_variadic_forwards(tmp_path, photograph):
    ultralytics = pytest.importorskip("ultralytics")
    module = ultralytics.YOLO("yolo12n.yaml").model.eval()
    image = torch.rand(1, 3, 320, 320)
    module(image)
    onnx = tmp_path / "m.onnx"
    torch.onnx.export(module, (image,), onnx, input_names=["images"], dynamo=False)
    for inputs in ({"images": image}, image, photograph):
        assert worst(case(module, onnx, inputs)) < 1e-2
