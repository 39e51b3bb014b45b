"""Activations that are classes of their own, as transformers has them, and what is left of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import divergence
from tests.zoo.special import export

pytestmark = pytest.mark.filterwarnings("ignore")


class Activation(nn.Module):
    """One that is a single operator, or two in a row, under a name that says nothing."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


FUNCTIONS = {
    "gelu": functional.gelu,
    "tanh gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "quick gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "x times 1.702 x": lambda x: x * (1.702 * x),
    "silu": functional.silu,
    "square": lambda x: x * x,
}


def traced(right: str, wrong: str) -> divergence.Report:
    torch.manual_seed(0)
    first, last = nn.Linear(16, 32), nn.Linear(32, 4)
    model, faulty = (
        nn.Sequential(first, Activation(FUNCTIONS[name]), last).eval() for name in (right, wrong)
    )
    x = torch.randn(4, 16)
    return divergence.trace(model, export(faulty, (x,)), x)


@pytest.mark.parametrize(
    ("right", "wrong", "cause", "said"),
    [
        ("gelu", "tanh gelu", "attribute.activation", "gelu"),
        ("quick gelu", "x times 1.702 x", "structure.missing_op", "sigmoid"),
        ("silu", "square", "structure.missing_op", "silu is not whole"),
    ],
)
def test_what_the_file_computes_instead_is_named_and_undone(right, wrong, cause, said):
    report = traced(right, wrong)
    (culprit,), (finding,) = report.culprits, report.findings
    assert culprit.reference == "1"
    assert finding.cause == cause
    assert said in finding.explanation
    assert finding.proof.error_after < 1e-5 < finding.proof.error_before


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_on_both_sides_is_rounding(name):
    assert traced(name, name).verdict.status in {"rounding", "identical"}


def test_a_prelu_that_became_a_relu_gets_its_slopes_back():
    torch.manual_seed(0)
    first, last = nn.Conv1d(4, 8, 3), nn.Conv1d(8, 2, 3)
    activation = nn.PReLU(8)
    nn.init.uniform_(activation.weight, 0.1, 0.5)
    x = torch.randn(1, 4, 20)
    file = export(nn.Sequential(first, nn.ReLU(), last).eval(), (x,))
    report = divergence.trace(nn.Sequential(first, activation, last).eval(), file, x)
    (finding,) = report.findings
    assert finding.cause == "attribute.activation"
    assert finding.proof.error_after < 1e-5 < finding.proof.error_before


def test_operands_in_another_order_within_a_formula_are_just_that():
    torch.manual_seed(0)
    model, x = (
        nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 4)).eval(),
        torch.randn(4, 16),
    )
    file = export(model, (x,), opset_version=17)
    (node,) = (n for n in file.graph.node if n.op_type == "Div")
    node.input[:] = reversed(node.input)
    report = divergence.trace(model, file, x)
    assert report.findings[0].cause == "structure.order"
    assert node.name in report.culprits[0].candidate_nodes
