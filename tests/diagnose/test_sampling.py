"""Samplings at the points of a grid with other modes, and constants that exporters compute."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import divergence
from tests.zoo.special import export

pytestmark = pytest.mark.filterwarnings("ignore")


class Sampler(nn.Module):
    """Features at points that a convolution gives, some outside of the picture."""

    def __init__(self, **settings):
        super().__init__()
        self.features, self.points = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)
        self.head = nn.Conv2d(8, 3, 1)
        self.settings = {"padding_mode": "border", "align_corners": False, **settings}

    def forward(self, x):
        grid = 1.5 * self.points(x).permute(0, 2, 3, 1)
        return self.head(functional.grid_sample(self.features(x), grid, **self.settings))


class Biased(nn.Module):
    """Logits with a bias that two layers compute of fixed positions, as Swin V2 does."""

    def __init__(self, bent=True, scaled=True):
        super().__init__()
        bend = nn.ReLU() if bent else nn.Identity()
        self.net = nn.Sequential(nn.Linear(2, 16), bend, nn.Linear(16, 4))
        self.register_buffer("places", torch.randn(9, 9, 2))
        self.scaled = scaled

    def forward(self, x):
        bias = self.net(self.places).permute(2, 0, 1).sigmoid()
        return (x.tanh() + (16 * bias if self.scaled else bias)).softmax(-1)


class Stored(nn.Module):
    """The same with a bias that is stored."""

    def __init__(self, bias):
        super().__init__()
        self.register_buffer("bias", bias)

    def forward(self, x):
        return (x.tanh() + self.bias).softmax(-1)


class Embedded(nn.Module):
    """Words and their positions, added and normalised."""

    def __init__(self, positions=True):
        super().__init__()
        self.words, self.norm = nn.Embedding(30, 16), nn.LayerNorm(16)
        self.places = nn.Embedding(12, 16)
        self.positions = positions

    def forward(self, ids):
        x = self.words(ids)
        if self.positions:
            x = x + self.places(torch.arange(ids.shape[1]))
        return self.norm(x)


class Gated(nn.Module):
    """x sigmoid(1.702 x), and what is divided by its root mean square."""

    def __init__(self, scale=True, whole=True):
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 4)
        self.scale, self.whole = scale, whole

    def forward(self, x):
        x = self.first(x)
        x = x * torch.sigmoid(1.702 * x if self.scale else x)
        size = x.pow(2).mean(-1, keepdim=True) + 1e-6
        return self.last(x * (size.rsqrt() if self.whole else size.sqrt()))


def finding(model, faulty, x):
    """Return the only finding of a trace of `model` against the file of `faulty`."""
    faulty.load_state_dict(model.state_dict())
    (found,) = divergence.trace(model.eval(), export(faulty.eval(), (x,)), x).findings
    assert found.proof.error_after < 1e-3 * found.proof.error_before
    return found


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"align_corners": True}, "attribute.resize"),
        ({"mode": "nearest"}, "attribute.resize"),
        ({"padding_mode": "zeros"}, "attribute.padding"),
        ({"padding_mode": "reflection", "align_corners": True}, "attribute.resize"),
    ],
)
def test_a_sampling_has_another_mode(settings, cause):
    torch.manual_seed(0)
    x = torch.randn(1, 3, 12, 12)
    found = finding(Sampler(), Sampler(**settings), x)
    assert found.cause == cause
    assert settings.keys() <= found.parameters.keys()


def test_a_constant_that_the_exporter_computed_is_wrong():
    torch.manual_seed(0)
    model, x = Biased().eval(), torch.randn(1, 4, 9, 9)
    stored = 16 * model.net(model.places).permute(2, 0, 1).sigmoid().detach()
    stored[1, 2, 3] += 0.5
    report = divergence.trace(model, export(Stored(stored), (x,)), x)
    (found,) = report.findings
    assert found.cause == "weights.one"
    assert found.proof.error_after < 1e-3 * found.proof.error_before


@pytest.mark.parametrize("missing", ["bent", "scaled"])
def test_a_part_of_what_is_computed_of_parameters_alone_is_missing(missing):
    torch.manual_seed(0)
    found = finding(Biased(), Biased(**{missing: False}), torch.randn(1, 4, 9, 9))
    assert found.cause == "structure.missing_op"


def test_an_operand_that_the_file_does_not_compute_is_missing():
    torch.manual_seed(0)
    found = finding(Embedded(), Embedded(positions=False), torch.randint(0, 30, (1, 7)))
    assert found.cause == "structure.missing_op"
    assert "places" in found.explanation


@pytest.mark.parametrize("missing", ["scale", "whole"])
def test_a_part_of_a_formula_is_missing(missing):
    torch.manual_seed(0)
    found = finding(Gated(), Gated(**{missing: False}), torch.randn(3, 8))
    assert found.cause == "structure.missing_op"
