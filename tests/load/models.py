"""ONNX models for the tests of this folder, made without an exporter."""

from onnx import TensorProto, helper

from divergence.load.onnx_model import OnnxInput, OnnxModel

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def head(*inputs, traced=False, metadata=None):
    """Return what `load_onnx` would of a file with these inputs: names, or `OnnxInput`s."""
    items = tuple(OnnxInput(i, "float32") if isinstance(i, str) else i for i in inputs)
    return OnnxModel("m.onnx", "m.onnx", items, ("y",), metadata or {}, traced)


def recorded(name, parameter, shape=None, dtype="float32"):
    """Return an input as the dynamo exporter writes it."""
    return OnnxInput(name, dtype, shape, parameter)


def model(nodes=None, inputs=None, initializers=(), opset=17, **fields):
    """Return a `ModelProto`; by default y = Relu(x) on float32 of 1 x 4."""
    graph = helper.make_graph(
        nodes or [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        inputs or [helper.make_tensor_value_info("x", FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        list(initializers),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **fields)
    made.ir_version = 9
    return made
