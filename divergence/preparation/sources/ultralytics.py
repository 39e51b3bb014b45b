"""ultralytics: the letterbox and range that its predictors use.

A detector's picture is fitted into the input size with OpenCV's bilinear kernel, padded with
114 around its centre and divided by 255; a classifier's is resized by its shorter side and
cropped. The ONNX files that ultralytics exports carry the input size and task as metadata.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from divergence.preparation.spec import Spec, parse_spec

ORIGIN = "ultralytics model"
METADATA_ORIGIN = "ONNX metadata of ultralytics"
_SIZE = 640
_CLASSIFIER_SIZE = 224


def read_model(model: Any, size: tuple[int, int] | None = None) -> Spec | None:
    """Return the preparation of an ultralytics `YOLO` object or of the network inside, or None."""
    kinds = [kind for kind in type(model).__mro__ if kind.__module__.startswith("ultralytics.")]
    if not kinds:
        return None
    task = getattr(model, "task", None) or ""
    classifies = task == "classify" or any(kind.__name__ == "ClassificationModel" for kind in kinds)
    return _spec(classifies, size or _declared_size(model))


def read_metadata(metadata: Mapping[str, str]) -> Spec | None:
    """Return the preparation of an ONNX file that ultralytics exported, or None."""
    if metadata.get("author") != "Ultralytics" or "imgsz" not in metadata:
        return None
    try:
        size = _pair(ast.literal_eval(metadata["imgsz"]))
    except (ValueError, SyntaxError):
        size = None
    return _spec(metadata.get("task") == "classify", size)


def _declared_size(model: Any) -> tuple[int, int] | None:
    """Return the size in `overrides` (YOLO) or `args` (network): a mapping or a namespace."""
    for holder in (getattr(model, "overrides", None), getattr(model, "args", None)):
        value = holder.get("imgsz") if isinstance(holder, Mapping) else getattr(holder, "imgsz", 0)
        if value:
            return _pair(value)
    return None


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, list | tuple) and len(value) in (1, 2):
        return int(value[0]), int(value[-1])
    return None


def _spec(classifies: bool, size: tuple[int, int] | None) -> Spec:
    steps = _classifier(size) if classifies else _letterbox(size)
    return parse_spec(
        [*steps, {"scale": {"factor": 1 / 255}}, {"layout": "NCHW"}, {"dtype": "float32"}]
    )


def _classifier(size: tuple[int, int] | None) -> list[dict[str, Any]]:
    height, width = size or (_CLASSIFIER_SIZE, _CLASSIFIER_SIZE)
    if height == width:
        return [{"resize": {"shortest": height}}, {"crop": {"size": [height, width]}}]
    return [{"resize": {"to": [height, width]}}]


def _letterbox(size: tuple[int, int] | None) -> list[dict[str, Any]]:
    height, width = size or (_SIZE, _SIZE)
    target = {"longest": height} if height == width else {"fit": [height, width]}
    return [
        {"resize": {**target, "kernel": "bilinear", "library": "opencv"}},
        {"pad": {"to": [height, width], "value": 114, "at": "center"}},
    ]
