"""Run a segment of the candidate by itself, as it is or with a change, from given values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.edits import Edit
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


@dataclass(frozen=True)
class Trial:
    """A cut-out of the candidate: `nodes` fed with `feeds`, giving `output`.

    constants: what the nodes read besides, by name. model: where opsets and IR version come from.
    """

    model: ModelProto
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, Array]
    feeds: Mapping[str, Array]
    output: str

    def run(self, edits: Sequence[Edit] = ()) -> Array | None:
        """Return the segment's result with `edits` applied, None where that does not run."""
        graph = self._graph()
        try:
            for edit in edits:
                edit.apply(graph)
        except KeyError:  # the place is not in this segment
            return None
        return self._evaluate(self._model(graph))

    def _evaluate(self, model: ModelProto) -> Array | None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4  # a change that the runtime refuses is an answer
        try:
            session = ort.InferenceSession(
                model.SerializeToString(), options, ["CPUExecutionProvider"]
            )
            taken = {entry.name for entry in session.get_inputs()}
            feeds = {name: value for name, value in self.feeds.items() if name in taken}
            (result,) = session.run([self.output], feeds)
        except Exception as error:
            if type(error).__module__.startswith("onnxruntime"):
                return None
            raise
        return np.asarray(result)

    def _graph(self) -> GraphProto:
        from onnx import TypeProto, helper, numpy_helper

        constants = [numpy_helper.from_array(a, n) for n, a in self.constants.items()]
        made = {output for node in self.nodes for output in node.output}
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in self.feeds.items()
            if name not in made  # a split that gives a paired and an unpaired value
        ]
        output = helper.make_value_info(self.output, TypeProto())
        return helper.make_graph(list(self.nodes), "segment", inputs, [output], constants)

    def _model(self, graph: GraphProto) -> ModelProto:
        from onnx import helper

        model = helper.make_model(graph, opset_imports=list(self.model.opset_import))
        model.ir_version = self.model.ir_version
        model.functions.extend(self.model.functions)
        return model
