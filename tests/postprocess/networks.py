"""A small network and ONNX files of it that end in something else."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

CLASSES = 12


class Net(nn.Module):
    """Two layers: (1, 16) to (1, 12)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(16, 32)
        self.act = nn.ReLU()
        self.second = nn.Linear(32, CLASSES)

    def forward(self, x):
        return self.second(self.act(self.first(x)))


def network() -> Net:
    return Net().eval()


def exported(path, *tail, net=None, outputs=("y",)):
    """Write the network as ONNX; tail: (op, inputs, output, attributes) behind the logits `l`."""
    state = (net or network()).state_dict()
    weights = [numpy_helper.from_array(v.numpy(), k) for k, v in state.items()]
    gemm = {"transB": 1}
    nodes = [
        helper.make_node("Gemm", ["x", "first.weight", "first.bias"], ["h"], name="/first", **gemm),
        helper.make_node("Relu", ["h"], ["a"], name="/act"),
        helper.make_node(
            "Gemm",
            ["a", "second.weight", "second.bias"],
            ["l" if tail else outputs[0]],
            name="/second",
            **gemm,
        ),
    ]
    for place, (op, inputs, output, attributes) in enumerate(tail):
        nodes.append(helper.make_node(op, inputs, [output], name=f"/tail{place}", **attributes))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def sample():
    return np.random.default_rng(0).normal(size=(1, 16)).astype(np.float32)
