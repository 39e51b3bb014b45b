"""Wrong parameters where an exporter or an archive leaves nothing of the module to look at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import divergence
from tests.zoo.special import export

pytestmark = pytest.mark.filterwarnings("ignore")


class Normed(nn.Module):
    """A convolution with a norm behind it, that the exporter folds."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))))


class Recurrent(nn.Module):
    """Two layers in both directions."""

    def __init__(self, kind):
        super().__init__()
        self.layers = kind(6, 5, 2, bidirectional=True)

    def forward(self, x):
        return torch.tanh(self.layers(x)[0])


class Positions(nn.Module):
    """More positions than the input has."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 16, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(torch.tanh(x) + self.positions[:, : x.shape[1]])


CASES = {
    "folded": (Normed, (1, 3, 8, 8), (8, 3, 3, 3)),
    "lstm": (lambda: Recurrent(nn.LSTM), (7, 1, 6), (2, 20, 6)),
    "gru": (lambda: Recurrent(nn.GRU), (7, 1, 6), (2, 15, 6)),
    "sliced": (Positions, (1, 9, 8), (1, 9, 8)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("archive", [False, True])
def test_one_wrong_parameter_is_named_and_put_right(case, archive):
    torch.manual_seed(0)
    make, shape, wrong = CASES[case]
    model, x = make().eval(), torch.randn(shape)
    file = export(model, (x,))
    entry = next(entry for entry in file.graph.initializer if tuple(entry.dims) == wrong)
    scaled = numpy_helper.to_array(entry) * np.float32(1.05)
    entry.CopyFrom(numpy_helper.from_array(scaled, entry.name))
    reference = torch.jit.trace(model, x) if archive else model
    finding = divergence.trace(reference, file, x).findings[0]
    assert finding.cause == "weights.one"
    assert "scaled by 1.05" in finding.explanation
    assert finding.proof.error_after < 1e-4 * finding.proof.error_before
