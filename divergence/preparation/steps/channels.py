"""channels: the order of colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from divergence.errors import InputError
from divergence.preparation.picture import Picture
from divergence.preparation.steps.contract import word

ORDERS = ("RGB", "BGR", "RBG", "GRB", "GBR", "BRG")


@dataclass(frozen=True, slots=True)
class Channels:
    """The colour order from here on; a picture that already has it stays as it is."""

    word: ClassVar[str] = "channels"
    order: str

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `RGB`, `BGR` or another order of the three."""
        return cls(word("channels", value, ORDERS))

    def document(self) -> Any:
        """Return the order."""
        return self.order

    def apply(self, picture: Picture) -> Picture:
        """Put the channels into this order.

        Raises:
            InputError: the picture is not one of three colours.
        """
        if picture.colours not in ORDERS:
            raise InputError(
                f"Step 'channels' orders red, green and blue; the picture is {picture.colours}. "
                "Decode it as RGB."
            )
        if picture.colours == self.order:
            return picture
        places = [picture.colours.index(colour) for colour in self.order]
        values = picture.values.take(places, axis=picture.axes.index("C"))
        return replace(picture, values=values, colours=self.order)
