"""nms: boxes below a score go, and of boxes that overlap the best stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from divergence.postprocess.state import Outputs
from divergence.postprocess.steps.contract import fields_of, share, whole
from divergence.postprocess.suppression import nms
from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Nms:
    """Boxes with more than `score`; of those that overlap by more than `iou`, the best.

    class_agnostic: boxes of other classes count too. before, max: at most so many of the best
    boxes go in, and come out, best first; 0 is no bound.
    """

    word: ClassVar[str] = "nms"
    cause: ClassVar[str] = "postprocess.nms"
    score: float = 0.25
    iou: float = 0.45
    class_agnostic: bool = False
    max: int = 300
    before: int = 0

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{score, iou, class_agnostic, max, before}`."""
        keys = ("score", "iou", "class_agnostic", "max", "before")
        fields = fields_of(cls.word, value, keys)
        return cls(
            score=share(fields, "score", 0.25),
            iou=share(fields, "iou", 0.45),
            class_agnostic=fields.flag("class_agnostic", False),
            max=whole("nms.max", fields.raw("max", 300), 0),
            before=whole("nms.before", fields.raw("before", 0), 0),
        )

    def document(self) -> Any:
        """Return `{score, iou, class_agnostic, max, before}`."""
        return {
            "score": self.score,
            "iou": self.iou,
            "class_agnostic": self.class_agnostic,
            "max": self.max,
            "before": self.before,
        }

    def apply(self, outputs: Outputs) -> Outputs:
        """Filter, suppress and cut."""
        boxes, scores, labels = outputs.detections(self.word)
        rows = np.flatnonzero(scores > self.score)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        rows = rows[: self.before] if self.before else rows
        kept = rows[self._suppressed(boxes[rows], scores[rows], labels[rows])]
        kept = kept[: self.max] if self.max else kept
        return outputs.with_detections(boxes[kept], scores[kept], labels[kept])

    def _suppressed(self, boxes: Array, scores: Array, labels: Array) -> Array:
        exact = boxes.astype(np.float64)
        return nms(exact, scores, None if self.class_agnostic else labels, self.iou)
