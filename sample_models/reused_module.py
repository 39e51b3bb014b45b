"""A network that calls the same modules several times."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


class Recurrent(nn.Module):
    """One convolution, one norm and one activation, applied three times with an in-place add."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.norm = nn.GroupNorm(4, 16)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Take (batch, 3, 64, 64); return (batch, 4, 32, 32)."""
        x = self.stem(x)
        for _ in range(3):
            x += self.act(self.norm(self.conv(x)))
        return self.head(x)


def network() -> nn.Module:
    """Return the network without its weights."""
    return Recurrent().eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    images = batch(64)
    model = calibrate(network(), images)
    one = {"x": images[:1]}
    return write(directory, model, "sample_models.reused_module:network", one, exporters)


if __name__ == "__main__":
    main(build)
