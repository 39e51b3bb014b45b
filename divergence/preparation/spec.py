"""A SPEC: how an image becomes a model's input, as a tuple of steps, read and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from divergence.errors import SpecError
from divergence.preparation.steps import STEPS, Decode, Step
from divergence.preparation.written import is_path, parse_steps, read_document, read_text

_KINDS: dict[str, Callable[[Any], Step]] = {step.word: step.parse for step in STEPS}


@dataclass(frozen=True, slots=True)
class Spec:
    """The steps of a preparation, in order. The first is always a decode."""

    steps: tuple[Step, ...]

    @property
    def decode(self) -> Decode:
        """How the image file becomes bytes."""
        first = self.steps[0]
        assert isinstance(first, Decode)
        return first


def parse_spec(source: Spec | Path | str | Mapping[str, Any] | Sequence[Any]) -> Spec:
    """Read a SPEC from a file, YAML or JSON text, or the document itself.

    A text of one line that is no list or mapping is taken for a file's path. A mapping counts
    as a list of its items. Where no decode step is given, it is `{mode: RGB, exif: true}`.

    Raises:
        SpecError: unreadable, or an unknown step, key or value; names the nearest.

    >>> parse_spec("[{resize: {longest: 64}}, {layout: NCHW}]").steps[2]
    Layout(axes='NCHW')
    """
    if isinstance(source, Spec):
        return source
    if isinstance(source, Path) or (isinstance(source, str) and is_path(source)):
        return _parse_file(Path(source))
    document = read_text(source, "The preparation") if isinstance(source, str) else source
    return _parse_document(document)


def to_document(spec: Spec) -> list[dict[str, Any]]:
    """Return the SPEC in the words it is written in; `parse_spec` gives it back."""
    return [{step.word: step.document()} for step in spec.steps]


def to_json(spec: Spec) -> str:
    """Return the SPEC as JSON on one line, as it is stored in ONNX metadata."""
    return json.dumps(to_document(spec))


def _parse_file(path: Path) -> Spec:
    document = read_document(path)
    try:
        return _parse_document(document)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def _parse_document(document: Any) -> Spec:
    what = "A preparation is a list of steps such as `- resize: {longest: 640}`"
    steps = parse_steps(document, _KINDS, {"decode": {}}, what)
    if not isinstance(steps[0], Decode):
        steps = (Decode(), *steps)
    if any(isinstance(step, Decode) for step in steps[1:]):
        raise SpecError("Step 'decode' must be the first step, and there is one of it.")
    return Spec(steps)
