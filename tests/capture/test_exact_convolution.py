"""Convolutions in float64 by strips: the same values as at once."""

import copy

import pytest
import torch
from torch import nn

from divergence.capture import exact_convolution
from divergence.capture.torch_runner import TorchRunner
from divergence.records import Call

LAYERS = {
    "plain": (nn.Conv2d(3, 4, 3), (2, 3, 9, 8)),
    "padded": (nn.Conv2d(3, 4, 5, padding=2), (1, 3, 9, 8)),
    "strided": (nn.Conv2d(3, 4, 3, stride=(2, 1), padding=(1, 0)), (1, 3, 10, 7)),
    "dilated": (nn.Conv2d(3, 4, 3, dilation=2, padding=2, bias=False), (1, 3, 9, 8)),
    "grouped": (nn.Conv2d(6, 6, 3, groups=3, padding=1), (1, 6, 9, 8)),
    "padded beyond the kernel": (nn.Conv2d(3, 4, 2, padding=5), (1, 3, 4, 4)),
    "of one axis": (nn.Conv1d(3, 4, 5, padding=4, stride=3), (2, 3, 31)),
    "of three axes": (nn.Conv3d(3, 4, 3, padding=1), (1, 3, 6, 5, 4)),
}


@pytest.mark.parametrize("size", [1, 3000])
@pytest.mark.parametrize("name", LAYERS)
def test_strips_are_the_whole(name, size, monkeypatch):
    monkeypatch.setattr(exact_convolution, "STRIP_BYTES", size)
    monkeypatch.setattr(exact_convolution, "WORTHWHILE_BYTES", 1)
    layer, shape = LAYERS[name]
    given = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    seen = {}

    TorchRunner(nn.Sequential(layer)).run(
        Call((given,)), lambda site, _, exact=None: seen.update({site: exact}), {"0"}, "free"
    )

    with torch.no_grad():
        wanted = copy.deepcopy(layer).double()(given.double())
    torch.testing.assert_close(torch.tensor(seen["0"]), wanted, rtol=1e-13, atol=1e-14)


def test_small_and_transposed_ones_run_as_they_are(monkeypatch):
    settings = {
        "bias": None,
        "stride": [1],
        "padding": [0],
        "dilation": [1],
        "output_padding": [0],
        "groups": 1,
    }
    value, weight = torch.ones(1, 2, 9), torch.ones(2, 2, 3)
    given = {"input": value, "weight": weight, "transposed": False, **settings}
    assert exact_convolution.convolution(given, torch.ones(1, 2, 7)) is None
    monkeypatch.setattr(exact_convolution, "WORTHWHILE_BYTES", 1)
    assert exact_convolution.convolution(given, torch.ones(1, 2, 7)) is not None
    given["transposed"] = True
    assert exact_convolution.convolution(given, torch.ones(1, 2, 11)) is None
