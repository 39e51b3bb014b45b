"""Attention whose mask is missing in the file: explained, undone by the reference's mask."""

from __future__ import annotations

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import divergence
from tests.zoo.special import export


class Attention(nn.Module):
    def __init__(self, kind) -> None:
        super().__init__()
        self.kind, self.wide, self.back = kind, nn.Linear(16, 48), nn.Linear(16, 5)
        self.register_buffer("tril", torch.tril(torch.ones(8, 8)))

    def forward(self, x, keep):
        q, k, v = self.wide(x).view(2, 6, 3, 2, 8).permute(2, 0, 3, 1, 4)
        return self.back(self.attended(q, k, v, keep).transpose(1, 2).reshape(2, 6, 16))

    def attended(self, q, k, v, keep):
        allowed = (keep > 0)[:, None, None, :]
        if self.kind == "boolean":
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        if self.kind == "additive":
            mask = (1.0 - keep.float())[:, None, None, :] * -1e9
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        logits = q @ k.transpose(-1, -2) * 0.35
        if self.kind == "buffer":
            return logits.masked_fill(self.tril[:6, :6] == 0, float("-inf")).softmax(-1) @ v
        return torch.where(allowed, logits, torch.tensor(-1e4)).softmax(-1) @ v


def unmasked(file):
    """Take what masks the logits out of the file; return its node."""
    makers = {name: node for node in file.graph.node for name in node.output}
    softmax = next(node for node in file.graph.node if node.op_type == "Softmax")
    node = makers[softmax.input[0]]
    products = {"MatMul", "Mul", "Div"}
    logits = next(i for i in node.input if i in makers and makers[i].op_type in products)
    node.op_type = "Identity"
    del node.input[:]
    node.input.append(logits)
    return node


# Where the mask depends on the input and the file lacks it, nothing is written.
KINDS = {"boolean": True, "additive": True, "buffer": True, "where": False}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_a_missing_mask_is_explained_and_proved(kind, tmp_path):
    torch.manual_seed(0)
    model = Attention(kind).eval()
    keep = torch.ones(2, 6, dtype=torch.int64)
    keep[1, 4:] = 0
    given = (torch.randn(2, 6, 16), keep)
    path, fixed = tmp_path / "model.onnx", tmp_path / "fixed.onnx"
    torch.onnx.export(model, given, path, dynamo=False, input_names=["x", "keep"])
    file = onnx.load(path)
    node = unmasked(file)
    report = divergence.trace(model, file, given, fix=fixed)
    assert report.findings[0].cause == "structure.missing_op"  # and that `keep` is ignored
    assert node.name in report.culprits[0].candidate_nodes
    proof = report.findings[0].proof
    assert proof.error_after < 1e-3 * proof.error_before
    assert fixed.exists() or not KINDS[kind]
    if fixed.exists():
        assert divergence.trace(model, fixed, given).verdict.status == "rounding"


class Padded(nn.Module):
    """Attention with a mask of the type's least number, added behind the scale."""

    def __init__(self, scale=0.25):
        super().__init__()
        self.qkv, self.scale = nn.Linear(16, 48), scale

    def forward(self, x):
        q, k, v = self.qkv(x.tanh()).chunk(3, -1)
        mask = torch.where(x[:, :1, :1] > 1e9, 0.0, torch.finfo(x.dtype).min)
        logits = q @ k.transpose(1, 2)
        if self.scale:
            logits = logits * self.scale
        places = torch.arange(x.shape[1]) > 5
        return (logits + places * mask).softmax(-1) @ v


def test_a_scale_is_missing_before_a_mask():
    torch.manual_seed(0)
    model, faulty = Padded().eval(), Padded(None).eval()
    faulty.load_state_dict(model.state_dict())
    x = torch.randn(1, 9, 16)
    report = divergence.trace(model, export(faulty, (x,)), x)
    (found,) = report.findings
    assert found.cause == "attention.scale"
    assert found.proof.error_after < 1e-4 * found.proof.error_before
