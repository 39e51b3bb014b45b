"""spandrel's SwinIR (light, x2) on a crop of a photograph."""

from __future__ import annotations

from pathlib import Path

from spandrel.architectures.SwinIR import SwinIR
from torch import nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


def network() -> nn.Module:
    """Return the network without its weights: the published lightweight configuration."""
    return SwinIR(
        img_size=64,
        window_size=8,
        embed_dim=60,
        mlp_ratio=2,
        upscale=2,
        upsampler="pixelshuffledirect",
    ).eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    images = batch(64)
    model = calibrate(network(), images)
    return write(directory, model, "sample_models.swinir:network", {"x": images[:1]}, exporters)


if __name__ == "__main__":
    main(build)
