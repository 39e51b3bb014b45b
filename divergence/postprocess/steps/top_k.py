"""top_k: the greatest numbers and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.postprocess.state import Outputs
from divergence.postprocess.steps.contract import axis_of, check_axis, fields_of, whole


@dataclass(frozen=True, slots=True)
class TopK:
    """The `k` greatest along an axis, as outputs `values` and `indices`, the greatest first.

    Of equal ones the lower index comes first.
    """

    word: ClassVar[str] = "top_k"
    cause: ClassVar[str] = "postprocess.order"
    k: int = 5
    axis: int = -1

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{k, axis}`; a number alone is k."""
        given = {"k": value} if isinstance(value, int) else value
        fields = fields_of(cls.word, given, ("k", "axis"))
        return cls(whole("top_k.k", fields.raw("k", 5), 1), axis_of(fields))

    def document(self) -> Any:
        """Return `{k, axis}`."""
        return {"k": self.k, "axis": self.axis}

    def apply(self, outputs: Outputs) -> Outputs:
        """Sort and cut."""
        value = outputs.single(self.word)
        check_axis(self.word, self.axis, value)
        order = np.argsort(-value.astype(np.float64), axis=self.axis, kind="stable")
        first = order.take(range(min(self.k, order.shape[self.axis])), axis=self.axis)
        best = np.take_along_axis(value, first, axis=self.axis)
        return replace(outputs, values={"values": best, "indices": first})
