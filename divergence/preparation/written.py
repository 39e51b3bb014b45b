"""What a user writes: a list of steps, in a file, in YAML or JSON text, or as Python objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from divergence.errors import SpecError, nearest

Step = TypeVar("Step")


def is_path(text: str) -> bool:
    """Say whether a text is a file's path rather than a document."""
    return "\n" not in text.strip() and not text.lstrip().startswith(("[", "{", "- "))


def read_document(path: Path, what: str = "preparation") -> Any:
    """Return what a YAML or JSON file holds.

    Raises:
        SpecError: there is no such file, or it is neither.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"There is no {what} file '{path}'.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"The {what} file '{path}' cannot be read: {error}.") from error
    return read_text(text, f"'{path}'")


def read_text(text: str, name: str) -> Any:
    """Return what YAML or JSON text holds; `name` says in an error whose text it is."""
    import yaml

    try:
        return yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SpecError(f"{name} is neither YAML nor JSON: {reason}") from None


def parse_steps(
    document: Any,
    kinds: Mapping[str, Callable[[Any], Step]],
    alone: Mapping[str, Any],
    what: str,
) -> tuple[Step, ...]:
    """Read steps from the document itself; a mapping counts as a list of its items.

    kinds: what reads a step's value, by its word. alone: words that may stand without a value,
        and the value they have then.
    what: begins an error about the document, with an example, such as
        "A preparation is a list of steps such as `- layout: NCHW`".

    Raises:
        SpecError: it is no such list, or a step is unknown; names the nearest.
    """
    if isinstance(document, Mapping):
        document = [{word: value} for word, value in document.items()]
    if not isinstance(document, Sequence) or isinstance(document, str) or not document:
        got = f"{type(document).__name__} {document!r}" if document else "nothing"
        raise SpecError(f"{what}, got {got}.")
    return tuple(_step(item, place, kinds, alone) for place, item in enumerate(document))


def _step(
    item: Any, place: int, kinds: Mapping[str, Callable[[Any], Step]], alone: Mapping[str, Any]
) -> Step:
    if isinstance(item, str) and (item in alone or item not in kinds):
        item = {item: alone.get(item)}
    if not isinstance(item, Mapping) or len(item) != 1:
        raise SpecError(f"Step {place + 1} is one word and its value, got {item!r}.")
    ((word, value),) = item.items()
    if word not in kinds:
        raise SpecError(
            f"There is no step '{word}'.{nearest(str(word), kinds)} The steps are "
            f"{', '.join(kinds)}."
        )
    return kinds[word](value)
