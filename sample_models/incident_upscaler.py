"""Incident: image upscalers whose conversion was verified on one tiny random input, if at all.

A network that neosr trains and chaiNNer converts. `right` and `half` (float16) are sound;
`resized` samples the picture that the network adds its details to at other places, which a
flat or random input does not show.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
from onnxconverter_common.float16 import convert_float_to_float16
from spandrel.architectures.Compact import Compact
from torch import nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import Sample, main, write


def network() -> nn.Module:
    """Return the network without its weights."""
    return Compact(num_feat=32, num_conv=8, upscale=4).eval()


def build(directory: Path, exporter: str = "torchscript", side: int = 96) -> Sample:
    """Write all files into `directory`; the input has `side` pixels each way."""
    images = batch(side)
    model = calibrate(network(), images)
    plain = write(
        directory,
        model,
        "sample_models.incident_upscaler:network",
        {"x": images[:1]},
        (exporter,),
    )
    right = plain.onnx[exporter]
    half, resized = directory / "half.onnx", directory / "resized.onnx"
    onnx.save(_halved(onnx.load(right)), half)
    onnx.save(_resampled(onnx.load(right)), resized)
    return plain.with_onnx({"right": right, "half": half, "resized": resized})


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the file in float16, with the whole range that float16 has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of each weight outside of that range
        return convert_float_to_float16(
            model, keep_io_types=True, min_positive_val=6e-8, max_finite_val=65504.0
        )


def _resampled(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let every resize take the nearest pixel of a grid that is laid through the corners."""
    changed = {
        "coordinate_transformation_mode": "align_corners",
        "nearest_mode": "round_prefer_ceil",
    }
    for node in model.graph.node:
        if node.op_type == "Resize":
            kept = [attribute for attribute in node.attribute if attribute.name not in changed]
            node.ClearField("attribute")
            node.attribute.extend(kept)
            node.attribute.extend(onnx.helper.make_attribute(*pair) for pair in changed.items())
    return model


if __name__ == "__main__":
    main(build)
