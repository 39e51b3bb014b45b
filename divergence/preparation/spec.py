"""A SPEC: how an image becomes a model's input, as a tuple of steps, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from divergence.errors import SpecError, nearest
from divergence.preparation.steps import STEPS, Decode, Step

_BY_WORD: dict[str, type[Step]] = {step.word: step for step in STEPS}


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
    return _parse_document(_read(source, "The preparation") if isinstance(source, str) else source)


def read_document(path: Path) -> Any:
    """Return what a YAML or JSON file holds.

    Raises:
        SpecError: there is no such file, or it is neither.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"There is no preparation file '{path}'.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"The preparation file '{path}' cannot be read: {error}.") from error
    return _read(text, f"'{path}'")


def to_document(spec: Spec) -> list[dict[str, Any]]:
    """Return the SPEC in the words it is written in; `parse_spec` gives it back."""
    return [{step.word: step.document()} for step in spec.steps]


def to_json(spec: Spec) -> str:
    """Return the SPEC as JSON on one line, as it is stored in ONNX metadata."""
    return json.dumps(to_document(spec))


def is_path(text: str) -> bool:
    """Say whether a text is a file's path rather than a document."""
    return "\n" not in text.strip() and not text.lstrip().startswith(("[", "{", "- "))


def _parse_file(path: Path) -> Spec:
    document = read_document(path)
    try:
        return _parse_document(document)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def _read(text: str, name: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SpecError(f"{name} is neither YAML nor JSON: {reason}") from None


def _parse_document(document: Any) -> Spec:
    if isinstance(document, Mapping):
        document = [{word: value} for word, value in document.items()]
    if not isinstance(document, Sequence) or isinstance(document, str) or not document:
        raise SpecError(
            "A preparation is a list of steps such as `- resize: {longest: 640}`, "
            f"got {type(document).__name__} {document!r}."
        )
    steps = tuple(_parse_step(item, place) for place, item in enumerate(document))
    if not isinstance(steps[0], Decode):
        steps = (Decode(), *steps)
    if any(isinstance(step, Decode) for step in steps[1:]):
        raise SpecError("Step 'decode' must be the first step, and there is one of it.")
    return Spec(steps)


def _parse_step(item: Any, place: int) -> Step:
    if isinstance(item, str) and item == "decode":
        item = {"decode": {}}
    if not isinstance(item, Mapping) or len(item) != 1:
        raise SpecError(f"Step {place + 1} is one word and its value, got {item!r}.")
    ((word, value),) = item.items()
    if word not in _BY_WORD:
        raise SpecError(
            f"There is no step '{word}'.{nearest(str(word), _BY_WORD)} "
            f"The steps are {', '.join(_BY_WORD)}."
        )
    return _BY_WORD[word].parse(value)
