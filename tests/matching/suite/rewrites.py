"""What happens to files between an exporter and a user. Each takes a path and gives one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from torch import Tensor, nn

from tests.matching.suite.keras_style import keras_style

Rewrite = Callable[[Path, Path, tuple[Tensor, Tensor]], None]


def export(model: nn.Module, inputs: Tensor, path: Path, dynamo: bool) -> None:
    import torch

    options = {"dynamo": True, "verbose": False} if dynamo else {"dynamo": False}
    torch.onnx.export(copy.deepcopy(model), (inputs,), str(path), external_data=False, **options)


def simplified(source: Path, target: Path, _: object) -> None:
    import onnxsim

    model, _checked = onnxsim.simplify(onnx.load(source))
    onnx.save(model, target)


def slimmed(source: Path, target: Path, _: object) -> None:
    import onnxslim

    onnx.save(onnxslim.slim(onnx.load(source)), target)


def optimised(level: str) -> Rewrite:
    def rewrite(source: Path, target: Path, _: object) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 4
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level}")
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])

    return rewrite


def stripped(source: Path, target: Path, _: object) -> None:
    """Replace every name, and drop what the exporter wrote beside the graph."""
    model = onnx.load(source)
    names: dict[str, str] = {}

    def new(name: str) -> str:
        return names.setdefault(name, f"v{len(names)}") if name else ""

    def graph(given: onnx.GraphProto) -> None:
        for value in (*given.input, *given.output, *given.value_info, *given.initializer):
            value.name, value.doc_string = new(value.name), ""
        for number, node in enumerate(given.node):
            node.name, node.doc_string = f"n{number}", ""
            del node.metadata_props[:]
            node.input[:] = [new(name) for name in node.input]
            node.output[:] = [new(name) for name in node.output]
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    graph(attribute.g)
        given.name, given.doc_string = "g", ""
        del given.metadata_props[:]

    graph(model.graph)
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    del model.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    onnx.save(model, target)


def stripped_slimmed(source: Path, target: Path, inputs: tuple[Tensor, Tensor]) -> None:
    stripped(source, target, inputs)
    slimmed(target, target, inputs)


def half(source: Path, target: Path, _: object) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    onnx.save(model, target)


def quantised(source: Path, target: Path, inputs: tuple[Tensor, Tensor]) -> None:
    from onnxruntime import quantization

    name = onnx.load(source).graph.input[0].name

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.values = iter([{name: value.numpy()} for value in inputs])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.values, None)

    quantization.quantize_static(
        str(source), str(target), Reader(), quant_format=quantization.QuantFormat.QDQ
    )


def quantised_dynamically(source: Path, target: Path, _: object) -> None:
    from onnxruntime import quantization

    quantization.quantize_dynamic(str(source), str(target))


def quantised_weights(source: Path, target: Path, _: object) -> None:
    """Store every matrix and kernel as int8 with a scale for each channel, restored in the file."""
    model = onnx.load(source)
    kept = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim < 2 or values.dtype != np.float32 or values.size < 64:
            kept.append(tensor)
            continue
        axis = values.ndim - 1 if values.ndim == 2 else 0
        others = tuple(a for a in range(values.ndim) if a != axis)
        scale = np.maximum(np.abs(values).max(axis=others, keepdims=True) / 127, 1e-12)
        name = tensor.name
        parts = (
            (f"{name}_quantized", np.round(values / scale).astype(np.int8)),
            (f"{name}_scale", scale.reshape(-1).astype(np.float32)),
        )
        kept.extend(onnx.numpy_helper.from_array(array, part) for part, array in parts)
        model.graph.node.insert(
            0,
            onnx.helper.make_node("DequantizeLinear", [p for p, _ in parts], [name], axis=axis),
        )
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, target)


def quantised_blocks(source: Path, target: Path, _: object) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=True)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def as_exported(source: Path, target: Path, _: object) -> None:
    target.write_bytes(source.read_bytes())


# name: (rewrite, how far values may be off relative to their spread; 0 where the names of values
# stay and what they held before says more than what they hold now)
REWRITES: dict[str, tuple[Rewrite, float]] = {
    "exported": (as_exported, 1e-2),
    "onnxsim": (simplified, 1e-2),
    "onnxslim": (slimmed, 1e-2),
    "ort basic": (optimised("BASIC"), 1e-2),
    "ort extended": (optimised("EXTENDED"), 1e-2),
    "ort all": (optimised("ALL"), 1e-2),
    "stripped": (stripped, 1e-2),
    "stripped+slim": (stripped_slimmed, 1e-2),
    "float16": (half, 0.0),
    "int8 qdq": (quantised, 0.0),
    "int8 dynamic": (quantised_dynamically, 0.0),
    "int8 weights": (quantised_weights, 0.0),
    "int4 blocks": (quantised_blocks, 0.0),
    "keras style": (keras_style, 1e-2),
}
