"""Values on their way to both sides: drawn, prepared, and made to fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from divergence.errors import InputError
from divergence.load.feeding import to_argument, to_feed
from divergence.load.images import Chosen, Preparations, prepared
from divergence.load.inputs import Picture
from divergence.load.onnx_model import OnnxInput
from divergence.load.randoms import Random
from divergence.load.signature import Parameter

_PICTURE = 4  # axes of a batch of pictures


@dataclass(frozen=True, slots=True)
class Value:
    """A value as one side takes it.

    name: the argument (`feats.0`) or the ONNX input. image, chosen: what it was prepared from
    and how. note: what a reader may not expect, such as a cast.
    """

    name: str
    value: Any = field(repr=False)
    source: str
    image: Any = field(default=None, repr=False)
    chosen: Chosen | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class BoundInput:
    """One input of the trace; None on a side that has no such input.

    own: the candidate is fed another value than the reference, because the user or the file
    said so. shared: the reference's value as the candidate would take it instead; None where
    it cannot stand in for the candidate's own.
    """

    reference: Value | None
    candidate: Value | None
    own: bool = False
    shared: Value | None = None

    @property
    def name(self) -> str:
        """The reference's word for it, else the candidate's."""
        side = self.reference or self.candidate
        assert side is not None
        return side.name


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes values for both sides."""

    preparations: Preparations
    seed: int

    def argument(
        self,
        name: str,
        raw: Any,
        source: str,
        parameter: Parameter | None,
        item: OnnxInput | None,
        onnx: OnnxInput | None,
    ) -> Value:
        """Return what the reference takes.

        item: the candidate's input that goes with it. onnx: the reference's own input, where
        the reference is an ONNX file.
        """
        made = self._made(name, raw, source, onnx or item, reference=True)
        if onnx is None:
            return replace(made, value=to_argument(made.value, parameter, item))
        value, note = to_feed(made.value, onnx, source)
        return replace(made, value=value, note=note)

    def feed(self, item: OnnxInput, raw: Any, source: str, drawn_as: str) -> Value:
        """Return what the candidate takes. drawn_as: the name that a random value goes by."""
        made = self._made(drawn_as, raw, source, item, reference=False)
        value, note = to_feed(made.value, item, source)
        return replace(made, name=item.name, value=value, note=note)

    def both(self, item: OnnxInput, raw: Any, reference: Value) -> BoundInput:
        """Return an input whose value goes to both sides.

        An image may be prepared otherwise for the candidate.
        """
        if not isinstance(raw, Picture):
            return BoundInput(reference, _fed(item, reference))
        return self.apart(item, raw, reference.source, reference)

    def apart(self, item: OnnxInput, raw: Any, source: str, reference: Value | None) -> BoundInput:
        """Return an input of which the candidate has a value of its own."""
        candidate = self.feed(item, raw, source, reference.name if reference else item.name)
        shared = _shared(item, reference, candidate) if reference else None
        same = shared is not None and np.array_equal(candidate.value, shared.value, equal_nan=True)
        own = reference is not None and not same
        return BoundInput(reference, candidate, own=own, shared=shared if own else None)

    def _made(
        self, name: str, raw: Any, source: str, item: OnnxInput | None, *, reference: bool
    ) -> Value:
        if isinstance(raw, Random):
            dtype, limit = (item.dtype, item.limit) if item else (None, None)
            return Value(name, raw.draw(name, self.seed, dtype, limit), source)
        if isinstance(raw, Picture):
            ask = self.preparations.of_reference if reference else self.preparations.of_candidate
            chosen = ask(item)
            array = prepared(raw.image, chosen, item)
            return Value(name, array, source, raw.image, chosen)
        return Value(name, raw, source)


def _fed(item: OnnxInput, reference: Value) -> Value:
    value, note = to_feed(reference.value, item, reference.source)
    return replace(reference, name=item.name, value=value, note=note)


def _shared(item: OnnxInput, reference: Value, candidate: Value) -> Value | None:
    """Return the reference's value for the candidate, where it can mean the same there.

    It can where it has the shape of the candidate's own value, is a picture of another size, or
    has more rows along one axis. A candidate's value that is longer may hold what the reference
    adds by itself (padding, context); other axes that differ may be in another order.
    """
    try:
        shared = _fed(item, reference)
    except InputError:
        return None
    here, there = shared.value.shape, candidate.value.shape
    if len(here) != len(there):
        return None
    differ = sum(2 if a < b else a > b for a, b in zip(here, there, strict=True))
    resized = len(here) == _PICTURE and here[:2] == there[:2]
    return shared if differ <= 1 or resized else None
