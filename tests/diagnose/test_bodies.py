"""Faults inside bodies: found, explained, undone in the body, and right once written."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import divergence
from divergence.capture.onnx_file import every_node
from divergence.diagnose.edits import pass_through, set_attributes, set_weight
from tests.capture.onnx_graphs import BRANCHES, graph


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Choice()
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        return self.last(self.inner(x))


class Choice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.one = nn.LayerNorm(8), nn.Linear(8, 8)
        self.two = nn.Linear(8, 8)

    def forward(self, x):
        if bool(x.sum() > 0):
            y = torch.nn.functional.leaky_relu(self.one(self.norm(x)), 0.1)
        else:
            y = torch.tanh(self.two(x))
        return y


class Turns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Steps()
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        return self.last(self.inner(x, x.shape[0]))


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)

    def forward(self, x, n: int):
        for _ in range(n):
            x = x + torch.tanh(self.one(x)) * 0.5
        return x


def exported(kind, tmp_path):
    torch.manual_seed(0)
    model, x = torch.jit.script(kind().eval()), torch.rand(3, 8)
    path = tmp_path / "right.onnx"
    torch.onnx.export(
        model, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}
    )
    return model, x, onnx.load(path)


def inner(file, op):
    """Return the first node of this operator that is in a body."""
    top = {node.name for node in file.graph.node}
    return next(n for n in every_node(file.graph) if n.op_type == op and n.name not in top)


def scaled_weight(file):
    node = inner(file, "Gemm")
    weight = next(t for t in file.graph.initializer if t.name == node.input[1])
    value = numpy_helper.to_array(weight) * np.float32(1.05)
    weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    return node


def steeper(file):
    node = inner(file, "LeakyRelu")
    node.attribute[0].f = 0.3
    return node


def softer(file):
    node = inner(file, "Tanh")
    node.op_type = "Softsign"
    return node


def without_bias(file):
    node = inner(file, "Gemm")
    del node.input[2:]
    return node


CASES = [
    (Branches, scaled_weight, "weights.one"),
    (Branches, steeper, "attribute.activation"),
    (Branches, without_bias, "structure.missing_op"),
    (Turns, scaled_weight, "weights.one"),
    (Turns, softer, "attribute.activation"),
]


@pytest.mark.parametrize(("kind", "plant", "cause"), CASES)
@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_a_fault_in_a_body_is_explained_and_undone_there(kind, plant, cause, tmp_path):
    model, x, file = exported(kind, tmp_path)
    assert divergence.trace(model, file, x).verdict.status == "rounding"
    node = plant(file)
    report = divergence.trace(model, file, x, fix=tmp_path / "fixed.onnx")
    assert [finding.cause for finding in report.findings] == [cause]
    assert node.name in report.culprits[0].candidate_nodes
    proof = report.findings[0].proof
    assert proof.error_after < 1e-3 * proof.error_before
    assert divergence.trace(model, tmp_path / "fixed.onnx", x).verdict.status == "rounding"


def test_an_edit_finds_its_place_by_the_path_of_the_site():
    file = graph(BRANCHES)
    for node in file.graph.node:
        node.name = node.output[0]
    pass_through("y0/then_branch/a", "y0/then_branch/a0", "drop Neg").apply(file.graph)
    then = next(a.g for a in file.graph.node[1].attribute if a.name == "then_branch")
    assert [(n.op_type, list(n.input), list(n.output)) for n in then.node] == [
        ("Add", ["t", "x"], ["a0"]),
        ("Identity", ["a0"], ["a"]),
    ]


def test_an_edit_of_a_turn_is_one_of_all_turns():
    file = graph(
        "turns (float[2] x) => (float[2] z) { y = Elu(x) z = Elu(y) }".replace(" y = ", " y = ")
    )
    for node, name in zip(file.graph.node, ("l/body/y", "l/body/y#1"), strict=True):
        node.output[0] = name
    file.graph.node[1].input[0] = "l/body/y"
    set_attributes("l/body/y#1", {"alpha": 2.0}, "set alpha").apply(file.graph)
    assert [node.attribute[0].f for node in file.graph.node] == [2.0, 2.0]
    assert [node.output[0] for node in file.graph.node] == ["l/body/y", "l/body/y#1"]


def test_an_edit_of_what_is_nowhere_is_refused():
    with pytest.raises(KeyError):
        set_weight("y0/then_branch/gone", 1, np.ones(3), "").apply(graph(BRANCHES).graph)
