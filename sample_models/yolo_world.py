"""ultralytics' YOLO-World v2 (`yolov8s-worldv2`) at 640 on a photograph, its words fixed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from ultralytics.nn.tasks import WorldModel

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


def network() -> nn.Module:
    """Return the network without its weights; its 80 words are drawn from a fixed seed."""
    model = WorldModel("yolov8s-worldv2.yaml", verbose=False).eval()
    words = torch.randn(model.txt_feats.shape, generator=torch.Generator().manual_seed(0))
    model.txt_feats = nn.functional.normalize(words, dim=-1)  # as the text encoder gives them
    return model


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    images = batch(640)
    model = calibrate(network(), images)
    return write(directory, model, "sample_models.yolo_world:network", {"x": images[:1]}, exporters)


if __name__ == "__main__":
    main(build)
