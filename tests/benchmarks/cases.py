"""What is measured: real networks with their exported file and an input."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from sample_models.photographs import batch
from sample_models.sample import write_inputs


@dataclass(frozen=True)
class Case:
    """A model, its file, its inputs.

    exported: archive of the exported program, for the peer that starts from that.
    program: the exporter's own object, for the peer that starts from that; not kept in files.
    """

    model: nn.Module
    onnx: Path
    inputs: dict[str, Tensor]
    exported: Path | None = None
    program: Any = None


# Sample and, where it is not the sample's own, the side of the picture.
NETWORKS: dict[str, tuple[str, int | None]] = {
    "vit_small": ("vit_small", None),
    "resnet50": ("resnet50", None),
    "yolo12n": ("yolo12", None),
    "esrgan_x4_128": ("esrgan", 128),
    "esrgan_x4_256": ("esrgan", 256),
}


def prepare(name: str, folder: Path) -> Case:
    """Build and export one of `NETWORKS` into `folder` with the default exporter."""
    sample, side = NETWORKS[name]
    import_module(f"sample_models.{sample}").build(folder, exporters=())
    if side is not None:
        write_inputs(folder, {"x": batch(side, count=1)})
    case = reopen(name, folder)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            case.model, (), kwargs=case.inputs, input_names=list(case.inputs), dynamo=True
        )
        program.save(case.onnx)
        torch.export.save(program.exported_program, case.exported)
    # An export may leave fake tensors in the model: what is measured is loaded afresh.
    return replace(reopen(name, folder), program=program)


def reopen(name: str, folder: Path) -> Case:
    """Load what `prepare` wrote, as a process does that exported nothing itself."""
    model = import_module(f"sample_models.{NETWORKS[name][0]}").network()
    model.load_state_dict(torch.load(folder / "weights.pt"))
    given = np.load(folder / "inputs.npz")
    return Case(
        model=model,
        onnx=folder / "model.onnx",
        inputs={key: torch.from_numpy(given[key]) for key in given},
        exported=folder / "exported.pt2",
    )


class Deep(nn.Module):
    """A chain of small layers, each a matrix product, an activation and an addition."""

    def __init__(self, layers: int, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.act = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + self.act(layer(x))
        return x


@contextlib.contextmanager
def deep(nodes: int) -> Iterator[Case]:
    """Build a chain of about `nodes` nodes and, without an exporter's help, its file."""
    torch.manual_seed(0)
    model = Deep(nodes // 3).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep.onnx"
        onnx.save(_as_onnx(model), path)
        yield Case(model, path, {"x": torch.randn(1, 8)})


def _as_onnx(model: Deep) -> onnx.ModelProto:
    nodes, weights, value = [], [], "x"
    for number, layer in enumerate(model.layers):
        scope = f"/layers.{number}"
        for name, parameter in layer.named_parameters():
            array = parameter.detach().numpy()
            weights.append(numpy_helper.from_array(array, f"layers.{number}.{name}"))
        reads = [value, f"layers.{number}.weight", f"layers.{number}.bias"]
        steps: list[tuple[str, list[str], dict[str, int]]] = [
            ("Gemm", reads, {"transB": 1}),
            ("Tanh", [f"{scope}/Gemm_output_0"], {}),
            ("Add", [value, f"{scope}/Tanh_output_0"], {}),
        ]
        for op, inputs, attributes in steps:
            name = f"{scope}/{op}"
            nodes.append(helper.make_node(op, inputs, [f"{name}_output_0"], name, **attributes))
        value = nodes[-1].output[0]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 8]) for n in ("x", value)]
    graph = helper.make_graph(nodes, "deep", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
