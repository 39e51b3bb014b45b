"""layout: the order of axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from divergence.errors import SpecError
from divergence.preparation.picture import Picture


@dataclass(frozen=True, slots=True)
class Layout:
    """The axes from here on: C, H and W in any order, with N for a batch of one, or without."""

    word: ClassVar[str] = "layout"
    axes: str

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read the axes' letters."""
        if not isinstance(value, str) or sorted(value) not in (list("CHNW"), list("CHW")):
            raise SpecError(f"'layout' is an order of N, C, H, W such as NCHW, got {value!r}.")
        return cls(value)

    def document(self) -> Any:
        """Return the axes' letters."""
        return self.axes

    def apply(self, picture: Picture) -> Picture:
        """Transpose."""
        return picture.arranged(self.axes)
