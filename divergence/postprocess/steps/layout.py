"""layout: the order of an output's axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from divergence.errors import InputError, SpecError
from divergence.postprocess.state import Outputs


@dataclass(frozen=True, slots=True)
class Layout:
    """Axes in another order, as `numpy.transpose` has it: [0, 2, 1]."""

    word: ClassVar[str] = "layout"
    cause: ClassVar[str] = "postprocess.layout"
    axes: tuple[int, ...]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read the order."""
        numbers = list(value) if isinstance(value, Sequence) else []
        if sorted(numbers, key=str) != list(range(len(numbers))) or not numbers:
            raise SpecError(f"'layout' is an order of axes such as [0, 2, 1], got {value!r}.")
        return cls(tuple(numbers))

    def document(self) -> Any:
        """Return the order."""
        return list(self.axes)

    def apply(self, outputs: Outputs) -> Outputs:
        """Transpose.

        Raises:
            InputError: the output has another number of axes.
        """
        value = outputs.single(self.word)
        if value.ndim != len(self.axes):
            raise InputError(
                f"Step 'layout' orders {len(self.axes)} axes; the output is {value.shape}."
            )
        return outputs.changed(value.transpose(self.axes))
