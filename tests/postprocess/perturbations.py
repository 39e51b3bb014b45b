"""Perturbed outputs: what is changed, which causes must be named, with which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.postprocess import outputs as o

LINK, LAYOUT, SCALE = "postprocess.activation", "postprocess.layout", "postprocess.box_scale"
LAST_CORNER = np.array([0, 0, 1, 1, 0, 0])
HALF_A_PIXEL = np.array([0.5, 0.5, 0.5, 0.5, 0, 0])
ORDER, NMS, TIES = "postprocess.order", "postprocess.nms", "order.ties"


@dataclass(frozen=True)
class Case:
    """Builds (reference, candidate) from a random generator; causes that must be named."""

    name: str
    build: Callable[[np.random.Generator], tuple[Any, Any]]
    causes: tuple[str, ...] = ()
    expected: Mapping[str, object] = field(default_factory=dict)


def both(make, change):
    def build(rng):
        value = make(rng)
        return value, change(value, rng)

    return build


def on_columns(function, first, axis):
    def change(value, rng):
        part = np.moveaxis(value.copy(), axis, 0)
        part[first:] = function(part[first:])
        return np.moveaxis(part, 0, axis)

    return change


def boxes_to(form, gain=1.0, offset=0.0, axis=-1):
    def change(value, rng):
        part = np.moveaxis(value.copy(), axis, 0)
        view = (-1, *[1] * (value.ndim - 1))
        part[:4] = form(part[:4]) * np.reshape(gain, view) + np.reshape(offset, view)
        return np.moveaxis(part, 0, axis)

    return change


def chain(*changes):
    def change(value, rng):
        for one in changes:
            value = one(value, rng)
        return value

    return change


def permuted(axis):
    return lambda value, rng: value.take(rng.permutation(value.shape[axis]), axis)


def same(box):
    return box


def centre_of(box):
    x1, y1, x2, y2 = box
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])


def corner_of(box):
    x, y, w, h = box
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def flipped(box):
    return box[[1, 0, 3, 2]]


def flat_head(rng):
    """(1, 2100, 84)."""
    return o.head(rng).transpose(0, 2, 1)


def raw_head(rng):
    return o.head(rng, activated=False)


def final(rng):
    return o.detections(o.crowd(rng))


def survivors(before, after):
    def build(rng):
        raw = o.crowd(rng)
        return o.detections(raw, **before), o.detections(raw, **after)

    return build


def then(after, change):
    """Other survivors on the candidate's side, and a change of its rows beside."""

    def build(rng):
        raw = o.crowd(rng)
        return o.detections(raw), change(o.detections(raw, **after), rng)

    return build


def logits_for_softmax(rng):
    value = o.logits(rng)
    return o.softmax(value), value


def one_class_blurred(value, rng):
    """Other numbers in one channel, and noise in all."""
    changed = value + rng.normal(0, 0.5, value.shape)
    changed[:, :1] *= 0.3
    return changed


def top_k(rng):
    """Values and indices with ties, which the candidate breaks the other way."""
    scores = np.round(rng.random((2, 300)), 2)
    ours = np.argsort(-scores, 1, kind="stable")[:, :40]
    theirs = (299 - np.argsort(-scores[:, ::-1], 1, kind="stable"))[:, :40]
    return tuple(
        {"values": np.take_along_axis(scores, rows, 1), "indices": rows} for rows in (ours, theirs)
    )


def tied_rows(rng):
    """Detections sorted by rounded scores; rows of one score stand in another order."""
    rows = final(rng)
    rows[:, 4] = np.round(rows[:, 4], 1) * 0.99
    order = np.lexsort((np.arange(len(rows)), -rows[:, 4]))
    other = np.lexsort((-np.arange(len(rows)), -rows[:, 4]))
    return rows[order], rows[other]


def named(build):
    def made(rng):
        return tuple(
            {"boxes": rows[:, :4], "scores": rows[:, 4], "labels": rows[:, 5].astype(np.int64)}
            for rows in build(rng)
        )

    return made


def multi_label(rng):
    return o.sigmoid(rng.normal(-3, 2, (8, 20)))


def labels_of_map(rng):
    return o.segmentation(rng).argmax(1)


def yolo_with_objectness(rng):
    """(1, 400, 15): a box, how sure it holds anything, ten classes."""
    return np.concatenate([o.centres(rng, 400), rng.random((400, 11)) ** 4], 1)[None]


def pixels(rng):
    return o.picture(rng).clip(0.02, 0.98)


def labels_for_map(rng):
    value = o.segmentation(rng)
    return value.argmax(1), value


def exchanged(rng):
    first, second = rng.normal(0, 1, (2, 1, 64))
    return {"first": first, "second": second}, {"first": second, "second": first}


def logits_as(first, second):
    """Both sides from the same logits."""

    def build(rng):
        value = rng.normal(-1, 2, (4, 40))
        return first(value), second(value)

    return build


def as_arrays(table):
    """Detections as mmdetection gives them: boxes with scores, and labels."""
    return {"dets": table[None, :, :5], "labels": table[None, :, 5].astype(np.int64)}


def one(name, make, change, *causes, **expected):
    return Case(name, both(make, change), causes, expected)


score_sigmoid = on_columns(o.sigmoid, 4, 1)
boxes_of_one = boxes_to(same, 1 / 640, axis=1)
boxes_to_corners = boxes_to(corner_of, axis=1)


def transposed(value, rng):
    return value.transpose(0, 2, 1)


def channels_last(value, rng):
    return value.transpose(0, 2, 3, 1)


def softmax_over_channels(value, rng):
    return o.softmax(value, 1)


NONE = (
    *(
        Case(f"unchanged {make.__name__}", both(make, lambda value, rng: value))
        for make in (o.logits, o.probabilities, o.head, raw_head, flat_head, final)
    ),
    *(
        Case(f"unchanged {make.__name__}", both(make, lambda value, rng: value))
        for make in (o.segmentation, o.picture, o.embedding)
    ),
    Case("unchanged named", named(both(final, lambda value, rng: value))),
)
SINGLE = (
    one("softmax missing", o.logits, lambda v, r: o.softmax(v), LINK, function="softmax"),
    one("softmax in the file only", o.probabilities, lambda v, r: o.softmax(v), LINK),
    Case(
        "softmax of the reference missing in the file",
        logits_for_softmax,
        (LINK,),
        {"function": "softmax", "side": "reference"},
    ),
    one("sigmoid for logits", o.logits, lambda v, r: o.sigmoid(v), LINK, function="sigmoid"),
    one("log softmax", o.logits, lambda v, r: np.log(o.softmax(v)), LINK, function="log_softmax"),
    one("argmax", lambda r: o.logits(r, (8, 50)), lambda v, r: v.argmax(1), LINK),
    one("argmax kept", o.logits, lambda v, r: v.argmax(1, keepdims=True), LINK),
    one("small batch softmax", lambda r: o.logits(r, (2, 10)), lambda v, r: o.softmax(v), LINK),
    one("map softmax", o.segmentation, lambda v, r: o.softmax(v, 1), LINK),
    one(
        "map argmax", o.segmentation, lambda v, r: v.argmax(1), LINK, function="argmax over axis 1"
    ),
    one(
        "map sigmoid twice", lambda r: o.sigmoid(o.segmentation(r)), lambda v, r: o.sigmoid(v), LINK
    ),
    one("head without sigmoid", raw_head, on_columns(o.sigmoid, 4, 1), LINK, function="sigmoid"),
    one("head sigmoid twice", o.head, on_columns(o.sigmoid, 4, 1), LINK, function="sigmoid"),
    one("head with softmax", raw_head, on_columns(lambda v: o.softmax(v, 0), 4, 1), LINK),
    one("picture clamped", o.picture, lambda v, r: v.clip(0, 1), LINK),
    one("relu at the end", o.embedding, lambda v, r: v.clip(0), LINK, function="relu"),
    one(
        "head transposed", o.head, lambda v, r: v.transpose(0, 2, 1), LAYOUT, permutation=[0, 2, 1]
    ),
    one("map as NHWC", o.segmentation, lambda v, r: v.transpose(0, 2, 3, 1), LAYOUT),
    one("picture BGR", o.picture, lambda v, r: v[:, ::-1], LAYOUT, order=[2, 1, 0]),
    one("classes before boxes", o.head, lambda v, r: np.roll(v, -4, 1), LAYOUT),
    one("map flat", o.segmentation, lambda v, r: v.reshape(1, 19, -1), LAYOUT),
    one("transposed embedding", o.embedding, lambda v, r: v.T, LAYOUT),
    one("classes from one", final, lambda v, r: v + np.eye(6)[5], LAYOUT, label_offset=1),
    one("boxes of one", o.head, boxes_to(same, 1 / 640, axis=1), SCALE, gain=[1 / 640] * 4),
    one("boxes of one, flat", flat_head, boxes_to(same, 1 / 640, axis=2), SCALE),
    one(
        "corners for centres",
        o.head,
        boxes_to(corner_of, axis=1),
        SCALE,
        format=["cx cy w h", "x1 y1 x2 y2"],
    ),
    one("final centres", final, boxes_to(centre_of), SCALE, format=["x1 y1 x2 y2", "cx cy w h"]),
    one("final y first", final, boxes_to(flipped), SCALE, format=["x1 y1 x2 y2", "y1 x1 y2 x2"]),
    one(
        "in the picture's pixels",
        final,
        boxes_to(same, [2, 1.5, 2, 1.5]),
        SCALE,
        gain=[2, 1.5, 2, 1.5],
    ),
    one(
        "letterbox not undone",
        final,
        boxes_to(same, 0.5, [0, 80, 0, 80]),
        SCALE,
        offset=[0, 80, 0, 80],
    ),
    one("one pixel off", final, boxes_to(same, 1.0, [1, 1, 1, 1]), SCALE),
    one("centres of one", final, boxes_to(centre_of, 1 / 640), SCALE, gain=[1 / 640] * 4),
    one("picture to 255", o.picture, lambda v, r: v * 255, SCALE, gain=255.0),
    one(
        "picture to bytes", lambda r: o.picture(r).clip(0, 1), lambda v, r: np.round(v * 255), SCALE
    ),
    one("anchors in another order", o.head, permuted(2), ORDER),
    one("detections in another order", final, permuted(0), ORDER),
    one("sorted by class", final, lambda v, r: v[np.argsort(v[:, 5], kind="stable")], ORDER),
    one("embeddings in another order", o.embedding, permuted(0), ORDER),
    Case("ties of a top-k", top_k, (TIES,)),
    Case("ties of detections", tied_rows, (TIES,)),
    Case(
        "score threshold",
        survivors({"score": 0.05}, {"score": 0.4}),
        (NMS,),
        {"score_threshold": 0.4},
    ),
    Case(
        "lower score threshold",
        survivors({"score": 0.4}, {"score": 0.1}),
        (NMS,),
        {"score_threshold": 0.4},
    ),
    Case(
        "overlap 0.3", survivors({"iou": 0.7}, {"iou": 0.3}), (NMS,), {"iou_threshold": [0.7, 0.3]}
    ),
    Case(
        "overlap 0.7", survivors({"iou": 0.4}, {"iou": 0.7}), (NMS,), {"iou_threshold": [0.4, 0.7]}
    ),
    Case(
        "no suppression",
        survivors({"iou": 0.5}, {"iou": 1.0}),
        (NMS,),
        {"iou_threshold": [0.5, 1.0]},
    ),
    Case(
        "class-agnostic",
        survivors({}, {"agnostic": True}),
        (NMS,),
        {"class_agnostic": [False, True]},
    ),
    Case(
        "class by class",
        survivors({"agnostic": True}, {}),
        (NMS,),
        {"class_agnostic": [True, False]},
    ),
    Case("20 at most", survivors({}, {"most": 20}), (NMS,), {"max_detections": 20}),
    Case("not clipped", survivors({}, {"clip": False}), (NMS,), {"clip": None}),
    Case(
        "named, score threshold",
        named(survivors({}, {"score": 0.5})),
        (NMS,),
        {"score_threshold": 0.5},
    ),
    Case(
        "named, overlap", named(survivors({}, {"iou": 0.2})), (NMS,), {"iou_threshold": [0.5, 0.2]}
    ),
    Case("named, in another order", named(both(final, permuted(0))), (ORDER,)),
    Case("named, boxes of one", named(both(final, boxes_to(same, 1 / 640))), (SCALE,)),
)
OTHER_KINDS = (
    one("mask of shares", multi_label, lambda v, r: (v > 0.5) * 1.0, LINK, function="threshold"),
    one("mask of logits", o.segmentation, lambda v, r: (v > 0).astype(np.uint8), LINK),
    Case("softmax for sigmoid", logits_as(o.sigmoid, o.softmax), (LINK,), {"side": "candidate"}),
    Case("sigmoid for softmax", logits_as(o.softmax, o.sigmoid), (LINK,), {"side": "reference"}),
    Case("log softmax for softmax", logits_as(o.softmax, lambda v: np.log(o.softmax(v))), (LINK,)),
    Case(
        "argmax for the map",
        labels_for_map,
        (LINK,),
        {"side": "reference"},
    ),
    one(
        "embedding of length one",
        o.embedding,
        lambda v, r: v / np.linalg.norm(v, axis=1, keepdims=True),
        LINK,
    ),
    one(
        "classes times objectness",
        yolo_with_objectness,
        lambda v, r: np.concatenate([v[..., :5], v[..., 5:] * v[..., 4:5]], -1),
        LINK,
    ),
    one("map counted from one", labels_of_map, lambda v, r: v + 1, LAYOUT, label_offset=1),
    one(
        "each colour its own units",
        pixels,
        lambda v, r: (v - np.reshape([0.485, 0.456, 0.406], (1, 3, 1, 1))) / 0.225,
        SCALE,
        gain=[1 / 0.225] * 3,
    ),
    one("last corner counted", final, lambda v, r: v + LAST_CORNER, SCALE, offset=[1, 1]),
    one("half a pixel", final, lambda v, r: v + HALF_A_PIXEL, SCALE, offset=[0.5] * 4),
    Case(
        "outputs exchanged",
        exchanged,
        (ORDER,),
    ),
    Case(
        "arrays of mmdetection",
        lambda r: tuple(as_arrays(rows) for rows in survivors({}, {"score": 0.4})(r)),
        (NMS,),
        {"score_threshold": 0.4},
    ),
)
DOUBLE = (
    one("transposed and sigmoid", raw_head, chain(score_sigmoid, transposed), LAYOUT, LINK),
    one("transposed and scaled", o.head, chain(boxes_of_one, transposed), LAYOUT, SCALE),
    one("transposed and corners", o.head, chain(boxes_to_corners, transposed), LAYOUT, SCALE),
    one("sigmoid and scaled", raw_head, chain(score_sigmoid, boxes_of_one), LINK, SCALE),
    one("sigmoid and other order", raw_head, chain(score_sigmoid, permuted(2)), LINK, ORDER),
    one("other order and scaled", final, chain(permuted(0), boxes_to(same, 2.0)), ORDER, SCALE),
    one("other order and centres", final, chain(permuted(0), boxes_to(centre_of)), ORDER, SCALE),
    one(
        "NHWC and softmax",
        o.segmentation,
        chain(softmax_over_channels, channels_last),
        LAYOUT,
        LINK,
    ),
    one("BGR and 255", o.picture, lambda v, r: v[:, ::-1] * 255, LAYOUT, SCALE),
    one("NHWC and 255", o.picture, lambda v, r: v.transpose(0, 2, 3, 1) * 255, LAYOUT, SCALE),
    one("clamped and 255", o.picture, lambda v, r: v.clip(0, 1) * 255, LINK, SCALE),
    Case("threshold and scale", then({"score": 0.3}, boxes_to(same, 0.5)), (NMS, SCALE)),
    Case("overlap and scale", then({"iou": 0.3}, boxes_to(same, 1 / 640)), (NMS, SCALE)),
    Case(
        "overlap and centres",
        then({"iou": 0.3}, boxes_to(centre_of)),
        (NMS, SCALE),
        {"iou_threshold": [0.5, 0.3]},
    ),
    Case(
        "threshold and centres of one",
        then({"score": 0.3}, boxes_to(centre_of, 1 / 640)),
        (NMS, SCALE),
        {"score_threshold": 0.3},
    ),
    Case("overlap and order", then({"iou": 0.3}, permuted(0)), (NMS,)),
    Case(
        "threshold and classes from one",
        then({"score": 0.3}, lambda v, r: v + np.eye(6)[5]),
        (NMS, LAYOUT),
    ),
)
# Differences that no cause here explains: they are said to be unexplained, and nothing is blamed.
UNKNOWN = (
    Case("other numbers", lambda r: (o.logits(r), o.logits(r))),
    Case("other head", lambda r: (o.head(r), o.head(r))),
    Case("other boxes", lambda r: (final(r), final(r))),
    Case("noise of a tenth", both(o.embedding, lambda v, r: v + r.normal(0, 0.1, v.shape))),
    Case("noisy logits", both(o.logits, lambda v, r: v + r.normal(0, 0.4, v.shape))),
    Case("blurred picture", both(o.picture, lambda v, r: (v + np.roll(v, 1, 3)) / 2)),
    Case("wrong channel", both(o.segmentation, one_class_blurred)),
)
# Relative noise beside a perturbation: none, float32, and a file in float16.
NOISE = (0.0, 1e-6, 1e-3)
