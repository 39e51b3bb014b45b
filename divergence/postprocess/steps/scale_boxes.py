"""scale_boxes: from the units of the network to pixels of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.postprocess.geometry import Placement, letterboxed
from divergence.postprocess.state import Outputs
from divergence.postprocess.steps.contract import fields_of
from divergence.preparation.steps.contract import numbers, plain
from divergence.records import Array

PLACES = ("center", "top-left", "stretched")


@dataclass(frozen=True, slots=True)
class ScaleBoxes:
    """Boxes multiplied, or mapped back to the image.

    by: one factor, one for x and y, or four. to: "image": back from the model's input to the
    image, by the preparation that was given; from_: the input's height and width where no
    preparation says it, and letterbox: how the image lies in it (center, top-left, stretched).
    """

    word: ClassVar[str] = "scale_boxes"
    cause: ClassVar[str] = "postprocess.box_scale"
    by: tuple[float, ...] | None = None
    to: str | None = None
    from_: tuple[int, int] | None = None
    letterbox: str = "center"

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{by}` or `{to: image, from, letterbox}`; image alone is `to`."""
        given = {"to": value} if isinstance(value, str) else value
        fields = fields_of(cls.word, given, ("by", "to", "from", "letterbox"))
        if fields.exactly_one("by", "to") == "by":
            factors = numbers("scale_boxes.by", fields.raw("by"))
            if len(factors) not in (1, 2, 4):
                raise SpecError(
                    f"'scale_boxes.by' is one factor, two for x and y, or four, got {len(factors)}."
                )
            return cls(by=factors)
        return cls(
            to=fields.choice("to", ("image",), "image"),
            from_=fields.size("from") if fields.has("from") else None,
            letterbox=fields.choice("letterbox", PLACES, "center"),
        )

    def document(self) -> Any:
        """Return `{by}` or `{to, from, letterbox}`."""
        if self.by is not None:
            return {"by": plain(self.by)}
        if self.from_ is None:
            return {"to": self.to}
        return {"to": self.to, "from": list(self.from_), "letterbox": self.letterbox}

    def apply(self, outputs: Outputs) -> Outputs:
        """Scale.

        Raises:
            InputError: the image's size, or where it lies in the input, is not known.
        """
        boxes, scores, labels = outputs.detections(self.word)
        return outputs.with_detections(self._scaled(boxes, outputs), scores, labels)

    def _scaled(self, boxes: Array, outputs: Outputs) -> Array:
        if self.by is not None:
            factors = np.array(self.by * (4 // len(self.by)))
            return np.asarray((boxes * factors).astype(boxes.dtype))
        return np.asarray(self._placement(outputs).undone(boxes).astype(boxes.dtype))

    def _placement(self, outputs: Outputs) -> Placement:
        if self.from_ is not None and outputs.picture is not None:
            return letterboxed(outputs.picture, self.from_, self.letterbox)
        if self.from_ is None and outputs.placement is not None:
            return outputs.placement
        missing = "there is no image" if outputs.picture is None else "no preparation SPEC says how"
        raise InputError(
            f"Step 'scale_boxes' maps boxes back to the image, and {missing}; give an image as "
            "input, and `from: [height, width]` with `letterbox`, or use `by`."
        )
