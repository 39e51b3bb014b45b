"""Files are told apart by content, under whatever name, and nothing is unpickled."""

import io
import pickle
import re
import zipfile

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from divergence.errors import LoadError
from divergence.load import protobuf
from divergence.load.kinds import Kind, kind_of


class Trap:
    """Tells when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a file was unpickled to find out what it is",))


def small_onnx(values=4):
    weight = numpy_helper.from_array(np.ones((1, values), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, values])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, values])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def write(make, path):
    make(path)
    return path


MAKERS = {
    Kind.ONNX: lambda path: path.write_bytes(small_onnx().SerializeToString()),
    Kind.TORCHSCRIPT: lambda path: torch.jit.save(torch.jit.script(torch.nn.ReLU()), path),
    Kind.EXPORTED: lambda path: torch.export.save(
        torch.export.export(torch.nn.ReLU(), (torch.zeros(1),)), path
    ),
    Kind.CHECKPOINT: lambda path: torch.save({"trap": Trap()}, path),
    Kind.LEGACY_CHECKPOINT: lambda path: torch.save(
        {"trap": Trap()}, path, _use_new_zipfile_serialization=False
    ),
    Kind.PICKLE: lambda path: path.write_bytes(pickle.dumps(Trap())),
    Kind.NPY: lambda path: path.write_bytes(_npy()),
    Kind.IMAGE: lambda path: Image.new("RGB", (2, 2)).save(path, "PNG"),
    Kind.TEXT: lambda path: path.write_text("# not a model: \N{GREEK SMALL LETTER ALPHA}"),
    Kind.HTML: lambda path: path.write_text("<!DOCTYPE html><html>404</html>"),
    Kind.LFS_POINTER: lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
    Kind.UNKNOWN: lambda path: path.write_bytes(bytes(range(255, 0, -1)) * 4),
    Kind.ZIP: lambda path: _zip(path, "readme.txt"),
    Kind.NPZ: lambda path: _zip(path, "x.npy"),
}


def _npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2))
    return buffer.getvalue()


def _zip(path, name):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, _npy())


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.name)
def test_the_content_decides_and_not_the_name(kind, tmp_path):
    # torch.export insists on its suffix when it saves; renamed afterwards.
    path = write(MAKERS[kind], tmp_path / "made.pt2").rename(tmp_path / "model.onnx")
    assert kind_of(path) is kind


def test_safetensors(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(2, np.float32)}, tmp_path / "w.bin")
    assert kind_of(tmp_path / "w.bin") is Kind.SAFETENSORS


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "model.onnx").write_text("x")
    with pytest.raises(LoadError, match=r"no file '.*modle.onnx'. Did you mean model.onnx\?"):
        kind_of(tmp_path / "modle.onnx")
    with pytest.raises(LoadError, match=r"There is no folder '.*nowhere' either\."):
        kind_of(tmp_path / "nowhere" / "model.onnx")


def test_folders_and_empty_files_are_said(tmp_path):
    (tmp_path / "empty.pt").touch()
    with pytest.raises(LoadError, match=re.escape("empty.pt' is empty.")):
        kind_of(tmp_path / "empty.pt")
    with pytest.raises(LoadError, match="is a folder; name a file in it"):
        kind_of(tmp_path)


def test_a_cut_zip_is_truncated(tmp_path):
    torch.save({"w": torch.zeros(1000)}, tmp_path / "w.pt")
    data = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(LoadError, match=r"w.pt' is truncated: it begins as a zip archive"):
        kind_of(tmp_path / "w.pt")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_cut_onnx_file_is_still_onnx_and_truncated(tmp_path, share):
    data = small_onnx(4000).SerializeToString()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(len(data) * share)])
    assert kind_of(path) is Kind.ONNX
    with pytest.raises(LoadError, match=r"cut.onnx' is truncated: it says [\d,]+ bytes more"):
        protobuf.skeleton(path)


def test_a_skeleton_has_all_but_big_values(tmp_path):
    model = small_onnx(4000)
    body = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=model.graph.initializer[0])],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, None)],
    )
    model.graph.node.append(helper.make_node("If", ["b"], ["z"], then_branch=body))
    small = numpy_helper.from_array(np.arange(3), "shape")
    model.graph.initializer.append(small)
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    read = onnx.ModelProto.FromString(protobuf.skeleton(path))
    assert path.stat().st_size > 32_000 > 1000 > read.ByteSize()
    assert [node.op_type for node in read.graph.node] == ["Add", "If"]
    assert list(read.graph.initializer[0].dims) == [1, 4000]
    assert read.graph.initializer[1] == small
    inner = read.graph.node[1].attribute[0].g.node[0].attribute[0].t
    assert list(inner.dims) == [1, 4000]
    assert not inner.raw_data
    assert read.opset_import == model.opset_import
