"""Outputs as networks give them: logits, heads, detections, maps and pictures, from seeds."""

from __future__ import annotations

import numpy as np

from divergence.postprocess.suppression import nms

SIZE = 640


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, dtype=np.float64)))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def logits(rng, shape=(1, 1000)):
    return rng.normal(0, 2.5, shape)


def probabilities(rng, shape=(1, 1000)):
    return softmax(logits(rng, shape) * 1.5)


def centres(rng, count, size=SIZE):
    w, h = rng.uniform(10, size / 2, (2, count))
    return np.stack([rng.uniform(w / 2, size - w / 2), rng.uniform(h / 2, size - h / 2), w, h], 1)


def corners(boxes):
    x, y, w, h = boxes.T
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)


def head(rng, anchors=2100, classes=80, activated=True):
    """A detection head as ultralytics exports it: (1, 4 + classes, anchors), cx cy w h."""
    scores = rng.normal(-7, 1.2, (anchors, classes))
    objects = rng.choice(anchors, 60, replace=False)
    scores[objects, rng.integers(0, classes, 60)] = rng.normal(1.0, 1.5, 60)
    scores = sigmoid(scores) if activated else scores
    return np.concatenate([centres(rng, anchors), scores], 1).T[None]


def crowd(rng, objects=25, copies=6, classes=5, size=SIZE):
    """Raw detections: each object has overlapping boxes, some of them of another class."""
    true, label = centres(rng, objects, size), rng.integers(0, classes, objects)
    boxes = np.repeat(true, copies, 0)
    boxes[:, :2] += rng.normal(0, 0.12, (len(boxes), 2)) * boxes[:, 2:]
    boxes[:, 2:] *= np.exp(rng.normal(0, 0.12, (len(boxes), 2)))
    labels = np.repeat(label, copies)
    labels = np.where(rng.random(len(labels)) < 0.25, (labels + 1) % classes, labels)
    scores = sigmoid(rng.normal(0, 1.8, len(boxes)))
    return corners(boxes), scores, labels


def detections(raw, score=0.1, iou=0.5, agnostic=False, most=1000, clip=True, size=SIZE):
    """Rows x1 y1 x2 y2 score label after suppression."""
    boxes, scores, labels = raw
    kept = scores >= score
    boxes, scores, labels = boxes[kept], scores[kept], labels[kept]
    if clip:
        boxes = boxes.clip(0, size)
    rows = nms(boxes, scores, None if agnostic else labels, iou)[:most]
    return np.column_stack([boxes[rows], scores[rows], labels[rows]])


def segmentation(rng, classes=19, side=48):
    """Smooth logits (1, classes, side, side)."""
    coarse = rng.normal(0, 4, (1, classes, side // 8, side // 8))
    return np.kron(coarse, np.ones((8, 8))) + rng.normal(0, 0.3, (1, classes, side, side))


def picture(rng, side=48):
    """A picture (1, 3, side, side) in [-0.05, 1.05], as an upscaler gives it."""
    coarse = rng.uniform(-0.05, 1.05, (1, 3, side // 8, side // 8))
    return np.kron(coarse, np.ones((8, 8))) + rng.normal(0, 0.01, (1, 3, side, side))


def embedding(rng):
    return rng.normal(0, 1, (4, 384))


def noisy(rng, value, level):
    """The same in another precision: float32, with relative noise; whole numbers stay."""
    value = np.asarray(value)
    if value.dtype.kind in "iub":
        return value
    made = value * (1 + level * rng.standard_normal(value.shape))
    return np.where(value == np.round(value), value, made).astype(np.float32)
