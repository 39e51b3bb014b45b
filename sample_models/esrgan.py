"""spandrel's ESRGAN x4 on a crop of a photograph."""

from __future__ import annotations

from pathlib import Path

from spandrel.architectures.ESRGAN import ESRGAN
from torch import nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


def network() -> nn.Module:
    """Return the network without its weights."""
    return ESRGAN().eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS, side: int = 64) -> Sample:
    """Write the pair into `directory`; the input has `side` pixels each way."""
    model = calibrate(network(), batch(32, count=2))
    inputs = {"x": batch(side, count=1)}
    return write(directory, model, "sample_models.esrgan:network", inputs, exporters)


if __name__ == "__main__":
    main(build)
