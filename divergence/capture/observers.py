"""Observer nodes: a custom operator whose callback is Python sees each value as it is made.

One operator for each element type that has an array of its own; a value of another type goes
through a lossless Cast first. An operator returns one byte, never the value: a large array
returned from the callback costs about 20 s for each GB.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from divergence.errors import CaptureError
from divergence.records import Array

if TYPE_CHECKING:
    from onnxruntime import RunOptions

DOMAIN = "ai.onnx.contrib"
# ONNX element type -> the name in `PyCustomOpDef.dt_*`. float16 and bfloat16 are in that list
# too, but the library ends the process when it meets one.
_DIRECT = {
    1: "float",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    11: "double",
    12: "uint32",
    13: "uint64",
}
# ONNX element type -> a wider one that holds each of its values: float16, bfloat16, the four
# float8 types; uint4, int4.
_THROUGH = {10: 1, 16: 1, 17: 1, 18: 1, 19: 1, 20: 1, 21: 2, 22: 3}
_NOTHING = np.zeros(1, np.uint8)
_LOCK = Lock()
_KEYS = count(1)


class Recorder:
    """Passes the values of one session on, and holds what a probe raised."""

    def __init__(self) -> None:
        self.key = next(_KEYS)
        self.show: Callable[[int, Array], None] | None = None
        self.error: BaseException | None = None
        self.options: RunOptions | None = None
        _RECORDERS[self.key] = self

    @contextmanager
    def listening(self, show: Callable[[int, Array], None]) -> Iterator[RunOptions]:
        """Pass values on to `show` during one run; raise what it raised instead of all else."""
        from onnxruntime import RunOptions

        self.show, self.error, self.options = show, None, RunOptions()
        try:
            yield self.options
        except CaptureError:
            if self.error is None:
                raise
        finally:
            self.show = self.options = None
        if self.error is not None:
            raise self.error

    def see(self, tap: int, value: Array) -> None:
        """Show one value; after an error the run is asked to stop and the rest is ignored."""
        if self.show is None or self.error is not None:
            return
        try:
            value.flags.writeable = False
            self.show(tap, value)
        except BaseException as error:  # noqa: BLE001 - it must not cross the runtime
            self.error = error
            if self.options is not None:
                self.options.terminate = True


_RECORDERS: WeakValueDictionary[int, Recorder] = WeakValueDictionary()


def available() -> bool:
    """Tell whether observers can be had: onnxruntime-extensions is installed."""
    return find_spec("onnxruntime_extensions") is not None


def has_observer(element: int) -> bool:
    """Tell whether values of an ONNX element type can be observed."""
    return element in _DIRECT or element in _THROUGH


def cast_before(element: int) -> int | None:
    """Return the element type that a value is cast to before it is observed, or None."""
    return _THROUGH.get(element)


def operator(element: int) -> str:
    """Return the operator that observes an element type."""
    with _LOCK:
        return _registered()[_DIRECT[_THROUGH.get(element, element)]]


@cache
def _registered() -> Mapping[str, str]:
    """Register the operators of all types, and return their names.

    All at once: the library keeps them side by side in memory that moves when another comes, and
    sessions that were made before would call what was there.
    """
    with _lightly():
        from onnxruntime_extensions import PyCustomOpDef, onnx_op
    number = PyCustomOpDef.dt_int64
    names = {kind: f"DivergenceObserve_{kind}" for kind in _DIRECT.values()}
    for kind, name in names.items():
        onnx_op(
            op_type=name,
            inputs=[getattr(PyCustomOpDef, f"dt_{kind}")],
            outputs=[PyCustomOpDef.dt_uint8],
            attrs={"recorder": number, "tap": number},
        )(_observe)
    return names


@contextmanager
def _lightly() -> Iterator[None]:
    """Import onnxruntime-extensions without its tokenizers, and without what it does besides.

    It imports transformers where that is installed (0.8 s and 100 MB), and makes programs that
    are started later use the slow protobuf.
    """
    variable, heavy = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "transformers"
    before, absent = os.environ.get(variable), heavy not in sys.modules
    if absent:
        sys.modules[heavy] = None  # type: ignore[assignment] # an import of it fails now
    try:
        yield
    finally:
        if absent:
            del sys.modules[heavy]
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before


def _observe(value: Any, recorder: int, tap: int) -> Array:
    known: Mapping[int, Recorder] = _RECORDERS
    current = known.get(recorder)
    if current is not None:
        current.see(tap, value)
    return _NOTHING
