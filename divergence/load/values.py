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
    said so. shared: what it takes when it is fed the reference's value; None where that does
    not fit, or nothing is its own.
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
        shared = _shared(item, reference)
        if not isinstance(raw, Picture):
            if shared is None:  # says in words why not
                shared = _fed(item, reference)
            return BoundInput(reference, shared)
        candidate = self.feed(item, raw, reference.source, reference.name)
        if shared is not None and np.array_equal(candidate.value, shared.value):
            return BoundInput(reference, candidate)
        return BoundInput(reference, candidate, own=True, shared=shared)

    def apart(self, item: OnnxInput, raw: Any, source: str, reference: Value | None) -> BoundInput:
        """Return an input of which the candidate has a value of its own."""
        name = reference.name if reference else item.name
        candidate = self.feed(item, raw, source, name)
        shared = _shared(item, reference) if reference else None
        return BoundInput(reference, candidate, own=reference is not None, shared=shared)

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


def _shared(item: OnnxInput, reference: Value) -> Value | None:
    try:
        return _fed(item, reference)
    except InputError:
        return None
