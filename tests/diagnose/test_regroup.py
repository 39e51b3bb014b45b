"""Values that are regrouped in another way: the permutation is found, also where none is left."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import divergence

HEADS, WIDTH, TOKENS = 4, 8, 12

pytestmark = pytest.mark.filterwarnings("ignore")


class Attention(nn.Module):
    """An attention whose heads are told from each other, and merged, in the right way or not."""

    def __init__(self, merged=True, split="qkv first"):
        super().__init__()
        self.qkv = nn.Linear(HEADS * WIDTH, 3 * HEADS * WIDTH)
        self.proj = nn.Linear(HEADS * WIDTH, HEADS * WIDTH)
        self.merged, self.split = merged, split

    def forward(self, x):
        joined = self.qkv(x)
        if self.split == "qkv first":
            parts = joined.reshape(1, TOKENS, 3, HEADS, WIDTH).permute(2, 0, 3, 1, 4)
        else:
            parts = joined.reshape(1, TOKENS, HEADS, 3, WIDTH).permute(3, 0, 2, 1, 4)
        query, key, value = parts.unbind(0)
        mixed = (query @ key.transpose(-2, -1) * WIDTH**-0.5).softmax(-1) @ value
        if self.merged:
            mixed = mixed.transpose(1, 2)
        return self.proj(mixed.reshape(1, TOKENS, HEADS * WIDTH))


class Shuffle(nn.Module):
    """A channel shuffle, or two reshapes that do nothing."""

    def __init__(self, shuffled=True):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 12, 3), nn.Conv2d(12, 4, 3)
        self.shuffled = shuffled

    def forward(self, x):
        y = self.first(x).relu()
        grouped = y.reshape(1, 3, 4, 8, 8)
        if self.shuffled:
            grouped = grouped.transpose(1, 2)
        return self.last(grouped.reshape(1, 12, 8, 8))


def traced(right, wrong, x, folder):
    torch.manual_seed(0)
    right.load_state_dict({k: torch.randn_like(v) / 4 for k, v in right.state_dict().items()})
    wrong.load_state_dict(right.state_dict())
    path = folder / "wrong.onnx"
    torch.onnx.export(wrong.eval(), (x,), str(path), dynamo=False)
    return divergence.trace(right.eval(), path, x)


@pytest.mark.parametrize("fault", [{"merged": False}, {"split": "heads first"}])
def test_heads_that_are_regrouped_are_named_and_proved(fault, tmp_path):
    report = traced(
        Attention(), Attention(**fault), torch.randn(1, TOKENS, HEADS * WIDTH), tmp_path
    )
    found = report.findings[0]
    assert found.cause == "attention.layout", report.verdict.sentence
    assert found.culprit == 0
    assert found.proof.error_after < 1e-5 < 1e-2 < found.proof.error_before


def test_a_shuffle_without_its_permutation_is_named_and_proved(tmp_path):
    report = traced(Shuffle(), Shuffle(shuffled=False), torch.randn(1, 3, 10, 10), tmp_path)
    found = report.findings[0]
    assert found.cause == "attribute.shuffle", report.verdict.sentence
    assert found.proof.error_after < 1e-5 < 1e-2 < found.proof.error_before
