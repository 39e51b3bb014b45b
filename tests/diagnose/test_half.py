"""float16 files: what overflows is named from where it starts; what only feeding breaks is not."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import divergence
from sample_models.calibrate import calibrate
from tests.zoo.special import export


class Large(nn.Module):
    """Convolutions of which the second gives values beyond float16's range."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(n, 8, 3, padding=1) for n in (3, 8, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.b(torch.relu(self.a(x))))
        return self.head(self.c(x).mean((2, 3)))


class Normed(nn.Module):
    """A sum beyond float16's range that the runtime computes and norms in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.mix = nn.Linear(16, 32), nn.Linear(32, 32)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.wide(x)
        return self.head(self.norm(x + self.mix(nn.functional.gelu(x)))).softmax(-1)


def half_of(kind, given, larger, times):
    torch.manual_seed(0)
    model = calibrate(kind(), given)
    with torch.no_grad():
        for name in larger:
            model.get_parameter(name).mul_(times)
    return model, export(copy.deepcopy(model).half(), (given.half(),), opset_version=17)


def test_an_overflow_is_named_with_the_node_where_it_starts():
    given = torch.randn(1, 3, 12, 12)
    model, file = half_of(Large, given, ("a.weight", "b.weight"), 3000)
    report = divergence.trace(model, file, given)
    assert report.verdict.status == "divergent"
    first = report.findings[0]
    assert first.cause == "precision.overflow"
    assert first.explanation.startswith("b reaches")
    assert "/b/Conv" in report.culprits[first.culprit].candidate_nodes


@pytest.mark.parametrize("times", [1, 2000])
def test_what_only_feeding_would_overflow_is_no_fault(times):
    given = torch.randn(2, 16)
    model, file = half_of(Normed, given, ("wide.weight", "mix.weight"), times)
    report = divergence.trace(model, file, given)
    assert report.verdict.status == "rounding"
    assert all(p.introduced is None or p.introduced.multiple < 10 for p in report.pairs)
