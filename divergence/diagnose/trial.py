"""Run a segment of the candidate by itself, as it is or with a change, from given values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.edits import Edit
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto


@dataclass(frozen=True)
class Trial:
    """A cut-out of the candidate: `nodes` fed with `feeds`, giving `output`.

    constants: initializers that the nodes read. model: where opsets and IR version come from.
    """

    model: ModelProto
    nodes: tuple[NodeProto, ...]
    constants: tuple[TensorProto, ...]
    feeds: Mapping[str, Array]
    output: str

    def run(self, edits: Sequence[Edit] = ()) -> Array | None:
        """Return the segment's result with `edits` applied, None where that does not run."""
        import onnxruntime as ort

        graph = self._graph()
        try:
            for edit in edits:
                edit.apply(graph)
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.log_severity_level = 4
            session = ort.InferenceSession(
                self._model(graph).SerializeToString(), options, ["CPUExecutionProvider"]
            )
            (result,) = session.run([self.output], dict(self.feeds))
        except (KeyError, ValueError, RuntimeError, *_runtime_errors()):
            return None
        return np.asarray(result)

    def _graph(self) -> GraphProto:
        from onnx import TypeProto, helper

        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in self.feeds.items()
        ]
        output = helper.make_value_info(self.output, TypeProto())
        return helper.make_graph(
            list(self.nodes), "segment", inputs, [output], list(self.constants)
        )

    def _model(self, graph: GraphProto) -> ModelProto:
        from onnx import helper

        model = helper.make_model(graph, opset_imports=list(self.model.opset_import))
        model.ir_version = self.model.ir_version
        model.functions.extend(self.model.functions)
        return model


def _runtime_errors() -> tuple[type[Exception], ...]:
    """Exceptions that ONNX Runtime raises for a graph that it does not run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )
