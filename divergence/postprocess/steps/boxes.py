"""boxes: from a head's columns, or from a model's own outputs, to detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError
from divergence.postprocess.forms import FORMS
from divergence.postprocess.state import BOXES, LABELS, SCORES, Outputs
from divergence.postprocess.steps.contract import fields_of
from divergence.records import Array

COORDINATES = 4
CLASSES = ("columns", "label")


@dataclass(frozen=True, slots=True)
class Boxes:
    """Detections out of one table (1, N, columns) or (N, columns), or out of named outputs.

    format: of the first four columns: xyxy, cxcywh, xywh or yxyx; the result has corners.
    classes: "columns", a column for each class behind the coordinates, of which the greatest is
    the score and its number the label; or "label", a column of scores, then one of labels.
    objectness: column 4 is a score that multiplies those of all classes. Outputs called `boxes`,
    `scores` and `labels` are taken as they are, but for the format; so are two outputs of any
    name, of which one has four columns and the other another number of columns for each class.
    """

    word: ClassVar[str] = "boxes"
    cause: ClassVar[str] = "postprocess.box_scale"
    format: str = "xyxy"
    classes: str = "columns"
    objectness: bool = False

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{format, classes, objectness}`; a format alone is that."""
        given = {"format": value} if isinstance(value, str) else value
        fields = fields_of(cls.word, given, ("format", "classes", "objectness"))
        return cls(
            fields.choice("format", tuple(FORMS), "xyxy"),
            fields.choice("classes", CLASSES, "columns"),
            fields.flag("objectness", False),
        )

    def document(self) -> Any:
        """Return `{format, classes, objectness}`."""
        return {"format": self.format, "classes": self.classes, "objectness": self.objectness}

    def apply(self, outputs: Outputs) -> Outputs:
        """Decode.

        Raises:
            InputError: the output is no table of one picture's boxes.
        """
        named = _two(outputs.values) or outputs.values
        if {BOXES, SCORES} <= set(named):
            boxes, scores, labels = self._named(named)
        else:
            boxes, scores, labels = self._of_columns(_table(outputs.single(self.word)))
        corners = FORMS[self.format].to_corners(boxes.T).T
        return outputs.with_detections(np.ascontiguousarray(corners), scores, labels)

    def _named(self, values: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        boxes = values[BOXES].reshape(-1, COORDINATES)
        scores = values[SCORES].reshape(len(boxes), -1)
        labels = values.get(LABELS)
        if labels is None:
            return boxes, scores.max(1), scores.argmax(1)
        if labels.size != len(boxes):
            raise InputError(f"Step 'boxes' has {len(boxes)} boxes and {labels.size} labels.")
        return boxes, scores[:, 0], labels.ravel()

    def _of_columns(self, table: Array) -> tuple[Array, Array, Array]:
        boxes, rest = table[:, :COORDINATES], table[:, COORDINATES:]
        if self.classes == "label":
            if rest.shape[1] < 2:
                raise InputError(
                    f"Step 'boxes' with classes: label needs a score and a label behind the "
                    f"coordinates; the table has {table.shape[1]} columns."
                )
            return boxes, rest[:, 0], rest[:, 1].astype(np.int64)
        if self.objectness:
            rest = rest[:, 1:] * rest[:, :1] if rest.shape[1] > 1 else rest
        return boxes, rest.max(1), rest.argmax(1)


def _two(values: Mapping[str, Array]) -> dict[str, Array] | None:
    """Return boxes and scores of two outputs that can be told apart by their columns."""
    if len(values) != 2 or any(value.ndim < 2 for value in values.values()):
        return None
    boxes, scores = sorted(values.values(), key=lambda value: value.shape[-1] != COORDINATES)
    if boxes.shape[-1] != COORDINATES or scores.shape[-1] == COORDINATES:
        return None
    return {BOXES: boxes, SCORES: scores} if boxes.shape[:-1] == scores.shape[:-1] else None


def _table(value: Array) -> Array:
    """Return rows of columns of the one picture."""
    while value.ndim > 2 and value.shape[0] == 1:
        value = value[0]
    if value.ndim != 2 or value.shape[1] <= COORDINATES:
        raise InputError(
            "Step 'boxes' takes a table (1, N, columns) of one picture with coordinates, then "
            f"scores; the output is {value.shape}. `- layout: [0, 2, 1]` before it swaps axes."
        )
    return value
