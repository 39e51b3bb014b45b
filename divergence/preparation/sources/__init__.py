"""Where a preparation is already written down, one place a file.

`from_model` asks a live model, `from_onnx` an ONNX file; what a document holds
(`preprocessor_config.json`) or an object describes (torchvision transforms) has its own module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from divergence.preparation.sources import (
    huggingface,
    onnx_metadata,
    timm,
    torchvision,
    ultralytics,
)
from divergence.preparation.spec import Spec

Size = tuple[int, int]

# Asked in this order; the first that knows the model answers.
_OF_MODELS = (timm, ultralytics, torchvision, huggingface)
_OF_METADATA = (onnx_metadata, ultralytics)


@dataclass(frozen=True, slots=True)
class Declared:
    """A preparation that was found, and where: a sentence's end such as "timm pretrained_cfg"."""

    spec: Spec
    origin: str


def from_model(model: Any, size: Size | None = None) -> Declared | None:
    """Return the preparation that a live model declares, or None where it declares none.

    size: height and width that the ONNX file takes, where it is fixed; they win over the
    model's own.

    Raises:
        SpecError: it declares one that a SPEC cannot say.
    """
    for source in _OF_MODELS:
        spec = source.read_model(model, size)
        if spec is not None:
            return Declared(spec, source.ORIGIN)
    return None


def from_metadata(metadata: Mapping[str, str]) -> Declared | None:
    """Return the preparation that an ONNX file's metadata declare, or None.

    metadata: `metadata_props` as a mapping.

    Raises:
        SpecError: the entry is no valid SPEC.
    """
    for source in _OF_METADATA:
        spec = source.read_metadata(metadata)
        if spec is not None:
            return Declared(spec, source.METADATA_ORIGIN)
    return None
