"""mix: each new channel a weighted sum of the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, numbers, plain

Row = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """`matrix @ channels + offset`, as a conversion to grey or to another colour space does.

    matrix: one row of weights for each new channel. Bytes are rounded to bytes again.
    """

    word: ClassVar[str] = "mix"
    matrix: tuple[Row, ...]
    offset: Row

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{matrix, offset}`."""
        fields = Fields(cls.word, value, ("matrix", "offset"))
        rows = fields.raw("matrix")
        if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
            raise SpecError(f"'mix.matrix' is a list of rows of weights, got {rows!r}.")
        matrix = tuple(numbers("mix.matrix", row) for row in rows)
        if len({len(row) for row in matrix}) != 1:
            raise SpecError(f"'mix.matrix' has rows of one length, got {rows!r}.")
        offset = fields.numbers("offset") if fields.has("offset") else (0.0,)
        return cls(matrix, offset)

    def document(self) -> Any:
        """Return `{matrix, offset}`."""
        return {"matrix": [list(row) for row in self.matrix], "offset": plain(self.offset)}

    def apply(self, picture: Picture) -> Picture:
        """Mix the channels.

        Raises:
            InputError: the picture has another number of channels than a row has weights.
        """
        planes = picture.arranged("CHW").values
        if len(planes) != len(self.matrix[0]):
            raise InputError(
                f"Step 'mix' weighs {len(self.matrix[0])} channels; the picture has {len(planes)}."
            )
        mixed = np.tensordot(np.asarray(self.matrix), planes.astype(np.float64), axes=1)
        mixed += np.resize(np.asarray(self.offset), len(mixed))[:, None, None]
        if picture.values.dtype == np.uint8:
            made = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        else:
            made = mixed.astype(np.float32)
        return replace(picture, values=made, axes="CHW").arranged(picture.axes)
