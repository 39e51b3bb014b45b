"""What a file holds, for each kind, without running or unpickling anything."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from divergence.errors import LoadError
from divergence.load.inspect import inspect_file
from divergence.preparation.sources.onnx_metadata import KEY
from tests.load.models import FLOAT, model


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 3), nn.ReLU())

    def forward(self, x: torch.Tensor, gain: float = 2.0) -> torch.Tensor:
        return self.body(x) * gain


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "boom"))


def test_an_onnx_file(tmp_path):
    weight = numpy_helper.from_array(np.ones((1, 4000), np.float32), "w")
    then = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "then", [], [_value("r")])
    made = model(
        [
            helper.make_node("Add", ["x", "w"], ["s"]),
            helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=then),
        ],
        [
            helper.make_tensor_value_info("x", FLOAT, [1, "n"]),
            helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, []),
        ],
        [weight],
        producer_name="keras",
        producer_version="3",
    )
    helper.set_model_props(made, {KEY: json.dumps([{"layout": "NCHW"}]), "author": "x" * 500})
    onnx.save(made, tmp_path / "m", save_as_external_data=True, location="m.data")
    told = inspect_file(tmp_path / "m")
    assert told["kind"] == "an ONNX model"
    assert told["size"] == (tmp_path / "m").stat().st_size
    assert told["opset"] == {"ai.onnx": 17}
    assert told["exporter"] == "keras 3"
    assert told["inputs"] == {"x": "float32 [1, n]", "c": "bool []"}
    assert told["outputs"] == {"y": "float32 [...]"}
    assert told["operators"] == {"Relu": 2, "Add": 1, "If": 1}
    assert told["weights"] == {"tensors": 1, "values": 4000, "dtypes": {"float32": 1}}
    assert told["external_data"] == {"m.data": "16000 bytes"}
    assert told["preparation"]["steps"][-1] == {"layout": "NCHW"}
    assert told["metadata"]["author"].endswith("... (500 characters)")
    (tmp_path / "m.data").unlink()
    assert inspect_file(tmp_path / "m")["external_data"] == {"m.data": "missing"}


def _value(name):
    return helper.make_tensor_value_info(name, FLOAT, None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("dynamo", "word"), [(False, "TorchScript"), (True, "dynamo")])
def test_who_exported_it(tmp_path, dynamo, word):
    if dynamo:
        pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"
    torch.onnx.export(Net().eval(), (torch.zeros(1, 4),), path, dynamo=dynamo, verbose=False)
    assert (
        inspect_file(path)["exporter"]
        == f"pytorch {onnx.load(path).producer_version} ({word} exporter)"
    )


def test_a_state_dict_as_a_tree(tmp_path):
    torch.save({"epoch": 3, "state_dict": Net().state_dict()}, tmp_path / "w.pt")
    told = inspect_file(tmp_path / "w.pt")
    assert told["holds"] == "a checkpoint with state dicts under state_dict"
    assert told["imports"] == []
    assert told["weights"] == {"tensors": 2, "values": 15, "dtypes": {"float32": 2}}
    assert told["content"] == {
        "epoch": 3,
        "state_dict": {"body": {"0": {"weight": "float32 [3, 4]", "bias": "float32 [3]"}}},
    }


def test_a_pickled_module_as_a_tree_of_classes(tmp_path):
    torch.save({"model": Net().body, "trap": Bomb(tmp_path / "boom")}, tmp_path / "m.pt")
    told = inspect_file(tmp_path / "m.pt")
    assert not (tmp_path / "boom").exists()
    assert "'model': torch.nn.modules.container.Sequential; needs --trust-pickle" in told["holds"]
    assert "torch.nn.modules.linear.Linear" in told["imports"]
    assert told["content"]["model"] == {
        "class": "torch.nn.modules.container.Sequential",
        "0": {
            "class": "torch.nn.modules.linear.Linear",
            "weight": "float32 [3, 4]",
            "bias": "float32 [3]",
        },
        "1": {"class": "torch.nn.modules.activation.ReLU"},
    }


def test_long_lists_are_cut(tmp_path):
    torch.save({"losses": list(range(100))}, tmp_path / "log.pt")
    assert inspect_file(tmp_path / "log.pt")["content"]["losses"][-1] == "and 84 more"


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_torchscript_archive(tmp_path):
    torch.jit.save(torch.jit.script(Net().eval()), tmp_path / "m.pt")
    told = inspect_file(tmp_path / "m.pt")
    assert told["kind"] == "a TorchScript archive"
    assert told["class"].endswith("Net")
    assert told["training"] is False
    assert told["inputs"] == {"x": "Tensor", "gain": "float=2."}
    assert told["outputs"] == "Tensor"
    assert told["modules"]["body.0"] == "torch.nn.modules.linear.Linear"
    assert told["state"]["body.0.weight"] == "float32 [3, 4]"


def test_an_exported_program(tmp_path):
    batch = torch.export.Dim("batch", max=9)
    program = torch.export.export(Net(), (torch.zeros(2, 4),), dynamic_shapes={"x": {0: batch}})
    torch.export.save(program, tmp_path / "m.pt2")
    told = inspect_file(tmp_path / "m.pt2")
    assert told["torch"] == torch.__version__
    symbol = next(iter(told["dynamic"]))
    assert told["inputs"] == {"x": f"float32 [{symbol}, 4]"}
    assert next(iter(told["outputs"].values())) == f"float32 [{symbol}, 3]"
    assert told["operators"]["aten.relu.default"] == 1
    assert told["modules"]["body.0"] == "torch.nn.modules.linear.Linear"
    assert told["state"] == {"body.0.weight": "float32 [3, 4]", "body.0.bias": "float32 [3]"}


def test_a_safetensors_file(tmp_path):
    save_file(Net().state_dict(), tmp_path / "w.safetensors", metadata={"format": "pt"})
    told = inspect_file(tmp_path / "w.safetensors")
    assert told["metadata"] == {"format": "pt"}
    assert told["content"]["body"]["0"]["weight"] == "float32 [3, 4]"
    data = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(data[:-8])
    with pytest.raises(LoadError, match=r"is truncated: its tensors need 60 bytes of 52\."):
        inspect_file(tmp_path / "w.safetensors")


def test_arrays_and_images(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    np.savez(tmp_path / "a.npz", x=np.zeros(2, np.int8))
    Image.new("L", (5, 4)).save(tmp_path / "a.png")
    assert inspect_file(tmp_path / "a.npy")["array"] == "float64 [2, 3]"
    assert inspect_file(tmp_path / "a.npz")["arrays"] == {"x": "int8 [2]"}
    told = inspect_file(tmp_path / "a.png")
    assert (told["width"], told["height"], told["mode"]) == (5, 4, "L")


def test_what_is_no_model_is_named(tmp_path):
    (tmp_path / "a.onnx").write_text("text")
    assert inspect_file(tmp_path / "a.onnx")["kind"] == "a text file"
    with pytest.raises(LoadError, match=r"There is no file 'absent.pt'"):
        inspect_file("absent.pt")


def test_everything_is_json(tmp_path):
    torch.save({"x": {1, 2}, "dtype": torch.float32, 3: b"bytes"}, tmp_path / "odd.pt")
    assert "odd.pt" in json.dumps(inspect_file(tmp_path / "odd.pt"))
