"""A network that takes a dictionary and returns one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


class Fusion(nn.Module):
    """A picture and a table row, scored together."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(4),
        )
        self.table = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 256))
        self.head = nn.Linear(256, 3)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take `image` (batch, 3, 64, 64) and `row` (batch, 6); return `scores` and `features`."""
        features = self.vision(batch["image"]).flatten(1) + self.table(batch["row"])
        return {"scores": self.head(features), "features": features}


def network() -> nn.Module:
    """Return the network without its weights."""
    return Fusion().eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    rows = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    given = {"image": batch(64), "row": rows}
    model = calibrate(network(), given)
    one = {name: tensor[:1] for name, tensor in given.items()}
    return write(directory, model, "sample_models.dict_input:network", {"batch": one}, exporters)


if __name__ == "__main__":
    main(build)
