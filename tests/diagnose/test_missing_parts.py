"""What a file lacks, and which culprit is named first."""

from __future__ import annotations

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import divergence
from tests.zoo.special import export

HEADS, WIDTH, TOKENS = 2, 8, 9

pytestmark = pytest.mark.filterwarnings("ignore")


class Attention(nn.Module):
    """A causal attention with a bias for each position, or without one of them."""

    def __init__(self, causal=True, positions=True):
        super().__init__()
        self.causal, self.positions = causal, positions
        self.qkv = nn.Linear(HEADS * WIDTH, 3 * HEADS * WIDTH)
        self.bias = nn.Parameter(torch.randn(TOKENS, HEADS * WIDTH))
        self.proj = nn.Linear(HEADS * WIDTH, 3)

    def forward(self, x):
        x = torch.tanh(x)
        if self.positions:
            x = x + self.bias
        parts = self.qkv(x).reshape(1, TOKENS, 3, HEADS, WIDTH).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts.unbind(0), is_causal=self.causal)
        return self.proj(mixed.transpose(1, 2).reshape(1, TOKENS, HEADS * WIDTH))


class Shared(nn.Module):
    """One layer used three times, then a choice among equal scores."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(24, 24)
        self.head = nn.Linear(24, 4)

    def forward(self, x):
        for _ in range(3):
            x = x + torch.tanh(self.layer(x))
        scores, places = x.clamp(-0.5, 0.5).topk(5)
        return self.head(x), scores, places


class Placed(nn.Module):
    """An attention whose logits get a bias for each distance; one operator, or several."""

    def __init__(self, fused):
        super().__init__()
        self.fused = fused
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.table = nn.Parameter(torch.randn(TOKENS))
        places = torch.arange(TOKENS)
        self.register_buffer("distance", (places[:, None] - places).abs())

    def forward(self, x):
        bias, q, k, v = self.table[self.distance], self.q(x), self.k(x), self.v(x)
        if self.fused:
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return (q @ k.transpose(-1, -2) + bias).softmax(-1) @ v


class Coded(nn.Module):
    """Adds a projection of fixed codes, which a file may hold as nodes without an input."""

    def __init__(self):
        super().__init__()
        self.code = nn.Conv1d(4, WIDTH, 1)
        self.head = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("codes", torch.randn(1, 4, TOKENS))

    def forward(self, x):
        return self.head(torch.tanh(x) + self.code(self.codes).transpose(1, 2))


def traced(model: nn.Module, faulty: nn.Module, x: torch.Tensor) -> divergence.Report:
    faulty.load_state_dict(model.state_dict())
    return divergence.trace(model, export(faulty.eval(), (x,)), x)


def scaled(layer: str) -> divergence.Report:
    """Trace a network whose file has one layer's weight 1.05 times too large."""
    torch.manual_seed(0)
    model, faulty = Shared().eval(), Shared().eval()
    faulty.load_state_dict(model.state_dict())
    with torch.no_grad():
        faulty.get_submodule(layer).weight *= 1.05
    x = 3 * torch.randn(1, 24)
    return divergence.trace(model, export(faulty, (x,)), x)


@pytest.mark.parametrize("fused", [False, True])
def test_what_is_computed_from_constants_is_to_blame_where_an_input_is_not_read(fused):
    torch.manual_seed(0)
    x = torch.randn(1, TOKENS, WIDTH)
    model = Placed(fused).eval()
    file = export(model, (x,))
    (add,) = (n for n in file.graph.node if n.op_type == "Add" and "Gather" in n.input[1])
    add.op_type, add.input[:] = "Identity", [add.input[1]]
    report = divergence.trace(model, file, x)
    assert add.name in report.culprits[0].candidate_nodes
    assert report.findings[0].cause == "structure.missing_op"
    proof = report.findings[0].proof
    assert proof.error_after < 1e-4 * proof.error_before


def test_a_wrong_parameter_is_found_in_what_is_computed_from_constants_alone():
    torch.manual_seed(0)
    x = torch.randn(1, TOKENS, WIDTH)
    model, faulty = Coded().eval(), Coded().eval()
    faulty.load_state_dict(model.state_dict())
    with torch.no_grad():
        faulty.code.weight *= 1.2
    file = export(faulty, (x,), do_constant_folding=False)
    (conv,) = (n for n in file.graph.node if n.op_type == "Conv")
    report = divergence.trace(model, file, x)
    assert conv.name in report.culprits[0].candidate_nodes
    assert report.findings[0].cause == "weights.one"
    assert report.findings[0].parameters["weight"] == "code.weight"


@pytest.mark.parametrize(
    ("without", "said"), [("causal", "causal mask"), ("positions", "Add of bias")]
)
def test_a_mask_or_a_parameter_of_several_axes_is_missing(without, said):
    torch.manual_seed(0)
    x = torch.randn(1, TOKENS, HEADS * WIDTH)
    report = traced(Attention().eval(), Attention(**{without: False}), x)
    finding = report.findings[0]
    assert finding.cause == "structure.missing_op"
    assert said in finding.explanation
    assert finding.proof.error_after < 1e-4 * finding.proof.error_before


def test_a_layer_that_is_used_again_is_one_parameter_and_not_another_checkpoint():
    causes = [finding.cause for finding in scaled("layer").findings]
    assert causes[0] == "weights.one"
    assert "weights.all" not in causes


def test_a_choice_among_equal_scores_is_the_least_to_blame():
    report = scaled("head")
    assert [finding.cause for finding in report.findings] == ["weights.one", "order.ties"]
    assert report.culprits[0].reference_scope == "head"
    assert "head" in report.verdict.sentence


class Scaled(nn.Module):
    """A norm written out, which ends with a product of its own: `x * rsqrt(...) * gain`."""

    def __init__(self, epsilon=1e-5):
        super().__init__()
        self.epsilon, self.gain = epsilon, nn.Parameter(torch.linspace(0.5, 1.5, 24))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.gain


def test_an_epsilon_that_is_written_out_is_one():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 24), Scaled(), nn.Linear(24, 4)).eval()
    faulty = nn.Sequential(nn.Linear(24, 24), Scaled(1e-3), nn.Linear(24, 4))
    finding = traced(model, faulty, torch.randn(2, 24)).findings[0]
    assert finding.cause == "attribute.epsilon"
    assert finding.proof.error_after < 1e-3 * finding.proof.error_before


class Fork(nn.Module):
    """A sum that three layers read."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.heads = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, x):
        x = x + torch.tanh(self.first(x))
        a, b, c = (head(x) for head in self.heads)
        return a * torch.sigmoid(b) + c


def test_what_is_missing_behind_a_value_that_several_layers_read_is_one_fault():
    torch.manual_seed(0)
    model, x = Fork().eval(), torch.randn(3, 8)
    file = export(model, (x,))
    given = file.graph.input[0].name
    (node,) = (n for n in file.graph.node if n.op_type == "Add" and given in n.input)
    (kept,) = (name for name in node.input if name != given)
    for reader in file.graph.node:
        for number, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[number] = kept
    file.graph.node.remove(node)
    report = divergence.trace(model, file, x)
    assert [f.cause for f in report.findings] == ["structure.missing_op"]
    (culprit,) = report.culprits
    assert "/Tanh" in culprit.candidate_nodes


@pytest.mark.parametrize("lost", ["Add", "Div"])
def test_an_operator_of_a_function_that_is_written_out_is_missing(lost):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(8, 8, bias=False), nn.GELU()).eval(), torch.randn(3, 8)
    file = export(model, (x,), opset_version=17)
    (node,) = (n for n in file.graph.node if n.op_type == lost)
    node.op_type = "Identity"
    del node.input[1]
    report = divergence.trace(model, file, x)
    assert [f.cause for f in report.findings] == ["structure.missing_op"]
    assert report.findings[0].proof


class _WrittenNorm(nn.Module):
    """A norm by the root mean square: what it is given is read in two places."""

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class _Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(16, 16), _WrittenNorm(), nn.Linear(16, 4)

    def forward(self, x):
        return self.last(self.norm(x + self.first(x)))


@pytest.mark.parametrize("kept", [0, 1])
def test_a_residual_missing_before_a_written_out_norm_is_put_back_wherever_it_is_read(
    tmp_path, kept
):
    torch.manual_seed(0)
    model, x, path = _Residual().eval(), torch.randn(2, 5, 16), tmp_path / "m.onnx"
    torch.onnx.export(model, (x,), str(path), dynamo=True, verbose=False)
    file = onnx.load(path)
    constants = {tensor.name for tensor in file.graph.initializer}
    sums = [n for n in file.graph.node if n.op_type == "Add" and not constants & set(n.input)]
    (missing,) = sums
    readers = [
        (n, i) for n in file.graph.node for i, v in enumerate(n.input) if v in missing.output
    ]
    assert len(readers) > 1
    for node, place in readers:
        node.input[place] = missing.input[kept]
    file.graph.node.remove(missing)
    report = divergence.trace(model, file, x, fix=tmp_path / "fixed.onnx")
    assert {finding.cause for finding in report.findings} == {"structure.missing_op"}
    assert all(f.proof and f.proof.error_after < 1e-5 for f in report.findings)
    assert divergence.trace(model, tmp_path / "fixed.onnx", x).verdict.status == "rounding"
