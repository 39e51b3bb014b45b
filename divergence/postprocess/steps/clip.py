"""clip: numbers within bounds, boxes within the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.postprocess.state import Outputs
from divergence.postprocess.steps.contract import fields_of
from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Clip:
    """Boxes cut at the border of the picture, or numbers between `low` and `high`.

    to: "image", "input", or [height, width] in pixels, for boxes. low, high: for other outputs.
    """

    word: ClassVar[str] = "clip"
    cause: ClassVar[str] = "postprocess.nms"
    to: str | tuple[int, int] | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{to}` or `{low, high}`; image or input alone is `to`."""
        given = {"to": value} if isinstance(value, str) else value
        fields = fields_of(cls.word, given, ("to", "low", "high"))
        low, high = (fields.number(k, 0) if fields.has(k) else None for k in ("low", "high"))
        if fields.has("to") == (low is not None or high is not None):
            raise SpecError("Step 'clip' needs `to` for boxes, or `low` and `high` for numbers.")
        if not fields.has("to"):
            return cls(low=low, high=high)
        raw = fields.raw("to")
        if isinstance(raw, Sequence) and not isinstance(raw, str):
            return cls(to=fields.size("to"))
        return cls(to=fields.choice("to", ("image", "input"), "image"))

    def document(self) -> Any:
        """Return `{to}` or `{low, high}`."""
        if self.to is not None:
            return {"to": self.to if isinstance(self.to, str) else list(self.to)}
        bounds = {"low": self.low, "high": self.high}
        return {key: value for key, value in bounds.items() if value is not None}

    def apply(self, outputs: Outputs) -> Outputs:
        """Cut.

        Raises:
            InputError: the picture's size is not known.
        """
        if self.to is None:
            value = outputs.single(self.word)
            return outputs.changed(np.clip(value, self.low, self.high))
        boxes, scores, labels = outputs.detections(self.word)
        height, width = self._size(outputs)
        return outputs.with_detections(_cut(boxes, height, width), scores, labels)

    def _size(self, outputs: Outputs) -> tuple[int, int]:
        if isinstance(self.to, tuple):
            return self.to
        placed = outputs.placement
        size = outputs.picture if self.to == "image" else placed.size if placed else None
        if size is None:
            raise InputError(
                f"Step 'clip' cuts at the {self.to}, whose size is not known here; give "
                "`to: [height, width]`."
            )
        return size


def _cut(boxes: Array, height: int, width: int) -> Array:
    return np.clip(boxes, 0, np.array([width, height, width, height], dtype=boxes.dtype))
