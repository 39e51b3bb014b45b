"""Run a segment of the candidate by itself, as it is or with a change, from given values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from divergence.capture.onnx_file import refer
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.onnx_tensors import INLINE_BYTES, Stored, held, is_packed
from divergence.diagnose.edits import Edit
from divergence.errors import CaptureError, LoadError
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto


@dataclass(frozen=True)
class Trial:
    """A cut-out of the candidate: `nodes` fed with `feeds`, giving `output`.

    constants: what the nodes read besides, by name. model: where opsets and IR version come from.
    Large constants are shared between the sessions of all trials, not copied.
    """

    model: ModelProto
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, Array]
    feeds: Mapping[str, Array]
    output: str

    def run(self, edits: Sequence[Edit] = (), value: str | None = None) -> Array | None:
        """Return the segment's result with `edits` applied, None where that does not run.

        value: another value of the segment that is wanted instead.
        """
        from onnx import ModelProto

        changed = ModelProto()
        changed.CopyFrom(self._segment)
        wanted = value or self.output
        changed.graph.output[0].name = wanted
        try:
            for edit in edits:
                edit.apply(changed.graph)
            session = Session(changed, Settings(), self._stored)
            feeds = {name: value for name, value in self.feeds.items() if name in session.inputs}
            (result,) = session.run(feeds, [wanted])
        except (KeyError, LoadError, CaptureError):
            return None  # the place is not in this segment, or the runtime refuses the change
        return np.asarray(result)

    @cached_property
    def _stored(self) -> Mapping[str, Stored]:
        """The large constants, which sessions are given by name."""
        return {
            name: held(name, element, value)
            for name, value in self.constants.items()
            if value.nbytes >= INLINE_BYTES and not is_packed(element := _element(value))
        }

    @cached_property
    def _segment(self) -> ModelProto:
        """The segment without a change, as a model of its own."""
        from onnx import ModelProto, helper

        model = ModelProto(ir_version=self.model.ir_version)
        model.opset_import.extend(self.model.opset_import)
        model.functions.extend(self.model.functions)
        graph = model.graph
        graph.name = "segment"
        graph.node.extend(self.nodes)
        made = {output for node in self.nodes for output in node.output}
        for name, value in self.feeds.items():
            if name not in made:  # a split may give a paired and an unpaired value
                info = helper.make_tensor_value_info(name, _element(value), value.shape)
                graph.input.append(info)
        for name, value in self.constants.items():
            self._add(graph.initializer.add(), name, value)
        graph.output.add().name = self.output
        return model

    def _add(self, tensor: TensorProto, name: str, value: Array) -> None:
        from onnx import numpy_helper

        if name in self._stored:
            refer(tensor, self._stored[name])
        else:
            tensor.CopyFrom(numpy_helper.from_array(value, name))


def _element(value: Array) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(value.dtype))
