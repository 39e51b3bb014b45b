"""Run what stands behind a model on its outputs, each step's result a site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from divergence.errors import InputError
from divergence.postprocess.spec import Declared, Processing
from divergence.postprocess.state import Outputs, read_values
from divergence.records import Array

STAGE = "postprocess"
Show = Callable[[str, Array], None]


def postprocess(outputs: Outputs, processing: Processing, show: Show | None = None) -> Outputs:
    """Return what `processing` makes of `outputs`.

    A callable gets a tuple of arrays, or a dict where the model names its outputs. show: called
    with each step's site name and result: `postprocess.nms`, of several arrays
    `postprocess.top_k` and `postprocess.top_k[1]`; a callable has the one site `postprocess`.

    Raises:
        InputError: a step does not fit the outputs, or the callable fails.
    """
    if not isinstance(processing, Declared):
        outputs = _call(processing, outputs)
        _show(show, STAGE, outputs)
        return outputs
    seen: Counter[str] = Counter()
    for step in processing.steps:
        outputs = step.apply(outputs)
        again = f"#{seen[step.word]}" if seen[step.word] else ""
        seen[step.word] += 1
        _show(show, f"{STAGE}.{step.word}{again}", outputs)
    return outputs


def _call(function: Callable[..., object], outputs: Outputs) -> Outputs:
    name = getattr(function, "__qualname__", type(function).__name__)
    named = all(key.isidentifier() for key in outputs.values)
    given = dict(outputs.values) if named else tuple(outputs.values.values())
    try:
        made = function(given)
    except Exception as error:
        raise InputError(
            f"The post-processing '{name}' fails on the outputs: {type(error).__name__}: {error}"
        ) from error
    return replace(outputs, values=read_values(made, name))


def _show(show: Show | None, name: str, outputs: Outputs) -> None:
    if show is None:
        return
    for place, value in enumerate(outputs.shown()):
        show(f"{name}[{place}]" if place else name, value)
