"""timm's `resnet50` on a photograph."""

from __future__ import annotations

from pathlib import Path

import timm
from torch import nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


def network() -> nn.Module:
    """Return the network without its weights."""
    return timm.create_model("resnet50").eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    images = batch(224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    model = calibrate(network(), images)
    return write(directory, model, "sample_models.resnet50:network", {"x": images[:1]}, exporters)


if __name__ == "__main__":
    main(build)
