"""The preparation that `divergence stamp` wrote into an ONNX file.

It stands in `metadata_props` under the key `divergence.preprocess`, as the JSON form of a SPEC.
"""

from __future__ import annotations

from collections.abc import Mapping

from divergence.errors import SpecError
from divergence.preparation.spec import Spec, parse_spec

KEY = "divergence.preprocess"
METADATA_ORIGIN = f"ONNX metadata '{KEY}'"


def read_metadata(metadata: Mapping[str, str]) -> Spec | None:
    """Return the stamped SPEC, or None where there is none.

    Raises:
        SpecError: the entry is no valid SPEC.
    """
    text = metadata.get(KEY)
    if text is None:
        return None
    try:
        return parse_spec(f"\n{text}")  # the line break says: a text, not a path
    except SpecError as error:
        raise SpecError(f"The ONNX metadata '{KEY}' are no preparation: {error}") from error
