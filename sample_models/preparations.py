"""How pictures are prepared, in the words of a SPEC, and the files that hold it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

Steps = list[dict[str, Any]]


def classifier(
    mean: Sequence[float],
    std: Sequence[float],
    share: float = 0.875,
    side: int = 224,
    kernel: str = "bicubic",
) -> Steps:
    """Return what a classifier's evaluation does: shorter side, centre crop, normalise."""
    return [
        {"resize": {"shortest": int(side / share), "kernel": kernel, "library": "pillow"}},
        {"crop": {"size": [side, side], "at": "center"}},
        {"scale": {"factor": 1 / 255}},
        {"normalize": {"mean": list(mean), "std": list(std)}},
        *_TENSOR,
    ]


def letterbox(side: int = 640, value: int = 114) -> Steps:
    """Return a detector's letterbox: the longer side to `side`, grey bars around."""
    return [
        {"resize": {"longest": side, **_OPENCV}},
        {"pad": {"to": [side, side], "value": value, "at": "center"}},
        {"scale": {"factor": 1 / 255}},
        *_TENSOR,
    ]


def stretch(side: int = 640) -> Steps:
    """Return a plain resize to a square, whatever that does to the proportions."""
    return [{"resize": {"to": [side, side], **_OPENCV}}, {"scale": {"factor": 1 / 255}}, *_TENSOR]


def padded_first(height: int, width: int, side: int = 640, value: int = 114) -> Steps:
    """Return a letterbox in the other order: grey bars to a square first, then the resize."""
    longest = max(height, width)
    return [
        {"pad": {"to": [longest, longest], "value": value, "at": "center"}},
        {"resize": {"to": [side, side], **_OPENCV}},
        {"scale": {"factor": 1 / 255}},
        *_TENSOR,
    ]


def write_steps(path: Path, steps: Steps) -> Path:
    """Write a SPEC as YAML."""
    path.write_text(yaml.safe_dump(steps, sort_keys=False), encoding="utf-8")
    return path


_OPENCV = {"kernel": "bilinear", "library": "opencv", "antialias": False}
_TENSOR: Steps = [{"layout": "NCHW"}, {"dtype": "float32"}]
