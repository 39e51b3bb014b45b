"""timm's `vit_small_patch16_224` on a photograph."""

from __future__ import annotations

from pathlib import Path

import timm
from torch import nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


def network() -> nn.Module:
    """Return the network without its weights."""
    return timm.create_model("vit_small_patch16_224").eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    images = batch(224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    model = calibrate(network(), images)
    return write(directory, model, "sample_models.vit_small:network", {"x": images[:1]}, exporters)


if __name__ == "__main__":
    main(build)
