"""Incident: the ViT's mistake on a network with trained weights and a folder of photographs.

EfficientNet-Lite0 was trained with a mean and a deviation of about a half; the validation of its
ONNX file falls back to ImageNet's. The network is right, and half of its answers are others.
"""

from __future__ import annotations

from pathlib import Path

from sample_models.efficientnet_lite0 import MEAN, SHARE, STD, network
from sample_models.incident_vit import FALLBACK
from sample_models.photographs import batch, write_crops
from sample_models.preparations import classifier, write_steps
from sample_models.sample import Sample, main, write


def build(directory: Path, exporter: str = "torchscript") -> Sample:
    """Write the right file and a folder of pictures; the fault is in `candidate_preprocess`."""
    images = batch(224, MEAN, STD, count=1)
    name = "sample_models.efficientnet_lite0:network"
    plain = write(directory, network(), name, {"inputs": images}, (exporter,))
    right = classifier(MEAN, STD, SHARE)
    return plain.with_onnx({"lite0": plain.onnx[exporter]}).with_picture(
        write_crops(directory / "photographs"),
        preprocess=write_steps(directory / "trained.yaml", right),
        candidate_preprocess=write_steps(directory / "fallback.yaml", classifier(**FALLBACK)),
    )


if __name__ == "__main__":
    main(build)
