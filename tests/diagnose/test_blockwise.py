"""Parameters that are packed in blocks stand for what ONNX Runtime computes with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper
from onnxruntime import InferenceSession
from onnxruntime.quantization import matmul_nbits_quantizer as quantizer
from torch import nn

import divergence
from divergence.diagnose.blockwise import real
from tests.zoo.special import export


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr("logging.Logger.info", lambda *_, **__: None)  # the quantiser reports


class Mixer(nn.Module):
    """Two layers and a residual, of which the products alone can be quantised."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(48), nn.Linear(48, 64), nn.Linear(64, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


def packed(file, symmetric, bits, block):
    config = quantizer.DefaultWeightOnlyQuantConfig(
        block_size=block, is_symmetric=symmetric, bits=bits
    )
    made = quantizer.MatMulNBitsQuantizer(file, bits=bits, algo_config=config)
    made.process()
    return made.model.model


FORMS = [(True, 4, 16), (False, 4, 32), (False, 4, 128), (True, 8, 32), (False, 8, 16)]


@pytest.mark.parametrize(("symmetric", "bits", "block"), FORMS)
def test_packed_numbers_are_those_that_the_runtime_multiplies_by(symmetric, bits, block):
    weight = np.random.default_rng(0).normal(size=(48, 7)).astype(np.float32) + 0.3
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "g",
        [helper.make_tensor_value_info("x", 1, [48, 48])],
        [helper.make_tensor_value_info("y", 1, [48, 7])],
        [numpy_helper.from_array(weight, "w")],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file = packed(file, symmetric, bits, block)
    (node,) = file.graph.node
    held = {t.name: numpy_helper.to_array(t) for t in file.graph.initializer}
    value, step = real(node, held.get)
    (own,) = InferenceSession(file.SerializeToString()).run(None, {"x": np.eye(48, dtype="f")})
    assert np.allclose(value, own, atol=1e-6)
    assert 0 < np.abs(value - weight).max() <= step


@pytest.mark.parametrize(("symmetric", "bits", "block"), FORMS)
def test_a_file_whose_products_are_quantised_only_rounds(symmetric, bits, block):
    torch.manual_seed(0)
    model, given = Mixer().eval(), torch.randn(2, 5, 48)
    file = packed(export(model, (given,), opset_version=17), symmetric, bits, block)
    report = divergence.trace(model, file, given)
    assert report.verdict.status == "rounding"
    (finding,) = report.findings
    assert (finding.cause, finding.culprit) == ("precision.reduced", None)
    assert finding.proof.error_after < 1e-5 < finding.proof.error_before


def test_a_few_rows_in_another_order_are_more_than_rounding():
    torch.manual_seed(0)
    model, given = Mixer().eval(), torch.randn(2, 5, 48)
    file = export(model, (given,), opset_version=17)
    weight = next(t for t in file.graph.initializer if list(t.dims) == [64, 48])
    rows = numpy_helper.to_array(weight)[[1, 0, *range(2, 64)]]
    weight.CopyFrom(numpy_helper.from_array(rows, weight.name))
    report = divergence.trace(model, packed(file, False, 4, 16), given)
    assert report.verdict.status == "divergent"
    assert report.findings[0].cause == "weights.one"
    assert "down.weight" in report.findings[0].explanation
    assert report.findings[0].proof.holds


class Scored(nn.Module):
    """A product with a softmax behind it, whose scale is made of numbers alone."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(32, 8) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x))


def test_of_two_remedies_within_the_rounding_the_one_that_is_right_without_it_is_named():
    torch.manual_seed(0)
    model, given = Scored().eval(), torch.randn(2, 9, 32)
    file = export(model, (given,), opset_version=17)
    (quotient,) = (n for n in file.graph.node if n.op_type == "Div")
    quotient.input[:] = quotient.input[::-1]
    report = divergence.trace(model, packed(file, False, 4, 16), given)
    assert report.verdict.status == "divergent"
    assert [f.cause for f in report.findings] == ["structure.order"]
