"""sigmoid, softmax, argmax: from logits to probabilities or labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from divergence.errors import InputError, SpecError
from divergence.postprocess import functions
from divergence.postprocess.state import Outputs
from divergence.postprocess.steps.contract import axis_of, check_axis, fields_of
from divergence.preparation.steps.contract import Fields
from divergence.records import Array

CAUSE = "postprocess.activation"


@dataclass(frozen=True, slots=True)
class _Activation:
    """A function of all numbers, or of columns [first, behind the last] along an axis."""

    word: ClassVar[str]
    cause: ClassVar[str] = CAUSE
    axis: int = -1
    columns: tuple[int, int | None] | None = None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{axis, columns}`."""
        fields = fields_of(cls.word, value, ("axis", "columns"))
        return cls(axis_of(fields), _columns(fields))

    def document(self) -> Any:
        """Return `{axis, columns}`."""
        return {"axis": self.axis} | ({"columns": list(self.columns)} if self.columns else {})

    def apply(self, outputs: Outputs) -> Outputs:
        """Apply it; the result has the output's own type where that is floating."""
        value = outputs.single(self.word)
        return outputs.changed(_within(value, self.word, self.axis, self.columns, self._changed))

    def _changed(self, part: Array) -> Array:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), of all numbers or of some columns."""

    word: ClassVar[str] = "sigmoid"

    def _changed(self, part: Array) -> Array:
        return functions.sigmoid(part)


@dataclass(frozen=True, slots=True)
class Softmax(_Activation):
    """exp(x) / sum(exp(x)) along an axis, of all its columns or of some."""

    word: ClassVar[str] = "softmax"

    def _changed(self, part: Array) -> Array:
        return functions.softmax(part, self.axis)


@dataclass(frozen=True, slots=True)
class Argmax:
    """The index of the greatest number along an axis; of equal ones the first."""

    word: ClassVar[str] = "argmax"
    cause: ClassVar[str] = CAUSE
    axis: int = -1

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read `{axis}`."""
        return cls(axis_of(fields_of(cls.word, value, ("axis",))))

    def document(self) -> Any:
        """Return `{axis}`."""
        return {"axis": self.axis}

    def apply(self, outputs: Outputs) -> Outputs:
        """Apply it."""
        value = outputs.single(self.word)
        check_axis(self.word, self.axis, value)
        return outputs.changed(np.asarray(value.argmax(self.axis)))


def _columns(fields: Fields) -> tuple[int, int | None] | None:
    given = fields.raw("columns")
    if given is None:
        return None
    ends = list(given) if isinstance(given, Sequence) else []
    right = len(ends) == 2 and isinstance(ends[0], int) and isinstance(ends[1], int | None)
    if not right:
        raise SpecError(
            f"'{fields.step}.columns' is [first, behind the last] such as [4, 84], or [4, null] up "
            f"to the end, got {given!r}."
        )
    return ends[0], ends[1]


def _within(
    value: Array,
    step: str,
    axis: int,
    columns: tuple[int, int | None] | None,
    change: Callable[[Array], Array],
) -> Array:
    check_axis(step, axis, value)
    dtype = value.dtype if value.dtype.kind == "f" else np.dtype(np.float32)
    if columns is None:
        return change(value).astype(dtype)
    window = [slice(None)] * value.ndim
    window[axis] = slice(*columns)
    if not value[tuple(window)].size:
        raise InputError(
            f"Step '{step}' has no columns {list(columns)}; the output is {value.shape}."
        )
    result = value.astype(dtype)
    result[tuple(window)] = change(value[tuple(window)])
    return result
