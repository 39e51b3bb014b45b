"""The values of one run, held for as long as they fit: so that a second run is not needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from divergence.capture.dataflow import storage_key
from divergence.capture.show import Show
from divergence.capture.tensors import is_plain, to_array
from divergence.records import Array

if TYPE_CHECKING:
    from torch import Tensor

    from divergence.capture.hooks import Frame
    from divergence.capture.ops import Listener, Ran


class Kept(Show):
    """Keeps each value by reference, and copies what is about to be overwritten.

    beside: another listener, told of everything first. own: tensors of the model, which get
    back what they held when the run has ended. most: bytes that may be held; of a run with more
    nothing is kept. values: by site. What a model writes behind PyTorch's back, into the memory of
    `tensor.numpy()`, is not seen.
    """

    def __init__(self, beside: Listener, own: Iterable[Tensor], most: int) -> None:
        super().__init__(None, None)
        self._beside = beside
        self.values: dict[str, Array] = {}
        self.nbytes = 0
        self._most = most
        self._own = set(map(storage_key, own))
        self._changed: set[int] = set()  # the model's own that were written to
        self._sharing: dict[int, list[str]] = {}  # sites by storage

    @property
    def complete(self) -> bool:
        """Whether all values were kept."""
        return self.nbytes <= self._most

    def enter(self, frame: Frame, arguments: Any) -> None:
        """Tell the other listener."""
        self._beside.enter(frame, arguments)

    def leave(self, frame: Frame, output: Any) -> None:
        """Keep the outputs of a module call."""
        self._beside.leave(frame, output)
        super().leave(frame, output)

    def op(self, ran: Ran) -> None:
        """Keep what an operator made."""
        self._beside.op(ran)
        super().op(ran)

    def value(self, name: str, tensor: Tensor) -> None:
        """Keep one value."""
        key = storage_key(tensor)
        if self.nbytes > self._most or key is None or not is_plain(tensor):
            return
        if key not in self._sharing:
            self._hold(tensor.untyped_storage().nbytes())
        if self.nbytes <= self._most:
            self.values[name] = to_array(tensor)
            self._sharing.setdefault(key, []).append(name)
            if key in self._changed:
                self._copy(key)

    def before_write(self, written: list[Tensor]) -> None:
        """Copy what shares memory with tensors that are about to change."""
        self._beside.before_write(written)
        for key in {key for key in map(storage_key, written) if key is not None}:
            self._copy(key)
            if key in self._own:
                self._changed.add(key)

    def _copy(self, key: int) -> None:
        """Let nothing share this memory."""
        for name in self._sharing.pop(key, ()):
            self._hold(self.values[name].nbytes)
            if self.nbytes > self._most:
                return
            self.values[name] = self.values[name].copy("K")

    def _hold(self, nbytes: int) -> None:
        self.nbytes += nbytes
        if self.nbytes > self._most:
            self.values.clear()
            self._sharing.clear()
