"""Faults that need a network of their own: each builds the network, its file, and what is wrong."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from sample_models.calibrate import calibrate
from tests.zoo.planting import Graph, Planted


@dataclass(frozen=True)
class Special:
    """A pair, its inputs as `trace` takes them, and what was planted."""

    model: nn.Module
    file: onnx.ModelProto
    inputs: Any
    planted: Planted


def export(model: nn.Module, inputs: tuple[Any, ...], **options: Any) -> onnx.ModelProto:
    """Export by way of TorchScript, into memory."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, inputs, buffer, dynamo=False, **options)
    return onnx.load_from_string(buffer.getvalue())


class Plain(nn.Module):
    """Convolutions, a norm, an attention over the pixels, a head."""

    def __init__(self, **norm: Any) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16, **norm)
        self.drop = nn.Dropout(0.3)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.ln = nn.LayerNorm(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(torch.relu(self.norm(self.first(x))))
        x = self.second(x).flatten(2).transpose(1, 2)
        return self.head(self.ln(x).mean(1))


def plain(**norm: Any) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    picture = torch.randn(2, 3, 12, 12)
    return calibrate(Plain(**norm), picture), picture


def _graph(model: onnx.ModelProto) -> Graph:
    return Graph(model, Random(0))


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(16, 16) for _ in range(3))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits = self.q(x) @ self.k(x).transpose(1, 2) * 0.25
        weights = logits.masked_fill(mask, -float("inf")).softmax(-1)
        return torch.where(weights.isnan(), torch.zeros_like(weights), weights) @ self.v(x)


def masked_rows() -> Special:
    torch.manual_seed(0)
    x, mask = torch.randn(1, 6, 16), torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[0, 2] = True
    model = calibrate(Masked(), x, torch.zeros_like(mask))
    file = export(model, (x, mask), input_names=["x", "mask"])
    graph = _graph(file)
    node = next(n for n in graph.of("Where") if graph.producer(n.input[0]).op_type == "IsNaN")
    graph.become(node, "Identity", [node.input[2]])
    return Special(
        model, file, {"x": x, "mask": mask}, Planted(("attention.masked_rows",), (node.name,))
    )


class Divided(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.div(x - 20, 3, rounding_mode="floor") * 2


def division() -> Special:
    nodes = [
        helper.make_node("Sub", ["x", "twenty"], ["shifted"], name="sub"),
        helper.make_node("Div", ["shifted", "three"], ["quotient"], name="div"),
        helper.make_node("Mul", ["quotient", "two"], ["y"], name="mul"),
    ]
    return Special(
        Divided(), _integers(nodes), _counted(), Planted(("integer.division",), ("div",))
    )


class Remainder(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.remainder(x - 20, 3) * 2


def remainder() -> Special:
    nodes = [
        helper.make_node("Sub", ["x", "twenty"], ["shifted"], name="sub"),
        helper.make_node("Mod", ["shifted", "three"], ["rest"], name="mod", fmod=1),
        helper.make_node("Mul", ["rest", "two"], ["y"], name="mul"),
    ]
    return Special(
        Remainder(), _integers(nodes), _counted(), Planted(("integer.division",), ("mod",))
    )


def _counted() -> torch.Tensor:
    return torch.arange(48).reshape(4, 12)


def _integers(nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    numbers = {"twenty": 20, "three": 3, "two": 2}
    weights = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in numbers.items()]
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [4, 12])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [4, 12])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


class Best(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.head(x).round()
        return scores.flip(-1).argmax(-1)


def ties() -> Special:
    torch.manual_seed(0)
    x = torch.randn(16, 8)
    model = calibrate(Best(), x)
    file = export(model, (x,))
    graph = _graph(file)
    (node,) = graph.of("ArgMax")
    graph.set(node, select_last_index=1)
    return Special(model, file, x, Planted(("order.ties",), (node.name,)))


class Large(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x) * 500.0
        return self.second(x * x * 1e-5)


def overflow() -> Special:
    torch.manual_seed(0)
    x = torch.randn(4, 16)
    model = calibrate(Large(), x)
    file = export(model, (x,))
    graph = _graph(file)
    square = next(n for n in graph.of("Mul") if n.input[0] == n.input[1])
    name = square.output[0]
    for node, kind in (("half", TensorProto.FLOAT16), ("float", TensorProto.FLOAT)):
        cast = graph.insert_behind(name, "Cast")
        graph.set(cast, to=kind)
        cast.name = f"planted_{node}"
    return Special(
        model, file, x, Planted(("precision.overflow",), ("planted_half", "planted_float"))
    )


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxconverter_common import float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float16.convert_float_to_float16(model, keep_io_types=True)


def norm_in_training() -> Special:
    model, picture = plain()
    file = _with_norms(model, picture)
    graph = _graph(file)
    (node,) = graph.of("BatchNormalization")
    _train(node, graph)
    return Special(model, file, picture, Planted(("mode.training",), (node.name,)))


def _with_norms(model: nn.Module, picture: torch.Tensor) -> onnx.ModelProto:
    """Export without folding norms into convolutions; dropouts pass on, norms do not train."""
    mode = torch.onnx.TrainingMode.TRAINING
    file = export(model.eval(), (picture,), do_constant_folding=False, training=mode)
    model.eval()
    graph = _graph(file)
    for dropout in graph.of("Dropout"):
        graph.become(dropout, "Identity", list(dropout.input)[:1])
        del dropout.output[1:]
    for norm in graph.of("BatchNormalization"):
        graph.set(norm, training_mode=0)
        del norm.output[1:]
    return file


def _train(node: onnx.NodeProto, graph: Graph) -> None:
    graph.set(node, training_mode=1)
    node.output.extend(["mean.planted", "variance.planted"])


def dropout_in_training() -> Special:
    model, picture = plain()
    file = export(model, (picture,))
    graph = _graph(file)
    (relu,) = graph.of("Relu")
    node = graph.insert_behind(relu.output[0], "Dropout", np.float32(0.3), np.array(True))
    return Special(model, file, picture, Planted(("mode.training",), (node.name,)))


def reference_in_training() -> Special:
    model, picture = plain()
    file = export(model, (picture,))
    model.train()
    return Special(model, file, picture, Planted(("mode.training",), (), undoable=True))


def norm_statistics() -> Special:
    """The reference has no running statistics; the file uses some."""
    kept, picture = plain()
    model = Plain(track_running_stats=False).eval()
    model.load_state_dict(kept.state_dict(), strict=False)
    file = _with_norms(kept, picture + 1)
    (node,) = _graph(file).of("BatchNormalization")
    return Special(model, file, picture + 1, Planted(("mode.norm_statistics",), (node.name,)))


def norm_without_statistics() -> Special:
    """The file takes the statistics of the instance, the reference its own."""
    model, picture = plain()
    file = _with_norms(model, picture)
    graph = _graph(file)
    (node,) = graph.of("BatchNormalization")
    graph.become(node, "InstanceNormalization", list(node.input)[:3], epsilon=1e-5)
    return Special(model, file, picture, Planted(("mode.norm_statistics",), (node.name,)))


def random_noise() -> Special:
    model, picture = plain()
    file = export(model, (picture,))
    graph = _graph(file)
    (relu,) = graph.of("Relu")
    add = graph.insert_behind(relu.output[0], "Add")
    add.input.append("noise")
    noise = helper.make_node(
        "RandomNormalLike", [add.input[0]], ["noise"], name="planted_noise", scale=0.01
    )
    graph.model.graph.node.insert(graph.nodes.index(add), noise)
    return Special(
        model, file, picture,
        Planted(("random.nondeterministic",), (add.name, noise.name), undoable=False),
    )  # fmt: skip


class Sized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.mix(x)
        return x - x.mean(1, keepdim=True) * x.shape[1] / 8


def baked() -> Special:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 16)
    model = calibrate(Sized(), x)
    file = export(model, (x,), input_names=["x"])
    for value in (*file.graph.input, *file.graph.output):
        value.type.tensor_type.shape.dim[1].dim_param = "tokens"
    return Special(model, file, x, Planted(("graph.baked",), (), undoable=False))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.mix(x) + shift)


def input_ignored() -> Special:
    torch.manual_seed(0)
    x, shift = torch.randn(4, 16), torch.randn(4, 16)
    model = calibrate(Two(), x, shift)
    file = export(model, (x, shift), input_names=["x", "shift"])
    graph = _graph(file)
    node = next(n for n in graph.of("Add") if "shift" in n.input)
    graph.give(node, list(node.input).index("shift"), shift.numpy().mean(0))
    return Special(
        model, file, {"x": x, "shift": shift},
        Planted(("graph.input_ignored",), (), undoable=False),
    )  # fmt: skip


def quantised() -> Special:
    model, picture = plain()
    file = export(model, (picture,))
    graph = _graph(file)
    (relu,) = graph.of("Relu")
    scale, zero = np.float32(0.05), np.array(0, np.uint8)
    name = relu.output[0]
    quantise = graph.insert_behind(name, "QuantizeLinear", scale, zero)
    back = graph.insert_behind(name, "DequantizeLinear", scale, zero)
    return Special(
        model, file, picture, Planted(("precision.reduced",), (quantise.name, back.name))
    )


def heals_downstream() -> Special:
    model, picture = plain()
    file = export(model, (picture,))
    graph = _graph(file)
    conv = next(n for n in reversed(graph.nodes) if n.op_type == "Conv")
    for operand in (1, 2):  # the norm behind takes a gain out again
        value = graph.constant(conv.input[operand])
        graph.give(conv, operand, value * np.float32(2))
    return Special(model, file, picture, Planted(("weights.one",), (conv.name,)))


def constant_used_twice() -> Special:
    torch.manual_seed(0)
    x = torch.randn(4, 16)
    model = calibrate(Shared(), x)
    file = export(model, (x,))
    graph = _graph(file)
    muls = [n for n in graph.nodes if n.op_type == "Mul"]
    graph.give(muls[0], 1, np.float32(0.71))
    muls[1].input[1] = muls[0].input[1]
    return Special(model, file, x, Planted(("weights.one",), (muls[0].name, muls[1].name)))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x) * 0.7) * 0.7


SPECIAL: Mapping[str, Callable[[], Special]] = {
    "masked rows": masked_rows,
    "division": division,
    "remainder": remainder,
    "ties": ties,
    "overflow": overflow,
    "norm in training": norm_in_training,
    "dropout in training": dropout_in_training,
    "reference in training": reference_in_training,
    "norm statistics": norm_statistics,
    "norm without statistics": norm_without_statistics,
    "random noise": random_noise,
    "baked": baked,
    "input ignored": input_ignored,
    "quantised": quantised,
    "heals downstream": heals_downstream,
    "constant used twice": constant_used_twice,
}
