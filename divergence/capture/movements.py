"""Values that are the same elements in another arrangement: reshaped, transposed, passed on.

ONNX Runtime merges reshapes and moves transposes, so a value of the user's file may be gone while
its elements are still there. They are shown from where they are, put back as the file has them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from divergence.capture.onnx_graph import Wiring
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import NodeProto

_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"})
# Further away than any rewrite moves a value.
_REACH = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A transposition by `axes`, or where that is None a reshape to the sizes of `like`."""

    like: str
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """A value that holds the same elements, and the steps from it."""

    value: str
    steps: tuple[Step, ...]


def origin(wiring: Wiring, value: str, known: Collection[str]) -> Origin | None:
    """Return the nearest of the `known` values that `value` is an arrangement of."""
    seen = {value}
    queue: deque[tuple[str, tuple[Step, ...]]] = deque([(value, ())])
    while queue:
        name, steps = queue.popleft()
        if name in known:
            return Origin(name, steps)
        if len(steps) < _REACH:
            for other, step in _neighbours(wiring, name):
                if other not in seen:
                    seen.add(other)
                    queue.append((other, (step, *steps)))
    return None


def arranged(
    value: Array, steps: tuple[Step, ...], shapes: Mapping[str, tuple[int, ...] | None]
) -> Array | None:
    """Return the value with the steps applied, None where a size is not known or does not fit."""
    for step in steps:
        if step.axes is not None:
            value = np.transpose(value, step.axes)
            continue
        shape = shapes.get(step.like)
        if shape is None or int(np.prod(shape)) != value.size:
            return None
        value = value.reshape(shape)
    value.flags.writeable = False
    return value


def _neighbours(wiring: Wiring, name: str) -> Iterator[tuple[str, Step]]:
    """Yield values one movement away, and the step from them to `name`."""
    if name in wiring.producers:
        node = wiring.producers[name][1]
        step = _step(node, name, back=False)
        if step is not None:
            yield str(node.input[0]), step
    for node in wiring.consumers.get(name, ()):
        step = _step(node, name, back=True)
        if step is not None and node.input[0] == name:
            yield str(node.output[0]), step


def _step(node: NodeProto, name: str, back: bool) -> Step | None:
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in _RESHAPING:
        return Step(name)
    if node.op_type != "Transpose":
        return None
    axes = next((tuple(a.ints) for a in node.attribute if a.name == "perm"), None)
    if axes is None:  # reversed, which depends on the rank
        return None
    return Step(name, tuple(int(a) for a in np.argsort(axes)) if back else axes)
