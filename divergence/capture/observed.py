"""Values seen by observers: one session, one run, memory flat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.capture import observers
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.onnx_tensors import Stored
from divergence.capture.surgery import Tap, observed
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import ModelProto

Show = Callable[[Tap, Array], None]


class Observed:
    """A model with an observer on each tap."""

    def __init__(
        self,
        model: ModelProto,
        weights: Mapping[str, Stored],
        taps: Sequence[Tap],
        settings: Settings,
        name: str,
    ) -> None:
        self._taps = tuple(taps)
        self._recorder = observers.Recorder()
        self._narrow = [_narrow(tap.element) for tap in taps]
        traced = observed(model, self._taps, self._recorder.key)
        self._session = Session(traced, settings, weights, name=name, observed=True)
        self._outputs = [value.name for value in model.graph.output]
        self._lock = Lock()

    def run(self, feeds: Mapping[str, Array], show: Show) -> list[Array]:
        """Run once, show each tap's value as it is made, and return the model's outputs.

        What `show` raises stops the run and is raised again here.
        """

        def pass_on(number: int, value: Array) -> None:
            narrow = self._narrow[number]
            show(self._taps[number], value if narrow is None else _narrowed(value, narrow))

        with self._lock, self._recorder.listening(pass_on) as options:
            return self._session.run(feeds, self._outputs, options)


def _narrow(element: int) -> np.dtype[Any] | None:
    from onnx import helper

    if observers.cast_before(element) is None:
        return None
    return helper.tensor_dtype_to_np_dtype(element)


def _narrowed(value: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):  # what it holds there is infinite as well
        narrow = value.astype(dtype)
    narrow.flags.writeable = False
    return narrow
