"""Strategy 2: the same name on both sides."""

from __future__ import annotations

from collections.abc import Iterator

from divergence.matching.hints import Hint
from divergence.matching.sides import Sides

_NAME, _WEIGHT = 3.0, 2.0


def hints(sides: Sides) -> Iterator[Hint]:
    """Yield hints for sites of one name, and for steps that read weights of one name."""
    left, right = sides.reference, sides.candidate
    for name, i in left.of.items():
        if name in right.of and left.sites[name].kind != "input":
            yield Hint(i, right.of[name], _NAME, "name")
    users: dict[str, list[int]] = {}
    for node in right.nodes:
        for weight in node.weights:
            users.setdefault(weight, []).append(node.index)
    for node in left.nodes:
        for weight in node.weights:
            for j in users.get(weight, ())[:4]:
                if right.nodes[j].kind == node.kind:
                    yield Hint(node.index, j, _WEIGHT, "name of a weight")
