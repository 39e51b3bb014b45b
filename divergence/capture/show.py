"""The listener of a run: shows a probe the values of the sites that it asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from divergence.capture.survey import indexed
from divergence.capture.tensors import to_array

if TYPE_CHECKING:
    from torch import Tensor

    from divergence.capture.hooks import Frame
    from divergence.capture.ops import Op
    from divergence.capture.runner import Probe


class Show:
    """Names each value as it appears and shows it at that moment, if it is wanted."""

    def __init__(self, probe: Probe | None, wanted: frozenset[str]) -> None:
        self._probe = probe
        self._wanted = wanted
        self._first = {name.split("[")[0] for name in wanted}

    def value(self, name: str, tensor: Tensor) -> None:
        """Show one value, if it is wanted."""
        if self._probe is not None and name in self._wanted:
            self._probe(name, to_array(tensor))

    def enter(self, frame: Frame, arguments: list[Tensor]) -> None:
        """Nothing to show yet."""

    def leave(self, frame: Frame, outputs: list[Tensor]) -> None:
        """Show the outputs of a module call."""
        self._all(frame.label, outputs)

    def op(
        self,
        frame: Frame,
        op: Op,
        number: int,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        outputs: list[Tensor],
    ) -> None:
        """Show what an operator made."""
        name = f"{frame.label}::{op.name}#{number}"
        if name in self._first:
            self._all(name, outputs or op.mutated(args, kwargs))

    def _all(self, name: str, outputs: list[Tensor]) -> None:
        if name in self._first:
            for index, tensor in enumerate(outputs):
                self.value(indexed(name, index), tensor)
