"""timm: a model's `pretrained_cfg`, read as timm's evaluation transform is built from it.

The geometry is that of `timm.data.transforms_imagenet_eval`: `crop_pct` is the share of the
resized picture that the crop keeps, so the picture is first resized to floor(size / crop_pct).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from divergence.preparation.spec import Spec, parse_spec

ORIGIN = "timm pretrained_cfg"

# timm's own defaults where a configuration leaves one out.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CROP_SHARE = 0.875


def read_model(model: Any, size: tuple[int, int] | None = None) -> Spec | None:
    """Return the preparation of a model that carries a `pretrained_cfg`, or None."""
    config: Any = getattr(model, "pretrained_cfg", None)
    if not isinstance(config, Mapping) and hasattr(config, "to_dict"):
        config = config.to_dict()
    return read_config(config, size) if isinstance(config, Mapping) and config else None


def read_config(config: Mapping[str, Any], size: tuple[int, int] | None = None) -> Spec:
    """Return the preparation of a `pretrained_cfg` or of a resolved data configuration.

    size: height and width instead of those of `input_size`.
    """
    channels, height, width = config.get("input_size") or (3, 224, 224)
    if size is not None:
        height, width = size
    mean = list(config.get("mean") or _MEAN)
    return parse_spec(
        [
            {"decode": {"mode": "L" if channels == 1 else "RGB", "exif": False}},
            *_geometry(config, (height, width), mean),
            {"scale": {"factor": 1 / 255}},
            {"normalize": {"mean": mean, "std": list(config.get("std") or _STD)}},
            {"layout": "NCHW"},
            {"dtype": "float32"},
        ]
    )


def _geometry(
    config: Mapping[str, Any], size: tuple[int, int], mean: list[float]
) -> list[dict[str, Any]]:
    share = config.get("crop_pct") or _CROP_SHARE
    kernel = {"kernel": config.get("interpolation") or "bicubic", "library": "pillow"}
    rows, columns = (math.floor(length / share) for length in size)
    mode = config.get("crop_mode") or "center"
    crop = {"crop": {"size": list(size)}}
    if mode == "squash":
        return [{"resize": {"to": [rows, columns], **kernel}}, crop]
    if mode == "border":
        fill = [round(255 * value) for value in mean]
        pad = {"pad": {"to": [rows, columns], "value": fill}}
        return [{"resize": {"fit": [rows, columns], **kernel}}, pad, crop]
    if rows == columns:
        return [{"resize": {"shortest": rows, **kernel}}, crop]
    return [{"resize": {"cover": [rows, columns], **kernel}}, crop]
