"""The ONNX side before a runtime sees it: whole, with its data, and what it takes."""

import re

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from divergence.errors import LoadError
from divergence.load.onnx_model import OnnxInput, is_onnx, load_onnx
from tests.load.models import FLOAT, INT, model


def saved(made, path):
    path.write_bytes(made.SerializeToString())
    return path


def test_inputs_are_those_that_a_caller_feeds(tmp_path):
    inputs = [
        helper.make_tensor_value_info("x", FLOAT, ["batch", 4]),
        helper.make_tensor_value_info("w", FLOAT, [4]),
        helper.make_tensor_value_info("n", INT, None),
    ]
    weight = numpy_helper.from_array(np.ones(4, np.float32), "w")
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], inputs, [weight])
    loaded = load_onnx(saved(made, tmp_path / "m.onnx"))
    assert loaded.inputs == (OnnxInput("x", "float32", ("batch", 4)), OnnxInput("n", "int64", None))
    assert loaded.outputs == ("y",)
    assert load_onnx(made).inputs == loaded.inputs
    assert load_onnx(made).source == "ModelProto in memory"


def test_an_unknown_size_is_none(tmp_path):
    made = model(inputs=[helper.make_tensor_value_info("x", FLOAT, [None, 4])])
    assert load_onnx(made).inputs[0].shape == (None, 4)


def test_what_is_no_tensor_has_no_dtype():
    made = model(inputs=[helper.make_tensor_sequence_value_info("x", FLOAT, [1])])
    assert load_onnx(made).inputs == (OnnxInput("x"),)


def test_an_index_is_bounded_by_its_table():
    table = numpy_helper.from_array(np.zeros((30, 4), np.float32), "table")
    made = model(
        [
            helper.make_node("Cast", ["ids"], ["cast"], to=INT),
            helper.make_node("Gather", ["table", "cast"], ["y"]),
        ],
        [helper.make_tensor_value_info("ids", onnx.TensorProto.INT32, [1, 5])],
        [table],
    )
    assert load_onnx(made).inputs[0].limit == 30


@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_dynamo_exporter_tells_the_parameter_behind_a_name(tmp_path, dynamo):
    if dynamo:
        pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"
    module = torch.nn.ReLU().eval()
    torch.onnx.export(
        module, (torch.zeros(1, 4),), path, input_names=["image"], dynamo=dynamo, verbose=False
    )
    loaded = load_onnx(path)
    assert loaded.traced is not dynamo
    assert [(item.name, item.parameter) for item in loaded.inputs] == [
        ("image", "input" if dynamo else None)
    ]


def test_external_data_must_lie_beside_the_file(tmp_path):
    weight = numpy_helper.from_array(np.ones(4000, np.float32), "w")
    inputs = [helper.make_tensor_value_info("x", FLOAT, [4000])]
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], inputs, [weight])
    path = tmp_path / "m.onnx"
    onnx.save(made, path, save_as_external_data=True, location="m.data")
    assert load_onnx(path).inputs[0].name == "x"
    (tmp_path / "m.data").write_bytes(b"short")
    with pytest.raises(LoadError, match=r"m.data' is truncated: 'm.onnx' needs 16,000 bytes of it"):
        load_onnx(path)
    (tmp_path / "m.data").unlink()
    with pytest.raises(LoadError, match=r"keeps weights in 'm.data', which is not beside it; copy"):
        load_onnx(path)


def test_a_truncated_file_says_so(tmp_path):
    weight = numpy_helper.from_array(np.ones(4000, np.float32), "w")
    path = saved(model(initializers=[weight]), tmp_path / "cut.onnx")
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(LoadError, match=r"cut.onnx' is truncated: it says [\d,]+ bytes more than"):
        load_onnx(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"this is not a model", "'text.onnx' is a text file, not an ONNX model."),
        (b"<!DOCTYPE html>", "is a web page (a failed download?), not an ONNX model."),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer (fetch the file"),
        (b"", "'text.onnx' is empty."),
    ],
)
def test_a_file_that_is_no_model(tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.onnx").write_bytes(content)
    with pytest.raises(LoadError, match=re.escape(words)):
        load_onnx("text.onnx")


def test_other_things_that_are_no_model():
    with pytest.raises(
        LoadError, match=r"The ONNX model is int; it is a path or an onnx.ModelProto"
    ):
        load_onnx(3)
    with pytest.raises(LoadError, match="has no graph with outputs; export the model again"):
        load_onnx(onnx.ModelProto())
    with pytest.raises(LoadError, match=r"There is no file 'absent.onnx'."):
        load_onnx("absent.onnx")


def test_is_onnx_looks_at_the_content(tmp_path):
    path = saved(model(), tmp_path / "model.pt")
    assert is_onnx(path)
    assert is_onnx(model())
    assert not is_onnx(torch.nn.ReLU())
