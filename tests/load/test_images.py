"""Images: whose preparation counts on each side, and that somebody must say how."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from torch import nn

from divergence.errors import InputError, SpecError
from divergence.load.binding import bind
from divergence.load.images import Preparations
from divergence.load.inputs import Inputs, read_inputs
from divergence.load.onnx_model import OnnxInput
from divergence.load.values import Maker
from divergence.options import parse_options
from divergence.preparation.sources.onnx_metadata import KEY
from tests.load.models import head

PLAIN = [{"layout": "NCHW"}, {"dtype": "float32"}]
HALVED = [{"scale": {"factor": 0.5}}, *PLAIN]


class Net(nn.Module):
    def forward(self, x):
        return x


class Timm(Net):
    """Declares its preparation as timm's models do."""

    pretrained_cfg = {  # noqa: RUF012
        "input_size": (3, 4, 4),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bicubic",
        "crop_pct": 1.0,
    }


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "grey.png"
    Image.new("RGB", (4, 4), (200, 200, 200)).save(path)
    return path


def bound(picture, module=None, onnx=None, **options):
    module, onnx = module or Net(), onnx or head("images")
    preparations = Preparations(parse_options(options), module, {}, onnx.metadata)
    return bind(module, onnx, read_inputs(picture), Inputs(), Maker(preparations, 0))


def origins(binding):
    (item,) = binding.inputs
    return item.reference.chosen.origin, item.candidate.chosen.origin


def test_the_users_preparation_goes_to_both_sides(picture):
    made = bound(picture, preprocess=PLAIN)
    assert origins(made) == ("--preprocess", "--preprocess")
    assert made.reference.args[0].shape == (1, 3, 4, 4)
    assert made.reference.args[0].max() == 200
    assert not made.inputs[0].own
    assert made.inputs[0].reference.image == picture


def test_the_candidates_own_preparation(picture):
    made = bound(picture, preprocess=PLAIN, candidate_preprocess=HALVED)
    assert origins(made) == ("--preprocess", "--candidate-preprocess")
    assert made.candidate.kwargs["images"].max() == 100
    assert made.shared.kwargs["images"].max() == 200
    assert made.inputs[0].own


def test_a_model_declares_it(picture):
    made = bound(picture, Timm())
    assert origins(made) == ("timm pretrained_cfg", "timm pretrained_cfg")
    assert made.reference.args[0].max() == pytest.approx(200 / 127.5 - 1, abs=1e-6)


def test_the_fixed_size_of_the_file_wins_over_the_models(picture):
    made = bound(picture, Timm(), head(OnnxInput("images", "float32", ("n", 3, 2, 2))))
    assert made.reference.args[0].shape == (1, 3, 2, 2)


def test_the_file_declares_it(picture):
    made = bound(picture, onnx=head("images", metadata={KEY: json.dumps(HALVED)}))
    assert made.reference.args[0].max() == 100
    assert KEY in origins(made)[0]


def test_each_side_declares_its_own(picture):
    made = bound(picture, Timm(), head("images", metadata={KEY: json.dumps(HALVED)}))
    assert made.inputs[0].own
    assert made.candidate.kwargs["images"].max() == 100
    assert made.shared.kwargs["images"].max() < 1


def test_nobody_says_how(picture):
    words = "neither the model nor the ONNX metadata say how it becomes a tensor; give --preprocess"
    with pytest.raises(InputError, match=words):
        bound(picture)


def test_a_callable_may_leave_out_the_batch(picture):
    def transform(image):
        return np.asarray(image, np.float32).transpose(2, 0, 1)

    onnx = head(OnnxInput("images", "float32", (1, 3, 4, 4)))
    made = bound(picture, onnx=onnx, preprocess=transform)
    assert made.reference.args[0].shape == (1, 3, 4, 4)
    assert made.inputs[0].reference.chosen.describe().endswith("transform")


def test_a_preparation_of_the_wrong_size_is_an_error(picture):
    onnx = head(OnnxInput("images", "float32", (1, 3, 8, 8)))
    words = (
        f"from {picture} is float32 [1, 3, 4, 4], which is not the shape of the ONNX input images"
    )
    with pytest.raises(InputError, match=re.escape(words)):
        bound(picture, onnx=onnx, preprocess=PLAIN)


def test_a_wrong_preparation_is_said(picture):
    with pytest.raises(SpecError, match="There is no step 'resise'"):
        bound(picture, preprocess=[{"resise": 3}])
