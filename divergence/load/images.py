"""Images: which preparation each side's picture goes through, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divergence.errors import InputError
from divergence.load.links import same_shape
from divergence.load.onnx_model import OnnxInput
from divergence.options import Options
from divergence.preparation.apply import Preparation, prepare
from divergence.preparation.source import resolve
from divergence.preparation.sources import Size, from_metadata, from_model
from divergence.preparation.spec import Spec, to_document
from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Chosen:
    """A preparation and who said so."""

    preparation: Preparation = field(repr=False)
    origin: str

    def describe(self) -> object:
        """Return the SPEC, or the callable's name."""
        if isinstance(self.preparation, Spec):
            return to_document(self.preparation)
        return getattr(self.preparation, "__qualname__", type(self.preparation).__name__)


@dataclass(frozen=True, slots=True)
class Preparations:
    """What is known of preparation on each side, to be asked once an image needs it.

    model: the reference as a live module, or None. reference, candidate: metadata of the ONNX
    files (of the reference only where it is one).
    """

    options: Options = field(repr=False)
    model: Any = field(repr=False)
    reference: Mapping[str, str]
    candidate: Mapping[str, str]

    def of_reference(self, item: OnnxInput | None) -> Chosen:
        """Return the user's, else the model's, else an ONNX file's preparation.

        item: the ONNX input that the image goes to; its fixed size wins over the model's own.

        Raises:
            InputError: nobody says how. SpecError: a preparation is wrong.
        """
        if self.options.preprocess is not None:
            return Chosen(resolve(self.options.preprocess), "--preprocess")
        found = from_model(self.model, _size(item)) if self.model is not None else None
        found = found or from_metadata(self.reference) or from_metadata(self.candidate)
        if found is None:
            raise InputError(
                "An image is given, and neither the model nor the ONNX metadata say how it "
                "becomes a tensor; give --preprocess SPEC (a YAML or JSON list of steps, or "
                "package.module:callable), write it into the file with `divergence stamp`, or "
                "give the prepared tensor as .npy."
            )
        return Chosen(found.spec, found.origin)

    def of_candidate(self, item: OnnxInput | None) -> Chosen:
        """Return the candidate's own, else the user's for both, the file's, the reference's.

        Raises:
            InputError: nobody says how. SpecError: a preparation is wrong.
        """
        if self.options.candidate_preprocess is not None:
            return Chosen(resolve(self.options.candidate_preprocess), "--candidate-preprocess")
        if self.options.preprocess is None:
            found = from_metadata(self.candidate)
            if found is not None:
                return Chosen(found.spec, found.origin)
        return self.of_reference(item)


def prepared(image: Any, chosen: Chosen, item: OnnxInput | None) -> Array:
    """Return the tensor; a first axis is added where the ONNX input has one more.

    Raises:
        InputError: the image cannot be read or prepared.
    """
    array = prepare(image, chosen.preparation)
    if item is not None and item.shape is not None and same_shape((1, *array.shape), item.shape):
        array = array[np.newaxis]  # callables such as torchvision's transforms make no batch
    return array


def _size(item: OnnxInput | None) -> Size | None:
    """Return the fixed height and width of an image-like input."""
    if item is None or item.shape is None or len(item.shape) != 4:
        return None
    axes = item.shape[1:3] if item.shape[3] in (1, 3, 4) else item.shape[2:4]
    height, width = axes
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
