"""What a user writes behind `--preprocess`: a SPEC in a file or text, or a callable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from divergence.errors import LoadError, SpecError
from divergence.imports import import_callable, is_callable_text
from divergence.preparation.apply import Preparation
from divergence.preparation.sources import huggingface, torchvision
from divergence.preparation.spec import Spec, parse_spec
from divergence.preparation.written import is_path, read_document


def resolve(source: Preparation | Path | str | Mapping[str, Any] | Sequence[Any]) -> Preparation:
    """Return the SPEC or the callable that `source` stands for.

    A text `package.module:callable` or `path/file.py:callable` is imported, a file that is a
    Hugging Face `preprocessor_config.json` is read as one, anything else as a SPEC
    (`parse_spec`).

    Raises:
        SpecError: the SPEC is wrong, or the callable cannot be imported.
    """
    if isinstance(source, str) and is_callable_text(source):
        try:
            return import_callable(source)
        except LoadError as error:
            raise SpecError(f"--preprocess: {error}") from error
    if callable(source) and not isinstance(source, Spec):
        return source
    if isinstance(source, Path) or (isinstance(source, str) and is_path(source)):
        document = read_document(Path(source))
        if huggingface.is_config(document):
            return huggingface.read_config(document)
    return parse_spec(source)


def resolve_steps(source: Path | str) -> Spec:
    """Return the SPEC that `source` stands for, torchvision transforms read as one.

    Raises:
        SpecError: as in `resolve`; or it is a callable, whose steps nobody can read.
    """
    found = resolve(source)
    if isinstance(found, Spec):
        return found
    if type(found).__module__.startswith("torchvision."):
        return torchvision.read_transforms(found)
    raise SpecError(
        f"'{source}' is a callable, which cannot be written into a file; give a list of steps, a "
        "preprocessor_config.json, or torchvision transforms."
    )
