"""A file read without its weights holds what onnx reads, and says where it does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from divergence.capture.onnx_bytes import MalformedError, parse
from divergence.capture.onnx_file import read_onnx

RNG = np.random.default_rng(0)


def a_model(*weights: TensorProto) -> onnx.ModelProto:
    (made,) = (helper.make_tensor_value_info("y", TensorProto.FLOAT, None),)
    nodes = [helper.make_node("Identity", [weights[0].name], ["y"])]
    graph = helper.make_graph(nodes, "g", [], [made], list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("name_length", [1, 2, 3, 4])
def test_weights_have_the_values_that_onnx_reads_wherever_they_lie(
    tmp_path: Path, name_length: int
) -> None:
    arrays = [
        RNG.normal(size=(40, 30)).astype(np.float32),
        RNG.normal(size=(17, 70)).astype(np.float16),
        RNG.integers(-9, 9, size=(2000,)).astype(np.int8),
        RNG.normal(size=(3,)).astype(np.float32),
    ]
    names = [f"{'w' * name_length}{k}" for k in range(len(arrays))]
    tensors = [numpy_helper.from_array(a, n) for a, n in zip(arrays, names, strict=True)]
    path = saved(a_model(*tensors), tmp_path)

    light = parse(path)
    assert light.ByteSize() < 1000 < path.stat().st_size
    file = read_onnx(path)
    assert sorted(file.weights) == sorted(names[:3])
    for name, array in zip(names[:3], arrays[:3], strict=True):
        for value in (file.weights[name].view(), file.weights[name].read()):
            np.testing.assert_array_equal(value, array)
            assert value.dtype == array.dtype
            assert not value.flags.writeable


def test_those_who_read_a_weight_that_lies_askew_share_one_aligned_copy(tmp_path: Path) -> None:
    arrays = {name: np.ones((400,), np.float32) for name in ("a", "bc", "def", "ghij")}
    tensors = [numpy_helper.from_array(a, n) for n, a in arrays.items()]
    weights = read_onnx(saved(a_model(*tensors), tmp_path)).weights
    askew = [w for w in weights.values() if not w.view().flags.aligned]
    assert askew
    for weight in askew:
        first, second = weight.read(), weight.read()
        assert first.flags.aligned
        assert first is second


def test_a_location_that_is_spelt_out_does_not_count(tmp_path: Path) -> None:
    array = RNG.normal(size=(30, 30)).astype(np.float32)
    weight = numpy_helper.from_array(array, "w")
    weight.data_location = TensorProto.DEFAULT  # as `onnx.load` leaves what lay in a data file
    weight.external_data.add(key="location", value="gone.bin")
    weights = read_onnx(saved(a_model(weight), tmp_path)).weights
    np.testing.assert_array_equal(weights["w"].read(), array)


def test_packed_weights_and_what_is_no_raw_data_stay_in_the_graph(tmp_path: Path) -> None:
    packed = helper.make_tensor("p", TensorProto.INT4, [4096], [k % 8 for k in range(4096)])
    spelt = helper.make_tensor("s", TensorProto.FLOAT, [600], np.arange(600.0).tolist())
    strings = helper.make_tensor("t", TensorProto.STRING, [900], [b"four"] * 900)
    model = a_model(packed, spelt, strings)
    assert parse(saved(model, tmp_path)) == model


def test_an_unknown_element_type_is_left_to_the_runtime_to_refuse(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones(600, np.float32), "w")
    weight.data_type = 999
    model = a_model(weight)
    assert parse(saved(model, tmp_path)) == model


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_malformed(tmp_path: Path, kept: float) -> None:
    weights = [numpy_helper.from_array(np.ones((50, 20), np.float32), f"w{k}") for k in range(3)]
    path = saved(a_model(*weights), tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(MalformedError, match=r"reaches beyond|does not end"):
        parse(path)
