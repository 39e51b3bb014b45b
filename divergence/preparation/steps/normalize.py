"""normalize: (value - mean) / std, for each channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import Fields, plain


@dataclass(frozen=True, slots=True)
class Normalize:
    """`(value - mean) / std` in float32, each step rounded, as torchvision computes it.

    mean, std: one number or one for each channel, in the units and the colour order that the
    picture has at this step.
    """

    word: ClassVar[str] = "normalize"
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{mean, std}`."""
        fields = Fields(cls.word, value, ("mean", "std"))
        mean, std = fields.numbers("mean"), fields.numbers("std")
        if 0.0 in std:
            raise SpecError("'normalize.std' has a zero, which nothing can be divided by.")
        return cls(mean=mean, std=std)

    def document(self) -> Any:
        """Return `{mean, std}`."""
        return {"mean": plain(self.mean), "std": plain(self.std)}

    def apply(self, picture: Picture) -> Picture:
        """Subtract and divide.

        Raises:
            InputError: as many numbers as neither one nor the channels.
        """
        mean = picture.per_channel(self.mean, self.word).astype(np.float32)
        std = picture.per_channel(self.std, self.word).astype(np.float32)
        return replace(picture, values=(picture.values.astype(np.float32) - mean) / std)
