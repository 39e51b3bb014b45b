"""output: which of several outputs the next steps work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from divergence.errors import InputError, SpecError, nearest
from divergence.postprocess.state import Outputs


@dataclass(frozen=True, slots=True)
class Output:
    """One output by its name or by its number, counted from 0; the others are dropped."""

    word: ClassVar[str] = "output"
    cause: ClassVar[str] = "postprocess.layout"
    key: str | int

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read the name or the number."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise SpecError(f"'output' is an output's name or number, got {value!r}.")
        return cls(value)

    def document(self) -> Any:
        """Return the name or the number."""
        return self.key

    def apply(self, outputs: Outputs) -> Outputs:
        """Choose.

        Raises:
            InputError: there is no such output.
        """
        names = list(outputs.values)
        if isinstance(self.key, int) and -len(names) <= self.key < len(names):
            chosen = names[self.key]
        elif str(self.key) in names:
            chosen = str(self.key)
        else:
            raise InputError(
                f"Step 'output' asks for {self.key!r}.{nearest(str(self.key), names)} The model "
                f"gives {len(names)}: {', '.join(names)}."
            )
        return replace(outputs, values={chosen: outputs.values[chosen]})
