"""Incident: a timm ViT validated with another mean, deviation and crop than it was trained with.

The ONNX file does not say how a picture is prepared, so the validation fell back to the
values that most networks use: `vit` with a fallback on the candidate's side. `stamped` is the
same file with the right preparation in its metadata, where a tool can read it.
"""

from __future__ import annotations

from pathlib import Path

import timm
from torch import nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch, photograph
from sample_models.preparations import classifier, write_steps
from sample_models.sample import Sample, main, write

_NAME = "vit_small_patch16_224.augreg_in21k_ft_in1k"
FALLBACK = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "share": 0.875}


def network() -> nn.Module:
    """Return the network without its weights; its `pretrained_cfg` says how to prepare."""
    return timm.create_model(_NAME, pretrained=False).eval()


def build(directory: Path, exporter: str = "torchscript") -> Sample:
    """Write the right file; the fault is in `candidate_preprocess`."""
    model = network()
    trained = model.pretrained_cfg
    images = batch(224, trained["mean"], trained["std"])
    plain = write(
        directory,
        calibrate(model, images),
        "sample_models.incident_vit:network",
        {"x": images[:1]},
        (exporter,),
    )
    right = classifier(trained["mean"], trained["std"], trained["crop_pct"])
    return plain.with_onnx({"vit": plain.onnx[exporter]}).with_picture(
        photograph("bus"),
        preprocess=write_steps(directory / "trained.yaml", right),
        candidate_preprocess=write_steps(directory / "fallback.yaml", classifier(**FALLBACK)),
    )


if __name__ == "__main__":
    main(build)
