"""A two-layer bidirectional LSTM with its states as outputs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from sample_models.sample import EXPORTERS, Sample, main, write


class Tagger(nn.Module):
    """Scores for each step of a sequence, and the last states of the recurrence."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(16, 32)
        self.lstm = nn.LSTM(32, 24, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(48, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take (batch, steps, 16); return (batch, steps, 5) and two states of (4, batch, 24)."""
        steps, (hidden, cell) = self.lstm(self.embed(x).tanh())
        return self.head(steps), hidden, cell


def network() -> nn.Module:
    """Return the network without its weights."""
    return Tagger().eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    generator = torch.Generator().manual_seed(0)
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3, generator=generator)
    inputs = {"x": torch.randn(1, 12, 16, generator=generator)}
    return write(directory, model, "sample_models.lstm:network", inputs, exporters)


if __name__ == "__main__":
    main(build)
