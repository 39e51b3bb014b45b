"""Perturbed preparations: what is changed, which causes must be named, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.preparation.pipelines import CLIP, HALF, IMAGENET, UNIT, Pipeline

RANGE, MEAN, ORDER = "preprocess.range", "preprocess.mean_std", "preprocess.channel_order"
LAYOUT, GEOMETRY, KERNEL = "preprocess.layout", "preprocess.geometry", "preprocess.resize_kernel"
TURN, VALUES = "preprocess.orientation", "preprocess.values"


@dataclass(frozen=True)
class Change:
    """One change of a pipeline, the cause it must be called, the parameters to be recovered."""

    name: str
    cause: str
    changes: Mapping[str, object]
    expected: Mapping[str, object] = field(default_factory=dict)


CLASSIFIER = Pipeline()
VIT = Pipeline(share=0.9, kernel="bicubic", normal=HALF)
DETECTOR = Pipeline("letterbox", 320, library="opencv", normal=UNIT)
STRETCHED = Pipeline("stretch", 256, library="torch", antialias=True, normal=CLIP)
BASES = {"classifier": CLASSIFIER, "vit": VIT, "detector": DETECTOR, "stretched": STRETCHED}


def normal(name: str, pair: tuple) -> Change:
    return Change(name, MEAN, {"normal": pair}, {"mean": pair[0], "std": pair[1]})


def kernel(name: str, library: str, kind: str, **more: object) -> Change:
    wanted = {"kernel": kind, "library": library}
    wanted |= {"antialias": more["antialias"]} if "antialias" in more else {}
    return Change(name, KERNEL, {"library": library, "kernel": kind, **more}, wanted)


def share(value: float) -> Change:
    return Change(f"share {value}", GEOMETRY, {"share": value}, {"share": value})


def border(name: str, **changes: object) -> Change:
    words = {"pad": "value", "at": "at"}
    wanted = {words[key]: value for key, value in changes.items() if key in words}
    return Change(name, GEOMETRY, changes, {"pad": wanted})


VALUE_CHANGES = (
    Change("range 255", RANGE, {"divide": 1.0}, {"gain": 255.0}),
    Change("divided twice", RANGE, {"divide": 255.0**2}, {"gain": 1 / 255}),
    Change("times 255 at the end", RANGE, {"gain": 255.0}, {"gain": 255.0}),
    Change("BGR", ORDER, {"bgr": "before"}, {"channels": "BGR"}),
    Change("BGR at the end", ORDER, {"bgr": "after"}, {"channels": "BGR"}),
    Change("NHWC", LAYOUT, {"layout": "NHWC"}, {"layout": "NHWC"}),
    Change("H and W swapped", LAYOUT, {"layout": "NCWH"}, {"layout": "NCWH"}),
    Change("reshaped", LAYOUT, {"layout": "reshaped"}, {"layout": "NHWC"}),
    Change("mirrored", TURN, {"flip": "flip_left_right"}, {"turn": "flip_left_right"}),
    Change("upside down", TURN, {"flip": "rotate_180"}, {"turn": "rotate_180"}),
    Change("turned", TURN, {"flip": "rotate_90"}, {"turn": "rotate_90"}),
    Change("gamma 2.2", VALUES, {"gamma": 2.2}, {"gamma": {"power": 2.2}}),
    Change(
        "gamma 0.9 first",
        VALUES,
        {"gamma": 0.9, "gamma_place": "before"},
        {"gamma": {"power": 0.9}},
    ),
    Change("JPEG 75 first", VALUES, {"jpeg": 75}, {"jpeg": {"quality": 75}}),
    Change("JPEG 40 first", VALUES, {"jpeg": 40}, {"jpeg": {"quality": 40}}),
)
SINGLE: Mapping[str, tuple[Change, ...]] = {
    "classifier": (
        *VALUE_CHANGES,
        normal("half", HALF),
        normal("CLIP", CLIP),
        normal("none", UNIT),
        normal("mean 0.5 only", (HALF[0], IMAGENET[1])),
        normal("own numbers", ((0.43, 0.41, 0.37), (0.28, 0.26, 0.27))),
        kernel("pillow bicubic", "pillow", "bicubic"),
        kernel("pillow lanczos", "pillow", "lanczos"),
        kernel("pillow nearest", "pillow", "nearest"),
        kernel("pillow box", "pillow", "box"),
        kernel("opencv bilinear", "opencv", "bilinear"),
        kernel("opencv bicubic", "opencv", "bicubic"),
        kernel("opencv area", "opencv", "area"),
        kernel("opencv lanczos", "opencv", "lanczos"),
        kernel("opencv nearest", "opencv", "nearest"),
        kernel("torch bilinear", "torch", "bilinear", antialias=False),
        kernel("torch bicubic", "torch", "bicubic", antialias=False),
        kernel("torch bilinear antialiased", "torch", "bilinear", antialias=True),
        kernel("torch bicubic antialiased", "torch", "bicubic", antialias=True),
        kernel("torch bicubic aligned", "torch", "bicubic", antialias=False, align_corners=True),
        share(0.9),
        share(0.95),
        share(1.0),
        share(0.8),
        Change("stretched", GEOMETRY, {"shape": "stretch"}, {"resize": {"to": [224, 224]}}),
        Change("squashed", GEOMETRY, {"shape": "squash"}, {"share": 0.875}),
        Change("cropped first", GEOMETRY, {"shape": "crop_first"}, {"share": 0.875}),
        Change(
            "letterboxed",
            GEOMETRY,
            {"shape": "letterbox"},
            {"resize": {"longest": 224}, "pad": {"value": 114, "at": "center"}},
        ),
        Change(
            "JPEG 60 last", VALUES, {"jpeg": 60, "jpeg_place": "after"}, {"jpeg": {"quality": 60}}
        ),
    ),
    "vit": (
        share(0.875),
        share(1.0),
        normal("ImageNet", IMAGENET),
        kernel("pillow bilinear", "pillow", "bilinear"),
        kernel("opencv bicubic", "opencv", "bicubic"),
    ),
    "detector": (
        *VALUE_CHANGES,
        normal("ImageNet", IMAGENET),
        border("border 0", pad=0),
        border("border 128", pad=128),
        border("border of three", pad=(104, 117, 124)),
        border("border edge", pad="edge"),
        border("top left", at="top-left"),
        border("top left, 0", at="top-left", pad=0),
        border("bottom right", at="bottom-right"),
        Change("stretched", GEOMETRY, {"shape": "stretch"}, {"resize": {"to": [320, 320]}}),
        Change("padded first", GEOMETRY, {"shape": "pad_first"}, {"pad": {"value": 114}}),
        kernel("opencv area", "opencv", "area"),
        kernel("opencv bicubic", "opencv", "bicubic"),
        kernel("pillow bilinear", "pillow", "bilinear"),
        kernel("torch bilinear", "torch", "bilinear", antialias=False),
    ),
    "stretched": (
        *VALUE_CHANGES,
        normal("ImageNet", IMAGENET),
        kernel("torch bilinear", "torch", "bilinear", antialias=False),
        kernel("pillow bilinear", "pillow", "bilinear"),
        kernel("opencv bilinear", "opencv", "bilinear"),
        Change("rounded to bytes", VALUES, {"rounded": "nearest"}, {"dtype": "uint8"}),
        Change("cut off to bytes", VALUES, {"rounded": "down"}, {"dtype": "uint8"}),
        Change("corner", GEOMETRY, {"shape": "corner"}, {"crop": {"at": "top-left"}}),
        Change(
            "letterboxed",
            GEOMETRY,
            {"shape": "letterbox", "pad": 0},
            {"resize": {"longest": 256}, "pad": {"value": 0, "at": "center"}},
        ),
    ),
}
# Pairs of single changes, by name, that are made at once.
DOUBLE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "classifier": (
        ("half", "share 0.9"),
        ("BGR", "half"),
        ("BGR at the end", "CLIP"),
        ("range 255", "half"),
        ("range 255", "BGR"),
        ("range 255", "none"),
        ("opencv bilinear", "BGR"),
        ("opencv area", "half"),
        ("pillow bicubic", "share 0.9"),
        ("torch bilinear", "stretched"),
        ("letterboxed", "opencv bilinear"),
        ("stretched", "BGR"),
        ("NHWC", "range 255"),
        ("mirrored", "CLIP"),
        ("gamma 2.2", "BGR"),
        ("gamma 2.2", "opencv bilinear"),
        ("JPEG 75 first", "half"),
        ("JPEG 60 last", "pillow bicubic"),
        ("turned", "NHWC"),
        ("share 0.95", "NHWC"),
    ),
    "detector": (
        ("stretched", "BGR"),
        ("stretched", "range 255"),
        ("border 0", "opencv area"),
        ("top left", "ImageNet"),
        ("padded first", "BGR"),
        ("border edge", "pillow bilinear"),
        ("top left, 0", "NHWC"),
        ("border 128", "gamma 2.2"),
        ("mirrored", "border 0"),
    ),
    "stretched": (
        ("letterboxed", "ImageNet"),
        ("rounded to bytes", "BGR"),
        ("opencv bilinear", "ImageNet"),
        ("pillow bilinear", "range 255"),
    ),
}


def named(base: str, name: str) -> Change:
    return next(change for change in SINGLE[base] if change.name == name)


def every() -> list[tuple[str, tuple[Change, ...]]]:
    """Return (base, changes) of every case; two per base are unchanged."""
    cases: list[tuple[str, tuple[Change, ...]]] = []
    for base in BASES:
        cases.append((base, ()))
        cases += [(base, (change,)) for change in SINGLE[base]]
        cases += [(base, tuple(named(base, n) for n in pair)) for pair in DOUBLE.get(base, ())]
    return cases
