"""What passes from step to step behind a model: arrays by name, and the picture they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from divergence.errors import InputError
from divergence.postprocess.geometry import Placement
from divergence.records import Array

BOXES, SCORES, LABELS = "boxes", "scores", "labels"
DETECTIONS = (BOXES, SCORES, LABELS)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Outputs on their way to an answer.

    values: by name, in order. Detections are `boxes` (N, 4) of corners x1 y1 x2 y2, `scores`
    (N,) and `labels` (N,), of one picture. picture: height and width of the image, None where
    none was given. placement: where the preparation put the image, None where that is not known.
    """

    values: Mapping[str, Array] = field(repr=False)
    picture: tuple[int, int] | None = None
    placement: Placement | None = None

    @property
    def are_detections(self) -> bool:
        """Whether these are boxes with scores and labels."""
        return set(DETECTIONS) <= set(self.values)

    def single(self, step: str) -> Array:
        """Return the one array that a step works on.

        Raises:
            InputError: there are several.
        """
        if len(self.values) != 1:
            raise InputError(
                f"Step '{step}' works on one output, and there are {len(self.values)}: "
                f"{', '.join(self.values)}; choose with `- output: {next(iter(self.values), 0)}`."
            )
        return next(iter(self.values.values()))

    def changed(self, value: Array) -> Outputs:
        """Return the one array replaced."""
        return replace(self, values={next(iter(self.values)): value})

    def detections(self, step: str) -> tuple[Array, Array, Array]:
        """Return boxes, scores and labels.

        Raises:
            InputError: the step before made none.
        """
        if not self.are_detections:
            raise InputError(
                f"Step '{step}' works on detections, and there are {', '.join(self.values)}; put "
                "`- boxes: {format: cxcywh}` before it."
            )
        boxes, scores, labels = (self.values[name] for name in DETECTIONS)
        return boxes, scores, labels

    def with_detections(self, boxes: Array, scores: Array, labels: Array) -> Outputs:
        """Return the detections replaced; further arrays are dropped, as their rows are others."""
        return replace(self, values=dict(zip(DETECTIONS, (boxes, scores, labels), strict=True)))

    def shown(self) -> tuple[Array, ...]:
        """Return the values as sites show them: detections as one table of rows."""
        if self.are_detections:
            return (as_table(self.values),)
        return tuple(self.values.values())


def as_table(values: Mapping[str, Array]) -> Array:
    """Return detections as rows x1 y1 x2 y2 score label, float64."""
    boxes, scores, labels = (np.asarray(values[n], dtype=np.float64) for n in DETECTIONS)
    return np.column_stack([boxes.reshape(-1, 4), scores.ravel(), labels.ravel()])


def read_values(made: Any, name: str) -> dict[str, Array]:
    """Return what a user's post-processing made: an array, several, or a mapping of them.

    Raises:
        InputError: something else, or detections of several pictures.
    """
    if isinstance(made, tuple | list) and made and all(isinstance(m, Mapping) for m in made):
        if len(made) > 1:
            raise InputError(
                f"The post-processing '{name}' returned results of {len(made)} pictures; trace one."
            )
        made = made[0]
    if isinstance(made, Mapping):
        return {str(key): _array(value, name) for key, value in made.items()}
    if isinstance(made, tuple | list):
        return {str(place): _array(value, name) for place, value in enumerate(made)}
    return {"0": _array(made, name)}


def _array(value: Any, name: str) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"The post-processing '{name}' returned {type(value).__name__}; it is to return "
            "arrays of numbers, alone, in a tuple or in a dict."
        )
    return array
