"""What a user may hand over by mistake: one clear sentence, exit code 2, nothing written."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from divergence import writable
from divergence.cli import main

CODE = """
import os, signal
from tests.cli.test_cli_bad_input import Small, Scaled
def small(): return Small().eval()
def scaled(): return Scaled().eval()
def fails(): raise RuntimeError("no weights here")
def number(): return 3
def stopped(call):
    module, calls = Small().eval(), []
    def stop(*given):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does
    module.fc.register_forward_hook(stop)
    return module
"""
PREPARED = "[{layout: NCHW}, {dtype: float32}]"


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, image):
        return self.fc(torch.relu(self.conv(image)).mean((2, 3)))


class Scaled(Small):
    def forward(self, image, scale):
        return super().forward(image) * scale


def small_onnx(scaled=False):
    """Write what an exporter would: it is slow, and not what is tested here."""
    module = Small()
    values = {name.replace(".", "_"): p.detach().numpy() for name, p in module.named_parameters()}
    nodes = [
        helper.make_node("Conv", ["image", "conv_weight", "conv_bias"], ["c"], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "fc_weight", "fc_bias"], ["out"], transB=1),
    ]
    given = [helper.make_tensor_value_info("image", 1, [1, 3, 8, 8])]
    if scaled:
        nodes[-1].output[0] = "g"
        nodes.append(helper.make_node("Mul", ["g", "scale"], ["out"]))
        given.append(helper.make_tensor_value_info("scale", 1, [1]))
    for node in nodes:
        node.name = f"/{node.op_type}"
    graph = helper.make_graph(
        nodes,
        "small",
        given,
        [helper.make_tensor_value_info("out", 1, [1, 4])],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def cut(path, name):
    content = path.read_bytes()
    (path.parent / name).write_bytes(content[: len(content) * 3 // 5])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with what is right, and what is wrong in one way each."""
    home = tmp_path_factory.mktemp("files")
    (home / "net.py").write_text(CODE)
    module, image = Small().eval(), np.full((1, 3, 8, 8), 0.5, np.float32)
    _write_models(home, module)
    _write_onnx(home)
    np.save(home / "x.npy", image)
    np.save(home / "rank.npy", image[0])
    np.save(home / "integers.npy", image.astype(np.int64))
    np.savez(home / "other.npz", img=image, scale=np.ones(1, np.float32))
    np.savez(home / "more.npz", image=image, scale=np.ones(1, np.float32), third=image)
    Image.new("RGB", (8, 8), "teal").save(home / "a.jpg")
    cut(home / "x.npy", "cut.npy")
    cut(home / "other.npz", "cut.npz")
    cut(home / "a.jpg", "cut.jpg")
    for name in ("text.onnx", "text.jpg", "text.npy", "text.pt"):
        (home / name).write_text("nothing that a model could be\n" * 9)
    (home / "empty.onnx").touch()
    (home / "pointer.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    return home


def _write_models(home, module):
    torch.save(module.state_dict(), home / "weights.pt")
    torch.save(module, home / "pickled.pt")
    torch.save({"model": module, "epoch": 3}, home / "checkpoint.pt")
    torch.save({"fc.weight": torch.zeros(4, 9)}, home / "unfit.pt")
    save_file(module.state_dict(), home / "weights.safetensors")
    cut(home / "weights.pt", "cut.pt")
    cut(home / "weights.safetensors", "cut.safetensors")


def _write_onnx(home):
    onnx.save(small_onnx(), home / "model.onnx")
    onnx.save(small_onnx(scaled=True), home / "scaled.onnx")
    cut(home / "model.onnx", "cut.onnx")
    for name in ("lost", "short"):
        data = {"save_as_external_data": True, "location": f"{name}.data", "size_threshold": 0}
        onnx.save(small_onnx(), home / f"{name}.onnx", **data)
    (home / "lost.data").unlink()
    (home / "short.data").write_bytes(b"12345678")
    for name, change in BEYOND.items():
        other = small_onnx()
        change(other)
        onnx.save(other, home / f"{name}.onnx")


def _other_domain(model):
    model.graph.node[1].domain = "my.ops"
    model.opset_import.append(helper.make_opsetid("my.ops", 1))


BEYOND = {
    "opset": lambda model: setattr(model.opset_import[0], "version", 999),
    "operator": lambda model: setattr(model.graph.node[1], "op_type", "Rleu"),
    "domain": _other_domain,
    "version": lambda model: setattr(model, "ir_version", 99),
}

NET = "net.py:small"
# What is given, and what must be said.
MISTAKES = [
    ("nofile.pt model.onnx x.npy", "There is no file 'nofile.pt'"),
    (f"{NET} nofile.onnx x.npy", "There is no file 'nofile.onnx'"),
    (f"{NET} model.onnx nofile.npy", "There is no file 'nofile.npy'"),
    (f"{NET} text.onnx x.npy", "'text.onnx' is a text file, not an ONNX model"),
    (f"{NET} empty.onnx x.npy", "'empty.onnx' is empty"),
    (f"{NET} pointer.onnx x.npy", "Git LFS pointer"),
    (f"{NET} cut.onnx x.npy", "'cut.onnx' is truncated"),
    (f"{NET} lost.onnx x.npy", "keeps weights in 'lost.data', which is not beside it"),
    (f"{NET} short.onnx x.npy", "'short.data' is truncated: 'short.onnx' needs 1,040 bytes"),
    (f"{NET} weights.pt x.npy", "the order is MODEL ONNX INPUT"),
    (f"model.onnx {NET} x.npy", "the order is MODEL ONNX INPUT"),
    (f"{NET} opset.onnx x.npy", "opset 999 of ai.onnx, and this onnxruntime knows"),
    (f"{NET} operator.onnx x.npy", "no operator Rleu in opset 17 (node '/Relu')"),
    (f"{NET} domain.onnx x.npy", "no operator Relu of domain 'my.ops'"),
    (f"{NET} version.onnx x.npy", "IR version 99"),
    ("weights.pt model.onnx x.npy", "give the network by --factory"),
    ("weights.safetensors model.onnx x.npy", "give the network by --factory"),
    (f"cut.pt model.onnx x.npy --factory {NET}", "'cut.pt' is truncated"),
    (f"cut.safetensors model.onnx x.npy --factory {NET}", "truncated safetensors file"),
    (f"unfit.pt model.onnx x.npy --factory {NET}", "do not fit Small (4 keys): 3 missing"),
    (f"pointer.onnx model.onnx x.npy --factory {NET}", "no weights that could go into it"),
    ("text.pt model.onnx x.npy", "'text.pt' is a text file; MODEL is"),
    ("pickled.pt model.onnx x.npy", "can run any code; give --trust-pickle"),
    ("checkpoint.pt model.onnx x.npy", "under 'model', and to unpickle it can run any code"),
    ("net.py:smal model.onnx x.npy", "Did you mean small"),
    ("net.py:fails model.onnx x.npy", "The factory 'net.py:fails' fails: RuntimeError"),
    ("net.py:number model.onnx x.npy", "returned int; it is to return an nn.Module"),
    (f"{NET} model.onnx rank.npy", "not the shape of the ONNX input image float32 [1, 3, 8, 8]"),
    (f"{NET} model.onnx integers.npy", "not the dtype of the ONNX input image float32"),
    (f"{NET} model.onnx cut.npy", "'cut.npy' cannot be read"),
    (f"{NET} model.onnx cut.npz", "'cut.npz' is truncated"),
    (f"{NET} model.onnx text.npy", "'text.npy' is a text file; an input is"),
    (f"{NET} model.onnx random:1x3xq", "is no shape; write random:1x3x224x224"),
    ("net.py:scaled scaled.onnx x.npy", "Nothing is given for the reference's input 'scale'"),
    ("net.py:scaled scaled.onnx image=x.npy scal=x.npy", "Did you mean scale?"),
    ("net.py:scaled scaled.onnx other.npz", "Nothing takes the input 'img'"),
    ("net.py:scaled scaled.onnx more.npz", "Nothing takes the input 'third'"),
    (f"{NET} model.onnx a.jpg", "give --preprocess SPEC"),
    (["trace", NET, "model.onnx", "text.jpg", "--preprocess", PREPARED], "is a text file"),
    (["trace", NET, "model.onnx", "cut.jpg", "--preprocess", PREPARED], "'cut.jpg' cannot be read"),
    (f"{NET} model.onnx x.npy --device nowhere", "device is 'nowhere'; it is one of cpu"),
    (
        f"{NET} model.onnx x.npy --provider NowhereExecutionProvider",
        "This onnxruntime has no 'Nowhere",
    ),
    (f"{NET} model.onnx x.npy --fix x.npy/fixed.onnx", "x.npy is not a folder"),
    (f"{NET} model.onnx x.npy --fix .", "is a folder"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("line", "told"), MISTAKES, ids=[str(line) for line, _ in MISTAKES])
def test_a_mistake_is_one_sentence_and_2(files, monkeypatch, capsys, line, told):
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    words = ["trace", *line.split()] if isinstance(line, str) else line
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert out == ""
    assert err.startswith("divergence: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert "fault of divergence" not in err
    made = [path for path in sorted(files.iterdir()) if path not in before]
    assert [path.name for path in made] in ([], ["__pycache__"])


@pytest.mark.parametrize("command", ["trace", "check"])
def test_interrupted_before_anything_is_measured(files, run, tmp_path, command):
    model = f"{files / 'net.py'}:stopped(1)"
    code, out, err = run(command, model, str(files / "model.onnx"), str(files / "x.npy"))
    assert (code, out) == (130, "")
    assert err == "divergence: interrupted before anything was measured; nothing was written.\n"
    assert list(tmp_path.iterdir()) == []


def test_interrupted_in_the_middle_what_was_measured_is_kept(files, run, tmp_path):
    model = f"{files / 'net.py'}:stopped(2)"
    code, out, err = run("trace", model, str(files / "model.onnx"), str(files / "x.npy"))
    assert code == 130, err
    assert "Traceback" not in err
    assert out.startswith("INCONCLUSIVE (PARTIAL)")
    report = json.loads((tmp_path / "divergence-report" / "report.json").read_text())
    assert report["partial"] is True
    assert "<root>::relu#0" in {pair["reference"] for pair in report["pairs"]}
    names = {path.name for path in (tmp_path / "divergence-report").iterdir()}
    assert names == {"report.json", "report.html", "pairs.csv"}


def test_a_read_only_folder_is_told_before_the_run(files, run, tmp_path, monkeypatch):
    monkeypatch.setattr(writable.os, "access", lambda path, mode: False)  # a superuser may all
    words = (f"{files / 'net.py'}:fails", str(files / "model.onnx"), str(files / "x.npy"))
    code, out, err = run("trace", *words, "-o", "run")
    assert (code, out) == (2, "")
    assert "is not writable; choose another folder with --output" in err
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_told_and_leaves_nothing(files, run, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("divergence.report.store.os.fsync", full)
    words = (f"{files / 'net.py'}:small", str(files / "model.onnx"), str(files / "x.npy"))
    code, _, err = run("trace", *words, "-o", "run")
    assert code == 2
    assert "No space left on device; nothing was changed there. Free some space" in err
    assert list(tmp_path.iterdir()) == []
