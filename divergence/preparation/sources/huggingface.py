"""Hugging Face: `preprocessor_config.json`, which stands beside a checkpoint.

Read as the image processors of transformers read it: resize, centre crop, rescale, normalise,
pad. Processors whose class name ends with Fast resize tensors (PyTorch, antialiased), those with
Pil, Pillow images. What a plain name means depends on the version of transformers that is
installed: tensors from 5 on, Pillow images before, and where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from divergence.errors import SpecError
from divergence.preparation.spec import Spec, parse_spec

ORIGIN = "preprocessor_config.json"
FILE_NAME = "preprocessor_config.json"

# The integers of PIL.Image.Resampling.
_KERNELS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
_UNDERSTOOD = {
    "do_resize",
    "do_center_crop",
    "do_rescale",
    "do_normalize",
    "do_convert_rgb",
    "do_pad",
    "do_flip_channel_order",
    "do_convert_annotations",  # this and the next are about labels
    "do_reduce_labels",
}
# ConvNeXT's processor crops below this size only (`crop_pct`), and stretches from it on.
_CROPS_BELOW = 384
# A size that is one number is a square to these, whatever is cropped behind it.
_SQUARES = ("DeiT", "ViT", "Beit")
# LeViT's processor resizes to this multiple of its size, and crops.
_LEVIT_SHARE = 256 / 224
# Sizes are made multiples of a number such as 8 or 32.
_OF_MULTIPLES = ("Yolos", "GLPN", "TextNet")
# Perceiver's crops a share of the picture before it resizes, VideoMAE's takes several pictures.
_UNLIKE = ("Perceiver", "VideoMAE")
_DIVISORS = ("size_divisor", "size_divisibility")
Steps = list[dict[str, Any]]


def read_model(model: Any, size: tuple[int, int] | None = None) -> Spec | None:
    """Return the preparation beside the checkpoint that a model was loaded from, or None."""
    del size  # the file says it, and the model was trained so
    path = getattr(getattr(model, "config", None), "name_or_path", None)
    file = Path(path) / FILE_NAME if isinstance(path, str) and path else None
    return read_file(file) if file is not None and file.is_file() else None


def read_file(path: Path) -> Spec:
    """Return the preparation in a `preprocessor_config.json`."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"'{path}' cannot be read as JSON: {error}.") from error
    return read_config(config)


def is_config(document: Any) -> bool:
    """Say whether a document is such a configuration rather than a SPEC."""
    keys = ("image_processor_type", "feature_extractor_type", "do_normalize", "image_mean")
    return isinstance(document, Mapping) and any(key in document for key in keys)


def read_config(config: Mapping[str, Any]) -> Spec:
    """Return the preparation that the configuration describes.

    Raises:
        SpecError: it does something that a SPEC cannot say.
    """
    unknown = [key for key in config if key.startswith("do_") and key not in _UNDERSTOOD]
    switched_on = [key for key in unknown if config[key]]
    if switched_on:
        raise SpecError(
            f"{FILE_NAME}: {', '.join(switched_on)} cannot be said in a SPEC; give the "
            "preparation as a callable."
        )
    _refuse_own_sizes(config)
    steps: Steps = [{"decode": {"mode": "RGB", "exif": False}}]
    steps += _resize(config) if config.get("do_resize", "size" in config) else []
    if config.get("do_center_crop"):
        size = _sides(config.get("crop_size"), "crop_size")
        steps.append({"crop": {"size": size, "at": "center-floor", "outside": 0}})
    steps += _range(config)
    if config.get("do_pad") and config.get("pad_size") is not None:
        # Padded after normalising, with zeros below and to the right.
        target = _sides(config["pad_size"], "pad_size")
        steps.append({"pad": {"to": target, "value": 0, "at": "top-left"}})
    if config.get("do_flip_channel_order"):
        steps.append({"channels": "BGR"})
    return parse_spec([*steps, {"layout": "NCHW"}, {"dtype": "float32"}])


def _range(config: Mapping[str, Any]) -> Steps:
    steps: Steps = []
    if config.get("do_rescale", True):
        steps.append({"scale": {"factor": config.get("rescale_factor", 1 / 255)}})
    if config.get("do_normalize", "image_mean" in config and not _is(config, "MobileViT")):
        mean, std = config.get("image_mean"), config.get("image_std")
        steps.append({"normalize": {"mean": mean, "std": std}})
        if _is(config, "EfficientNet") and config.get("include_top", True):
            steps.append({"normalize": {"mean": 0, "std": std}})  # so it is in its processor
    return steps


def _is(config: Mapping[str, Any], *names: str) -> bool:
    """Say whether the configuration is that of one of these processors."""
    kinds = (config.get("image_processor_type"), config.get("feature_extractor_type"))
    return any(str(kind).startswith(names) for kind in kinds)


def _refuse_own_sizes(config: Mapping[str, Any]) -> None:
    """Refuse processors with rules of their own, most of them for sizes."""
    multiple = config.get("keep_aspect_ratio") or _is(config, *_OF_MULTIPLES)
    resized = multiple and config.get("do_resize", True)
    padded = _is(config, "Swin2SR") and config.get("do_pad", True)
    if resized or padded or _is(config, *_UNLIKE) or any(config.get(name) for name in _DIVISORS):
        raise SpecError(
            f"{FILE_NAME}: this processor brings pictures to size in a way that cannot be said in "
            "a SPEC; give the preparation as a callable."
        )


def _resize(config: Mapping[str, Any]) -> Steps:
    size, words = config.get("size"), _kernel(config)
    edges = size if isinstance(size, Mapping) else {"shortest_edge": size}
    if config.get("max_size") is not None:  # an old form of longest_edge
        edges = {**edges, "longest_edge": config["max_size"]}
    if "height" in edges and "width" in edges:
        return [{"resize": {"to": [edges["height"], edges["width"]], **words}}]
    if edges.get("longest_edge") is not None:
        if edges.get("shortest_edge") is not None:
            bounds = {"shortest": edges["shortest_edge"], "at_most": edges["longest_edge"]}
            return [{"resize": {**bounds, **words}}]
        return [{"resize": {"longest": edges["longest_edge"], **words}}]
    shortest = edges.get("shortest_edge")
    if not isinstance(shortest, int):
        raise SpecError(f"{FILE_NAME}: 'size' is no size that is known here, got {size!r}.")
    if config.get("crop_pct") is not None:
        return _resize_by_share(shortest, float(config["crop_pct"]), words)
    if isinstance(size, int) and (not config.get("do_center_crop") or _is(config, *_SQUARES)):
        return [{"resize": {"to": [size, size], **words}}]  # an old form: a square
    if _is(config, "Levit"):
        shortest = int(_LEVIT_SHARE * shortest)
    return [{"resize": {"shortest": shortest, **words}}]


def _resize_by_share(side: int, share: float, words: Mapping[str, Any]) -> Steps:
    if side >= _CROPS_BELOW:
        return [{"resize": {"to": [side, side], **words}}]
    resize = {"resize": {"shortest": int(side / share), **words}}
    return [resize, {"crop": {"size": [side, side], "at": "center-floor"}}]


def _kernel(config: Mapping[str, Any]) -> dict[str, Any]:
    number = config.get("resample", 2)
    if number not in _KERNELS:
        raise SpecError(f"{FILE_NAME}: 'resample' is 0 to 4, got {number!r}.")
    kernel = _KERNELS[number]
    if kernel in ("bilinear", "bicubic") and _resizes_tensors(config):
        return {"kernel": kernel, "library": "torch", "antialias": True}
    return {"kernel": kernel, "library": "pillow"}


def _resizes_tensors(config: Mapping[str, Any]) -> bool:
    name = str(config.get("image_processor_type", ""))
    if name.endswith(("Fast", "Pil")):
        return name.endswith("Fast")
    return _installed() >= 5


def _installed() -> int:
    """Return the major version of transformers, 0 where it is not installed."""
    try:
        return int(version("transformers").partition(".")[0])
    except PackageNotFoundError:
        return 0


def _sides(value: Any, name: str) -> list[int]:
    if isinstance(value, int):
        return [value, value]
    if isinstance(value, Mapping) and {"height", "width"} <= set(value):
        return [value["height"], value["width"]]
    if isinstance(value, Mapping) and isinstance(value.get("shortest_edge"), int):
        return [value["shortest_edge"]] * 2
    raise SpecError(f"{FILE_NAME}: '{name}' is no size that is known here, got {value!r}.")
