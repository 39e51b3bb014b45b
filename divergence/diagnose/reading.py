"""Read what a segment says about itself: node attributes, constants, module settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from divergence.diagnose.suspect import Suspect

if TYPE_CHECKING:
    from onnx import NodeProto

_SUMS, _PRODUCTS = frozenset({"Add", "Sub"}), frozenset({"Mul", "Div"})
# The ONNX operators that may stand for each arithmetic op with a number.
ARITHMETIC = {"add": _SUMS, "sub": _SUMS, "mul": _PRODUCTS, "div": _PRODUCTS}


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Return one attribute of a node as a Python value (strings decoded)."""
    from onnx import helper

    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return default


def settings(suspect: Suspect, *names: str) -> Iterator[tuple[str, Any]]:
    """Yield what the reference's sites in the segment were given under one of these names.

    Yields (`site.name`.`setting`, value), each value of a name once.
    """
    seen: set[tuple[str, str]] = set()
    for site in suspect.region.reference.sites:
        for name in names:
            value = site.attributes.get(name)
            if value is None or (name, repr(value)) in seen:
                continue
            seen.add((name, repr(value)))
            yield f"{site.name}.{name}", value


def scalar_operands(suspect: Suspect, node: NodeProto) -> Iterator[tuple[int, float]]:
    """Yield (operand number, value) of a node's constant operands that hold one number."""
    for position, name in enumerate(node.input):
        array = suspect.region.constant(name) if name else None
        if array is not None and array.size == 1 and array.dtype.kind in "fiu":
            yield position, float(array.reshape(()))


def scalar_settings(suspect: Suspect) -> Iterator[tuple[str, str, float]]:
    """Yield (site, ATen op, number) of each arithmetic op with a constant in the reference."""
    for site in suspect.region.reference.sites:
        other = site.attributes.get("other")
        if site.op in {"add", "sub", "mul", "div"} and isinstance(other, int | float):
            yield site.name, site.op, float(other)


def stands_before_softmax(suspect: Suspect) -> bool:
    """Return whether the segment makes, or holds, the logits of a softmax."""
    if suspect.region.node("Softmax"):
        return True
    return any(node.op_type == "Softmax" for node in suspect.region.readers)
