"""The listener of a run: shows a probe the values of the sites that it asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from divergence.capture.exact import has_exact
from divergence.capture.survey import indexed
from divergence.capture.tensors import is_plain, tensors, to_array

if TYPE_CHECKING:
    from torch import Tensor

    from divergence.capture.exact import Shadows
    from divergence.capture.hooks import Frame
    from divergence.capture.ops import Ran
    from divergence.capture.runner import Probe


class Show:
    """Names each value as it appears and shows it at that moment, if it is wanted.

    wanted: sites, None for all. shadows: where the exact values are, if the probe is to see
    them; fed: after the probe saw a value, the exact run goes on from that value.
    raised: what the probe raised.
    """

    def __init__(
        self,
        probe: Probe | None,
        wanted: frozenset[str] | None,
        shadows: Shadows | None = None,
        *,
        fed: bool = False,
    ) -> None:
        self.raised: BaseException | None = None
        self._probe = probe
        self._wanted = wanted
        self._first = None if wanted is None else {name.split("[")[0] for name in wanted}
        self._shadows = shadows
        self._fed = fed

    def value(self, name: str, tensor: Tensor) -> None:
        """Show one value, if it is wanted."""
        if self._probe is None or (self._wanted is not None and name not in self._wanted):
            return
        if not is_plain(tensor):
            return
        shadows = self._shadows if self._shadows and has_exact(tensor) else None
        exact = to_array(shadows.of(tensor)) if shadows else None
        try:
            self._probe(name, to_array(tensor), exact)
        except BaseException as error:
            self.raised = error
            raise
        if shadows and self._fed:
            shadows.reset(tensor)

    def enter(self, frame: Frame, arguments: Any) -> None:
        """Nothing to show yet."""

    def before_write(self, written: list[Tensor]) -> None:
        """What was shown is no longer needed."""

    def leave(self, frame: Frame, output: Any) -> None:
        """Show the outputs of a module call."""
        if self._first is None or frame.label in self._first:
            self._all(frame.label, tensors(output))

    def op(self, ran: Ran) -> None:
        """Show what an operator made."""
        if self._first is None or ran.name in self._first:
            self._all(ran.name, tensors(ran.result) or ran.written)

    def _all(self, name: str, outputs: list[Tensor]) -> None:
        for index, tensor in enumerate(outputs):
            self.value(indexed(name, index), tensor)
