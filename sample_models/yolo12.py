"""ultralytics' YOLO12-n at 640 on a photograph."""

from __future__ import annotations

from pathlib import Path

from torch import nn
from ultralytics.nn.tasks import DetectionModel

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import EXPORTERS, Sample, main, write


def network() -> nn.Module:
    """Return the network without its weights."""
    return DetectionModel("yolo12n.yaml", verbose=False).eval()


def build(directory: Path, exporters: tuple[str, ...] = EXPORTERS) -> Sample:
    """Write the pair into `directory`."""
    images = batch(640)
    model = calibrate(network(), images)
    return write(directory, model, "sample_models.yolo12:network", {"x": images[:1]}, exporters)


if __name__ == "__main__":
    main(build)
