"""Random weights that behave like trained ones."""

import pytest
import torch
from torch import nn

from sample_models.calibrate import calibrate


def test_values_are_of_order_one_behind_every_layer():
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 32)
    )
    given = 20 + 5 * torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    calibrate(model, given)

    for depth in (1, 2, 5):
        assert model[:depth](given).std().item() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("outputs", [1, 8])
def test_what_nothing_reaches_is_not_blown_up(outputs):
    model = nn.Sequential(nn.ReLU(), nn.Conv2d(16, outputs, 1))

    calibrate(model, -torch.ones(1, 16, 1, 1))

    assert 0.01 < model[1].weight.abs().max() < 1


def test_one_output_is_scaled_by_what_it_reads():
    model = nn.Linear(16, 1)

    calibrate(model, torch.full((1, 16), 1000.0))

    assert 0.01 < model(torch.full((1, 16), 1000.0)).abs().item() < 10


def test_a_network_that_ends_in_one_place_depends_on_its_input():
    model = nn.Sequential(nn.Conv2d(3, 8, 4), nn.BatchNorm2d(8), nn.ReLU())
    random = torch.Generator().manual_seed(0)
    given, other = torch.randn(2, 1, 3, 4, 4, generator=random)

    calibrate(model, given)

    assert (model(given) - model(other)).abs().max() > 0.1


def test_channels_that_hardly_change_are_not_blown_up():
    model = nn.BatchNorm2d(2)
    value = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    value[:, 1] *= 1e-3

    calibrate(model, value)

    assert model(value)[:, 1].std() < 0.02
