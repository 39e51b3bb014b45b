"""preprocess.geometry: another size, crop or border."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from divergence.preparation.differences.difference import Difference
from divergence.preparation.inference.recipe import Parts
from divergence.preparation.inference.side import Side
from divergence.preparation.steps import Crop, Pad, Resize, Step
from divergence.records import Evidence

CAUSE = "preprocess.geometry"
Effect = tuple[str, tuple[Any, ...]]


def find(reference: Side, candidate: Side) -> Difference | None:
    """Compare what the steps do to a picture of this size, however they are written."""
    ours = list(_effects(reference.recipe.parts, reference.size))
    theirs = list(_effects(candidate.recipe.parts, candidate.size))
    if ours == theirs:
        return None
    recipe, parts = candidate.recipe, candidate.recipe.parts
    kernel = parts.kernel or reference.recipe.parts.kernel
    swapped = replace(parts, geometry=reference.recipe.parts.geometry, kernel=kernel)
    texts = _text(reference), _text(candidate)
    return Difference(
        CAUSE,
        _parameters(candidate),
        (
            Evidence("geometry", texts[0], texts[1]),
            *(Evidence(name, *pair) for name, *pair in _details(reference, candidate)),
        ),
        f"The candidate's picture is brought to size otherwise: {texts[1]}; the reference's: "
        f"{texts[0]}.",
        f"Prepare the candidate's picture like the reference's: {texts[0]}.",
        replace(recipe, trial=replace(recipe.trial, parts=swapped)),
    )


def crop_share(side: Side) -> float | None:
    """Return the share of the picture that a crop keeps along the axis that loses least."""
    size = side.size
    for step in side.recipe.parts.geometry:
        if isinstance(step, Crop):
            window = step.window(*size)
            return _tidy_share(max(zip(window, size, strict=True), key=lambda p: p[0] / p[1]))
        if isinstance(step, Resize):
            size = step.size(*size)
        elif isinstance(step, Pad):
            size = step.to
    return None


def _tidy_share(lengths: tuple[int, int]) -> float:
    """Return the shortest share that leads to these lengths, cut or rounded to whole pixels."""
    window, whole = lengths
    low, high = window / (whole + 1), (window + 1e-9) / whole
    for step in (0.05, 0.025, 0.01, 0.005):
        share = round(round(high / step) * step, 4)
        for near in (share, round(share - step, 4)):
            if low < near <= high + 1e-9:
                return near
    return round(high, 4)


def _effects(parts: Parts, size: tuple[int, int]) -> Iterator[Effect]:
    """Yield what each step does, in numbers; steps without an effect are left out."""
    for step in parts.geometry:
        if isinstance(step, Resize):
            new = step.size(*size)
            if new != size:
                yield "resize", new
            size = new
        elif isinstance(step, Crop):
            window = step.window(*size)
            if window != size:
                yield "crop", (*step.offset(*size), *window)
            size = window
        elif isinstance(step, Pad):
            if step.to != size:
                value = step.value if isinstance(step.value, str) else _rounded(step.value)
                yield "pad", (*step.offset(*size), *step.to, value)
            size = step.to


def _rounded(value: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(v, 1) for v in (value * 3 if len(value) == 1 else value))


def _parameters(side: Side) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        step.word: step.document() for step in side.spec.steps if isinstance(step, Crop | Pad)
    }
    for step in side.recipe.parts.geometry:
        if isinstance(step, Resize):
            words = step.document()
            kernel = ("kernel", "antialias", "library", "align_corners")
            parameters["resize"] = {k: v for k, v in words.items() if k not in kernel}
    share = crop_share(side)
    return parameters | ({"share": share} if share is not None else {})


def _details(reference: Side, candidate: Side) -> Iterator[tuple[str, Any, Any]]:
    shares = crop_share(reference), crop_share(candidate)
    if shares[0] != shares[1]:
        yield "crop share", *shares
    pads = reference.recipe.parts.pad, candidate.recipe.parts.pad
    words = [pad.document() if pad is not None else {} for pad in pads]
    for key, name in (("value", "border value"), ("at", "picture at")):
        if words[0].get(key) != words[1].get(key):
            yield name, words[0].get(key), words[1].get(key)


def _text(side: Side) -> str:
    found = [_step_text(step) for step in side.recipe.parts.geometry]
    return ", then ".join(text for text in found if text) or "as it is"


def _step_text(step: Step) -> str:
    if isinstance(step, Resize):
        if step.to is not None:
            return f"stretched to {step.to[0]} x {step.to[1]}"
        side = step.shortest or step.longest
        if side is not None:
            return f"{'shortest' if step.shortest else 'longest'} side to {side}"
        box = step.fit or step.cover
        assert box is not None
        return f"{'fitted into' if step.fit else 'made to cover'} {box[0]} x {box[1]}"
    at = step.at if isinstance(step, Crop | Pad) else ""
    if isinstance(step, Crop) and step.size is not None:
        return f"cropped to {step.size[0]} x {step.size[1]} at {at}"
    if isinstance(step, Pad):
        value = step.value if isinstance(step.value, str) else _value_text(step.value)
        return f"padded to {step.to[0]} x {step.to[1]} with {value}, picture at {at}"
    return ""


def _value_text(value: tuple[float, ...]) -> str:
    return ", ".join(f"{v:.4g}" for v in value)
