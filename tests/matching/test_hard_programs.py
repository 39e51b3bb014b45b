"""Programs that a matcher may stumble over: loops, dead branches, tied weights, strangers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

import divergence
from divergence.matching import match
from divergence.records import Program
from tests.matching.programs import Sketch
from tests.zoo.special import export

TABLE = np.random.default_rng(3).normal(size=(12, 8)).astype("float32")


def language_model(kind: str, lookup: str, product: str) -> Program:
    """A table that words are looked up in and, transposed, the head that they are scored with."""
    sketch = Sketch(kind)
    table = sketch.weight(f"{kind}.table", TABLE)
    words = sketch.input("words", (1, 5))
    value = sketch.op(f"{kind}.embed", lookup, (1, 5, 8), [words], [table])
    value = sketch.op(f"{kind}.tanh", "tanh", (1, 5, 8), [value])
    return sketch.program(sketch.op(f"{kind}.head", product, (1, 5, 12), [value], [table]))


def test_a_table_tied_to_the_head_is_two_steps():
    found = match(
        language_model("op", "embedding", "linear"), language_model("node", "Gather", "MatMul")
    )
    expected = [("op.embed", "node.embed"), ("op.tanh", "node.tanh"), ("op.head", "node.head")]
    assert [(m.reference, m.candidate) for m in found.matches[1:]] == expected


def test_a_branch_that_nothing_reads_is_listed_and_changes_nothing():
    sketch = Sketch("node")
    value = sketch.input("x", (1, 4))
    sketch.op("dead", "Sin", (1, 4), [value])
    candidate = sketch.program(sketch.op("y", "Cos", (1, 4), [value]))
    sketch = Sketch("op")
    reference = sketch.program(sketch.op("cos", "cos", (1, 4), [sketch.input("x", (1, 4))]))
    found = match(reference, candidate)
    assert [(m.reference, m.candidate) for m in found.matches] == [("x", "x"), ("cos", "y")]
    assert [u.site for u in found.unpaired] == ["dead"]


def test_a_value_that_is_read_before_it_is_made_ends_no_search():
    def cycle(kind: str) -> Program:
        sketch = Sketch(kind)
        x = sketch.input("x", (1, 4))
        first = sketch.op("first", "add", (1, 4), [x, "second"])
        return sketch.program(sketch.op("second", "tanh", (1, 4), [first]))

    found = match(cycle("op"), cycle("node"))
    assert {m.reference for m in found.matches} == {"x", "first", "second"}


class Looped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = torch.tanh(x + 1)
        return x * 2


def looped() -> onnx.ModelProto:
    """The same with an ONNX `Loop` of three turns."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["carried", "one"], ["more"]),
            helper.make_node("Tanh", ["more"], ["out"]),
        ],
        "body",
        [
            info("turn", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("carried", TensorProto.FLOAT, [1, 4]),
        ],
        [info("on", TensorProto.BOOL, []), info("out", TensorProto.FLOAT, [1, 4])],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Loop", ["turns", "true", "x"], ["end"], body=body),
            helper.make_node("Mul", ["end", "two"], ["y"]),
        ],
        "looped",
        [info("x", TensorProto.FLOAT, [1, 4])],
        [info("y", TensorProto.FLOAT, [1, 4])],
        [
            numpy_helper.from_array(np.asarray(3, "int64"), "turns"),
            numpy_helper.from_array(np.asarray(True), "true"),
            numpy_helper.from_array(np.asarray([1], "float32"), "one"),
            numpy_helper.from_array(np.asarray([2], "float32"), "two"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_loop_against_its_turns_written_out_has_the_right_end():
    report = divergence.trace(Looped(), looped(), torch.randn(1, 4))
    assert report.verdict.status in ("identical", "rounding")
    assert [(p.reference, p.candidate) for p in report.outputs] == [("<root>", "y")]


@pytest.fixture
def stranger(tmp_path):
    torch.manual_seed(1)
    other = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(9)))
    path = tmp_path / "other.onnx"
    weights, nodes, value = [], [], "x"
    for i, (linear, _) in enumerate(other):
        weights += [numpy_helper.from_array(linear.weight.detach().numpy(), f"w{i}")]
        nodes += [
            helper.make_node("Gemm", [value, f"w{i}"], [f"g{i}"], transB=1),
            helper.make_node("Tanh", [f"g{i}"], [f"t{i}"]),
        ]
        value = f"t{i}"
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 8]) for n in ("x", value)]
    graph = helper.make_graph(nodes, "other", ends[:1], ends[1:], weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_another_architecture_is_inconclusive_with_the_evidence(stranger):
    torch.manual_seed(2)
    layers = [nn.Linear(8, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 16), nn.GELU()]
    model = nn.Sequential(*layers, nn.Linear(16, 8))
    report = divergence.trace(model.eval(), stranger, torch.randn(1, 8))
    assert report.verdict.status == "inconclusive"
    assert "look like the same network" in report.verdict.sentence
    assert report.pairs == ()


def test_a_reversed_value_is_another_one_of_the_same_size():
    sketch = Sketch("op")
    flipped = sketch.op("flip", "flip", (1, 4), [sketch.input("x", (1, 4))])
    reference = sketch.program(sketch.op("tanh", "tanh", (1, 4), [flipped]))
    sketch = Sketch("node")
    ends = [sketch.weight(k, np.array([v])) for k, v in (("s", -1), ("e", -9), ("a", 1), ("t", -1))]
    turned = sketch.op("turned", "Slice", (1, 4), [sketch.input("x", (1, 4))], ends)
    found = match(reference, sketch.program(sketch.op("y", "Tanh", (1, 4), [turned])))
    assert {m.reference: m.candidate for m in found.matches} == {
        "x": "x", "flip": "turned", "tanh": "y",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cut", ["candidate", "reference"])
def test_a_network_without_its_head_ends_with_an_inner_value_of_the_whole(cut):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
    whole = nn.Sequential(*body, nn.Linear(8, 5))
    x = torch.randn(2, 8)
    ours, theirs = (whole, body) if cut == "candidate" else (body, whole)
    report = divergence.trace(ours, export(theirs, (x,)), x)
    assert report.verdict.status == "inconclusive"
    assert f"The {cut} ends with what is" in report.verdict.sentence
    assert "`1`" in report.verdict.sentence or cut == "reference"
