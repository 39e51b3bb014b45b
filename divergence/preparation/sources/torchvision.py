"""torchvision: a `Compose` of transforms, or the preset that a weights enum's `transforms()` is.

Before the picture becomes a tensor, resizing is Pillow's; afterwards it is PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from divergence.errors import SpecError
from divergence.preparation.spec import Spec, parse_spec

ORIGIN = "torchvision transforms"
_BYTES_TO_UNIT = {"scale": {"factor": 1 / 255}}
Steps = list[dict[str, Any]]


def read_model(model: Any, size: tuple[int, int] | None = None) -> Spec | None:
    """Return the preparation that a model carries as `transforms` or `preprocess`, or None.

    torchvision's own models carry none; wrappers often keep the transforms there. A fixed
    input size does not change what they say.
    """
    del size
    for name in ("transforms", "preprocess"):
        held = getattr(model, name, None)
        if type(held).__module__.startswith("torchvision."):
            return read_transforms(held)
    return None


def read_transforms(transforms: Any) -> Spec:
    """Return the preparation that torchvision transforms (v1, v2 or a preset) describe.

    Raises:
        SpecError: one of them cannot be said in a SPEC.
    """
    preset = _PRESETS.get(type(transforms).__name__)
    if preset is not None:
        steps = preset(transforms)
    else:
        steps = []
        for transform in _flat(transforms):
            steps += _step(transform, steps)
    decode = next((s for s in steps if "decode" in s), {"decode": {"mode": "RGB", "exif": False}})
    rest = [step for step in steps if "decode" not in step]
    return parse_spec([decode, *rest, {"layout": "NCHW"}, {"dtype": "float32"}])


def _flat(transforms: Any) -> Iterable[Any]:
    children = getattr(transforms, "transforms", None)
    if children is None and type(transforms).__name__ == "Sequential":
        children = list(transforms)
    if children is None:
        return [transforms]
    return [step for child in children for step in _flat(child)]


def _step(transform: Any, before: Steps) -> Steps:
    name = type(transform).__name__
    if name not in _READERS:
        raise SpecError(
            f"The torchvision transform {name} cannot be said in a SPEC; give the preparation as "
            "a callable, package.module:callable."
        )
    return _READERS[name](transform, before)


def _preset(preset: Any) -> Steps:
    resized = _resized(preset.resize_size, preset.interpolation, preset.antialias, [])
    return [
        resized,
        *_center_crop(preset, [resized]),
        _BYTES_TO_UNIT,
        {"normalize": {"mean": list(preset.mean), "std": list(preset.std)}},
    ]


def _segmentation(preset: Any) -> Steps:
    sizes = [_resized(preset.resize_size, preset.interpolation, preset.antialias, [])]
    normal = {"normalize": {"mean": list(preset.mean), "std": list(preset.std)}}
    return [*(sizes if preset.resize_size else []), _BYTES_TO_UNIT, normal]


def _resize(transform: Any, before: Steps) -> Steps:
    if getattr(transform, "max_size", None) is not None:
        raise SpecError("Resize with max_size cannot be said in a SPEC; give a callable.")
    antialias = getattr(transform, "antialias", True)
    step = _resized(transform.size, transform.interpolation, antialias, before)
    # The first version resizes tensors of bytes as floats, and rounds.
    tensor = any("layout" in one for one in before) and not any("scale" in one for one in before)
    if tensor and type(transform).__module__ == "torchvision.transforms.transforms":
        return [{"dtype": "float32"}, step, {"dtype": "uint8"}]
    return [step]


def _resized(size: Any, interpolation: Any, antialias: Any, before: Steps) -> dict[str, Any]:
    sides = [size] if isinstance(size, int) else list(size)
    target = {"shortest": sides[0]} if len(sides) == 1 else {"to": sides}
    kernel = str(getattr(interpolation, "value", interpolation))
    if kernel == "nearest-exact":  # by the centres of pixels, as Pillow takes the nearest
        return {"resize": {**target, "kernel": "nearest", "library": "pillow"}}
    words: dict[str, Any] = {**target, "kernel": kernel, "library": "pillow"}
    # `layout` marks where the picture became a tensor.
    if any("layout" in step for step in before):
        smooth = kernel in ("bilinear", "bicubic")
        words |= {"library": "torch", "antialias": bool(antialias) and smooth}
    return {"resize": words}


def _normalize(transform: Any, before: Steps) -> Steps:
    del before
    mean, std = ([float(item) for item in values] for values in (transform.mean, transform.std))
    return [{"normalize": {"mean": mean, "std": std}}]


def _to_dtype(transform: Any, before: Steps) -> Steps:
    """Scale bytes to [0, 1] where asked for; a tensor that is float already stays."""
    asked = getattr(transform, "dtype", "")
    if isinstance(asked, Mapping):  # by kind of value; a picture is an image or else a tensor
        asked = next((kind for kind in asked.values() if kind is not None), "")
    target = str(asked).removeprefix("torch.")
    floats = any("scale" in step or "normalize" in step for step in before)
    scales = getattr(transform, "scale", True) and target.startswith("float") and not floats
    return [_BYTES_TO_UNIT] if scales else [{"dtype": target}]


def _grey(transform: Any, before: Steps) -> Steps:
    if transform.num_output_channels != 1 or before:
        raise SpecError(
            "Grayscale is said in a SPEC only where it comes first and makes 1 channel."
        )
    return [{"decode": {"mode": "L", "exif": False}}]


def _center_crop(transform: Any, before: Steps) -> Steps:
    """Crop; what reaches beyond the picture is 0, said where that may be."""
    size = _pair(getattr(transform, "crop_size", None) or transform.size)
    none: dict[str, Any] = {}
    resized = next((step["resize"] for step in reversed(before) if "resize" in step), none)
    least = resized.get("to") or _pair(resized.get("shortest", 0))
    fits = all(have >= need for have, need in zip(least, size, strict=True))
    return [{"crop": {"size": size} if fits else {"size": size, "outside": 0}}]


def _pair(size: Any) -> list[int]:
    sides = [size] if isinstance(size, int) else [int(side) for side in size]
    return [sides[0], sides[-1]]


_TENSOR = {"layout": "CHW"}
_READERS: dict[str, Callable[[Any, Steps], Steps]] = {
    "Resize": _resize,
    "CenterCrop": _center_crop,
    "ToTensor": lambda *_: [_TENSOR, _BYTES_TO_UNIT],
    "MaybeToTensor": lambda *_: [_TENSOR, _BYTES_TO_UNIT],
    "PILToTensor": lambda *_: [_TENSOR],
    "MaybePILToTensor": lambda *_: [_TENSOR],
    "ToImage": lambda *_: [_TENSOR],
    "ToPureTensor": lambda *_: [],
    "Identity": lambda *_: [],
    "RGB": lambda *_: [],
    "ConvertImageDtype": _to_dtype,
    "ToDtype": _to_dtype,
    "Normalize": _normalize,
    "Grayscale": _grey,
}
_PRESETS: dict[str, Callable[[Any], Steps]] = {
    "ImageClassification": _preset,
    "ObjectDetection": lambda _: [_BYTES_TO_UNIT],
    "SemanticSegmentation": _segmentation,
}
