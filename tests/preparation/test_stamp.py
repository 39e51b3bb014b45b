"""A preparation is written into an ONNX file and read back."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from divergence.errors import LoadError, OutputError
from divergence.preparation import sources
from divergence.preparation.sources.onnx_metadata import KEY
from divergence.preparation.spec import parse_spec
from divergence.preparation.stamp import stamp

SPEC = parse_spec("[{resize: {longest: 640}}, {pad: {to: 640}}, {layout: NCHW}]")


@pytest.fixture
def model(tmp_path):
    weight = numpy_helper.from_array(np.ones((100, 100), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 100])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 100])],
        [weight],
    )
    path = tmp_path / "model.onnx"
    proto = helper.make_model(graph)
    proto.metadata_props.add(key="author", value="me")
    onnx.save(proto, path, save_as_external_data=True, location="model.data", size_threshold=0)
    return path


def metadata(path):
    proto = onnx.load(path, load_external_data=False)
    return {entry.key: entry.value for entry in proto.metadata_props}


def test_what_is_stamped_is_read_back(model):
    assert stamp(model, SPEC) == model
    declared = sources.from_metadata(metadata(model))
    assert (declared.spec, declared.origin) == (SPEC, f"ONNX metadata '{KEY}'")
    assert metadata(model)["author"] == "me"


def test_a_second_stamp_replaces_the_first(model):
    stamp(model, SPEC)
    stamp(model, parse_spec("[{layout: NHWC}]"))
    assert sources.from_metadata(metadata(model)).spec.steps[-1].axes == "NHWC"


def test_external_weights_are_not_touched_and_come_along(model, tmp_path):
    before = (tmp_path / "model.data").stat().st_mtime_ns
    other = tmp_path / "other"
    other.mkdir()
    for _ in range(2):
        stamp(model, SPEC, other / "stamped.onnx")
    assert (tmp_path / "model.data").stat().st_mtime_ns == before
    loaded = onnx.load(other / "stamped.onnx")
    assert numpy_helper.to_array(loaded.graph.initializer[0]).sum() == 10_000
    assert KEY not in metadata(model)


def test_weights_of_another_model_are_never_overwritten(model, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.data").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists and differs"):
        stamp(model, SPEC, other / "stamped.onnx")
    assert [path.name for path in other.iterdir()] == ["model.data"]


def test_what_is_no_onnx_file(tmp_path):
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    with pytest.raises(LoadError, match="is not an ONNX file"):
        stamp(text, SPEC)
    with pytest.raises(LoadError, match="There is no ONNX file"):
        stamp(tmp_path / "none.onnx", SPEC)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(model, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        stamp(model, SPEC, locked / "model.onnx")


def test_a_folder_that_does_not_exist(model, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        stamp(model, SPEC, tmp_path / "nowhere" / "model.onnx")


def test_metadata_that_are_no_preparation(model):
    from divergence.errors import SpecError

    with pytest.raises(SpecError, match=r"'divergence\.preprocess' are no preparation"):
        sources.from_metadata({KEY: "[{resise: 3}]"})
