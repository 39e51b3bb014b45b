"""Sessions of ONNX Runtime: options in one place, shared weights, errors in one sentence."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.capture.onnx_file import operands
from divergence.capture.onnx_tensors import Stored
from divergence.capture.refusals import message, refused
from divergence.errors import CaptureError, DivergenceError, LoadError
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import OrtValue, RunOptions, SessionOptions

_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
    "deployed": "ORT_ENABLE_ALL",  # what InferenceSession(file) does
}
_FATAL_ONLY = 4  # the runtime raises what it would print besides


@dataclass(frozen=True, slots=True)
class Settings:
    """How sessions are made.

    threads: of one operator, None for ONNX Runtime's choice. folder: where data files lie.
    disabled: names of optimisers that are left out. arena: memory is kept for the next run.
    """

    provider: str = "CPUExecutionProvider"
    optimization: str = "none"
    threads: int | None = None
    folder: Path | None = None
    disabled: tuple[str, ...] = ()
    arena: bool = True


class Session:
    """One session and what it needs to stay alive."""

    def __init__(
        self,
        source: Path | ModelProto,
        settings: Settings,
        weights: Mapping[str, Stored] | None = None,
        *,
        name: str = "the ONNX model",
        save: Path | None = None,
        observed: bool = False,
    ) -> None:
        """Make a session.

        weights: for the references in `source`; shared, not copied.
        save: where ONNX Runtime leaves the graph that it made, its weights beside it in `.bin`.
        observed: observers are in the graph.

        Raises:
            LoadError: the runtime refuses the model.
        """
        from onnxruntime import InferenceSession

        options = _options(settings)
        if settings.folder is not None and not isinstance(source, Path):
            _look_in(options, settings.folder)
        if save is not None:
            _save_to(options, save)
        if observed:
            _observe(options)
        self._weights = _shared(_used(source, weights or {}))
        if self._weights:
            options.add_external_initializers(list(self._weights), list(self._weights.values()))
        try:
            self._session = InferenceSession(
                str(source) if isinstance(source, Path) else source.SerializeToString(),
                options,
                providers=[settings.provider],
                disabled_optimizers=list(settings.disabled) or None,
            )
        except DivergenceError:
            raise
        except Exception as error:
            raise LoadError(refused(name, error)) from error
        self.inputs = {entry.name: entry for entry in self._session.get_inputs()}
        self.outputs = {entry.name: entry.type for entry in self._session.get_outputs()}
        self.providers: list[str] = self._session.get_providers()

    def run(
        self,
        feeds: Mapping[str, Array],
        outputs: Sequence[str] | None = None,
        options: RunOptions | None = None,
    ) -> list[Array]:
        """Run and return the outputs, all of them by default.

        Raises:
            CaptureError: the runtime fails.
        """
        values = {name: _feed(value) for name, value in feeds.items()}
        names = list(self.outputs) if outputs is None else list(outputs)
        try:
            return self._fetch(names, values, options)
        except DivergenceError:
            raise
        except Exception as error:
            raise CaptureError(
                f"ONNX Runtime fails while it runs the model: {message(error)}; check the "
                f"inputs' shapes and values."
            ) from error

    def _fetch(
        self, names: list[str], feeds: Mapping[str, Any], options: RunOptions | None
    ) -> list[Array]:
        if all(_has_numpy(self.outputs[name]) for name in names):
            return list(self._session.run(names, feeds, options))
        from onnxruntime import OrtValue

        held = {
            name: value if isinstance(value, OrtValue) else OrtValue.ortvalue_from_numpy(value)
            for name, value in feeds.items()
        }
        return [_array(v) for v in self._session.run_with_ort_values(names, held, options)]


def _options(settings: Settings) -> SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    level = getattr(onnxruntime.GraphOptimizationLevel, _LEVELS[settings.optimization])
    options.graph_optimization_level = level
    options.enable_cpu_mem_arena = settings.arena
    if settings.threads is not None:
        options.intra_op_num_threads = settings.threads
    return options


def _look_in(options: SessionOptions, folder: Path) -> None:
    """Tell where the data files of a model in memory are; of a path the runtime knows it."""
    key = "session.model_external_initializers_file_folder_path"
    options.add_session_config_entry(key, str(folder.resolve()))


def _observe(options: SessionOptions) -> None:
    from onnxruntime import ExecutionOrder
    from onnxruntime_extensions import get_library_path

    options.register_custom_ops_library(get_library_path())
    # Values come in the order of the graph; by default the last layer may come first.
    options.execution_order = ExecutionOrder.PRIORITY_BASED
    # A callback leaves the runtime's threads waiting; spinning, they would take its cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")


def _save_to(options: SessionOptions, path: Path) -> None:
    options.optimized_model_filepath = str(path)
    key = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{key}_file_name", f"{path.stem}.bin")
    options.add_session_config_entry(f"{key}_min_size_in_bytes", "1024")


def _used(source: Path | ModelProto, weights: Mapping[str, Stored]) -> dict[str, Stored]:
    """Return the weights that a graph refers to and reads: others the runtime refuses."""
    from onnx import TensorProto

    if isinstance(source, Path):
        return {}
    read = {name for node in source.graph.node for name in operands(node)}
    read.update(value.name for value in source.graph.output)
    return {
        tensor.name: weights[tensor.name]
        for tensor in source.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
        and tensor.name in read
        and tensor.name in weights
    }


def _shared(weights: Mapping[str, Stored]) -> dict[str, OrtValue]:
    """Return runtime values that share the memory of the arrays."""
    return {name: _value(stored.read()) for name, stored in weights.items()}


def _feed(array: Any) -> Any:
    array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
    return array if array.dtype.isbuiltin == 1 or array.dtype.kind in "US" else _value(array)


def _value(array: Array) -> OrtValue:
    from onnx import helper
    from onnxruntime import OrtValue

    array = np.require(array, requirements=("C", "A"))  # it would not share what it has to copy
    if array.dtype.isbuiltin == 1:
        return OrtValue.ortvalue_from_numpy(array)
    element = helper.np_dtype_to_tensor_dtype(array.dtype)
    bits = array.view(f"uint{8 * array.dtype.itemsize}")
    return OrtValue.ortvalue_from_numpy_with_onnx_type(bits, element)


_NO_NUMPY = re.compile(r"tensor\((bfloat16|float8\w*)\)")


def _has_numpy(kind: str) -> bool:
    return _NO_NUMPY.fullmatch(kind) is None


def _array(value: OrtValue) -> Array:
    from onnx import helper

    if _has_numpy(value.data_type()):
        array: Array = value.numpy()
        return array
    dtype = helper.tensor_dtype_to_np_dtype(value.element_type())
    # numpy() knows none of these types: the bytes are copied out.
    data = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(data, dtype).reshape(value.shape())
