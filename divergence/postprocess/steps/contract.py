"""What every step behind a model is."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

from divergence.errors import InputError, SpecError
from divergence.postprocess.state import Outputs
from divergence.preparation.steps.contract import Fields
from divergence.records import Array


class Step(Protocol):
    """One step: read from its words, written back to them, applied to outputs.

    word: its name. cause: what a difference in this step is called.
    """

    word: ClassVar[str]
    cause: ClassVar[str]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what stands behind the step's word; `SpecError` says what is wrong."""

    def document(self) -> Any:
        """Return the same words again, defaults included."""

    def apply(self, outputs: Outputs) -> Outputs:
        """Return the outputs after this step."""


def fields_of(step: str, value: object, keys: tuple[str, ...]) -> Fields:
    """Return the keys of a step; nothing behind its word is no key."""
    return Fields(step, {} if value is None else value, keys)


def whole(name: str, value: object, least: int) -> int:
    """Return a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpecError(f"'{name}' is a whole number of {least} or more, got {value!r}.")
    return value


def share(fields: Fields, key: str, default: float) -> float:
    """Return a number from 0 to 1."""
    number = fields.number(key, default)
    if not 0 <= number <= 1:
        raise SpecError(f"'{fields.step}.{key}' is a share from 0 to 1, got {number:g}.")
    return number


def axis_of(fields: Fields, default: int = -1) -> int:
    """Return the number of an axis."""
    axis = fields.raw("axis", default)
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise SpecError(f"'{fields.step}.axis' is the number of an axis, got {axis!r}.")
    return axis


def check_axis(step: str, axis: int, value: Array) -> None:
    """Refuse an axis that an output does not have; `InputError` says so."""
    if not -value.ndim <= axis < value.ndim:
        raise InputError(f"Step '{step}' goes along axis {axis}; the output is {value.shape}.")
