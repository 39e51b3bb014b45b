"""Prepare an image by a SPEC or by a user's callable, each step's result a site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.errors import InputError
from divergence.preparation.picture import Picture, open_image
from divergence.preparation.spec import Spec
from divergence.records import Array

if TYPE_CHECKING:
    from PIL import Image

Preparation = Spec | Callable[[Any], Any]
Show = Callable[[str, Array], None]
STAGE = "preprocess"


def prepare(
    image: Path | str | Image.Image, preparation: Preparation, show: Show | None = None
) -> Array:
    """Return what `preparation` makes of `image`.

    show: called with each step's site name and result, in order: `preprocess.decode`,
    `preprocess.resize`, a second one `preprocess.resize#1`; a callable has the one site
    `preprocess`.

    Raises:
        InputError: the image cannot be read, or a step does not fit it.
    """
    opened = open_image(image)
    if not isinstance(preparation, Spec):
        return _call(preparation, opened, show)
    names = step_names(preparation)
    picture = preparation.decode.open(opened)
    _show(show, names[0], picture)
    for name, step in zip(names[1:], preparation.steps[1:], strict=True):
        picture = step.apply(picture)
        _show(show, name, picture)
    return np.ascontiguousarray(picture.values)


def step_names(spec: Spec) -> tuple[str, ...]:
    """Return the site names of a SPEC's steps.

    >>> from divergence.preparation.spec import parse_spec
    >>> step_names(parse_spec("[{resize: {longest: 8}}, {resize: {longest: 4}}]"))
    ('preprocess.decode', 'preprocess.resize', 'preprocess.resize#1')
    """
    seen: Counter[str] = Counter()
    names = []
    for step in spec.steps:
        number = seen[step.word]
        names.append(f"{STAGE}.{step.word}" + (f"#{number}" if number else ""))
        seen[step.word] += 1
    return tuple(names)


def _call(function: Callable[[Any], Any], image: Image.Image, show: Show | None) -> Array:
    """Call a user's preparation with the image and take its array."""
    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        made = function(image)
    except Exception as error:
        raise InputError(
            f"The preparation '{name}' fails on the image: {type(error).__name__}: {error}"
        ) from error
    if hasattr(made, "detach"):
        made = made.detach().cpu().numpy()
    values = np.asarray(made)
    if values.dtype == object or values.ndim == 0:
        raise InputError(
            f"The preparation '{name}' returned {type(made).__name__}; it is to return an array."
        )
    if show is not None:
        show(STAGE, values)
    return np.ascontiguousarray(values)


def _show(show: Show | None, name: str, picture: Picture) -> None:
    if show is not None:
        show(name, picture.values)
