"""What a user writes behind `--postprocess`: a list of steps in a file or text, or a callable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from divergence.errors import LoadError, SpecError
from divergence.imports import import_callable, is_callable_text
from divergence.postprocess.steps import STEPS, Step
from divergence.preparation.written import is_path, parse_steps, read_document, read_text

_KINDS: dict[str, Callable[[Any], Step]] = {step.word: step.parse for step in STEPS}


@dataclass(frozen=True, slots=True)
class Declared:
    """The steps of a post-processing, in order; none leaves the outputs as they are."""

    steps: tuple[Step, ...] = ()

    def document(self) -> list[dict[str, Any]]:
        """Return the steps in the words they are written in; `parse` gives them back."""
        return [{step.word: step.document()} for step in self.steps]


Processing = Declared | Callable[[Any], Any]


def resolve(source: Any) -> Processing:
    """Return the steps or the callable that `source` stands for; None is no step.

    source: `package.module:callable`, `path/file.py:callable`, a callable, a file's path, YAML or
    JSON text, or the list of steps itself.

    Raises:
        SpecError: unreadable, an unknown step, key or value (the nearest are named), or the
            callable cannot be imported.
    """
    if source is None:
        return Declared()
    if isinstance(source, str) and is_callable_text(source):
        try:
            return import_callable(source)
        except LoadError as error:
            raise SpecError(f"--postprocess: {error}") from error
    if isinstance(source, Declared):
        return source
    return source if callable(source) else parse(source)


def parse(source: Path | str | Sequence[Any] | Mapping[str, Any]) -> Declared:
    """Read the steps from a file, YAML or JSON text, or the document itself.

    >>> parse("[softmax, {top_k: 5}]").document()
    [{'softmax': {'axis': -1}}, {'top_k': {'k': 5, 'axis': -1}}]

    Raises:
        SpecError: as in `resolve`.
    """
    if isinstance(source, Path) or (isinstance(source, str) and is_path(source)):
        path = Path(source)
        try:
            return _steps(read_document(path, "post-processing"))
        except SpecError as error:
            raise error if str(path) in str(error) else SpecError(f"{path}: {error}") from error
    return _steps(read_text(source, "The post-processing") if isinstance(source, str) else source)


def _steps(document: Any) -> Declared:
    what = "A post-processing is a list of steps such as `- nms: {iou: 0.45}`"
    return Declared(parse_steps(document, _KINDS, dict.fromkeys(_KINDS), what))
