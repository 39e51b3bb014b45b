"""A detector that sees the same objects on every image: a head with a breath of the image."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from tests.postprocess import outputs as o

SIDE = 64


def heads():
    """(1, 7, 60): cx cy w h in pixels of 64, three classes, as probabilities."""
    rng = np.random.default_rng(4)
    boxes, scores, labels = o.crowd(rng, objects=10, copies=6, classes=3, size=SIDE)
    x1, y1, x2, y2 = boxes.T
    rows = np.full((60, 7), 0.01)
    rows[:, :4] = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
    rows[np.arange(60), 4 + labels] = scores
    return rows.T[None].astype(np.float32)


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("head", torch.from_numpy(heads()))

    def forward(self, x):
        return self.head + x.mean() * 1e-4


def detector():
    return Detector().eval()


def exported(path):
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0, name="/mean"),
        helper.make_node("Mul", ["m", "share"], ["s"], name="/mul"),
        helper.make_node("Add", ["head", "s"], ["y"], name="/add"),
    ]
    held = [
        numpy_helper.from_array(heads(), "head"),
        numpy_helper.from_array(np.float32(1e-4), "share"),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        held,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


LETTERBOX = [
    {"resize": {"longest": SIDE}},
    {"pad": {"to": [SIDE, SIDE]}},
    {"scale": {"factor": 1 / 255}},
    {"layout": "NCHW"},
]
STRETCHED = [{"resize": {"to": [SIDE, SIDE]}}, *LETTERBOX[2:]]


def processing(**nms):
    return [
        {"layout": [0, 2, 1]},
        {"boxes": "cxcywh"},
        {"nms": {"score": 0.05, "iou": 0.5, **nms}},
        {"scale_boxes": "image"},
        {"clip": "image"},
    ]
