"""Which value of the reference's call feeds which input of the candidate's graph.

What is known, in this order: the names that PyTorch's dynamo exporter recorded, equal names,
then the order, which every PyTorch exporter keeps. Shapes and dtypes may rule a link out. What
is left undecided is an error that lists both sides: a wrong link would look like a divergence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice, permutations
from typing import Any

import numpy as np

from divergence.errors import InputError
from divergence.load.onnx_model import OnnxInput, OnnxModel
from divergence.load.randoms import Random

_TRIED = 5000  # ways to link that are looked at


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value of the reference's call: an argument, or one of those inside an argument.

    name: with dots into the argument (`feats.0`). value: None where it is not given yet.
    optional: a number with a default, which an exporter may or may not have made an input.
    """

    name: str
    value: Any = field(repr=False)
    optional: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Names under which an exporter may have put it, the surest first."""
        last = self.name.rpartition(".")[2]
        return tuple(dict.fromkeys((self.name, self.name.replace(".", "_"), last)))

    @property
    def dict(self) -> str:
        """The dict that it is an entry of, or "": entries come in whatever order the user has."""
        parent, _, last = self.name.rpartition(".")
        return "" if last.isdigit() else parent


@dataclass(frozen=True, slots=True)
class Links:
    """Leaf names by ONNX input.

    doubtful: names that mean something else on each side. ordered: leaves linked by order alone.
    """

    leaf_of: Mapping[str, str]
    doubtful: frozenset[str] = frozenset()
    ordered: frozenset[str] = frozenset()


def link(leaves: Sequence[Leaf], model: OnnxModel, alone: frozenset[str], named: bool) -> Links:
    """Link leaves and ONNX inputs.

    alone: ONNX inputs that have a value of their own and need no leaf. named: the reference is
    an ONNX file too, and keeps its names when it is rewritten.

    Raises:
        InputError: more than one way is left.
    """
    recorded = _recorded(leaves, model.inputs)
    found = recorded or _by_name(leaves, model.inputs)
    if not recorded and not named and _crossed(found, leaves, model.inputs):
        found = _uncrossed(found, leaves, model)
    rest = _in_order(found, leaves, model.inputs, alone)
    found |= rest
    names = {leaf.name for leaf in leaves}
    doubtful = {one for one, leaf in found.items() if one in names and leaf != one}
    doubtful |= {found[one] for one in doubtful} & {item.name for item in model.inputs}
    return Links(found, frozenset(doubtful), frozenset(rest.values()))


def fits(value: Any, item: OnnxInput) -> bool:
    """Say whether a value could be fed to an input, by rank, fixed sizes and kind of number."""
    if value is None:
        return True
    if isinstance(value, Random):
        shape, kind = value.shape, None if value.dtype is None else _kind(value.dtype)
    elif isinstance(value, bool | int | float | np.ndarray | np.generic):
        shape, kind = np.shape(value), _kind(np.asarray(value).dtype.name)
    else:
        return True  # an image: prepared later
    if kind is not None and item.dtype is not None and kind != _kind(item.dtype):
        return False
    return item.shape is None or same_shape(shape, item.shape)


def same_shape(shape: Sequence[int], wanted: Sequence[int | str | None]) -> bool:
    """Say whether a shape is one that `wanted` allows; symbols and None allow any size.

    >>> same_shape((1, 3), ("batch", 3)), same_shape((1, 3), (3,))
    (True, False)
    """
    return len(shape) == len(wanted) and all(
        not isinstance(w, int) or s == w for s, w in zip(shape, wanted, strict=True)
    )


def _kind(dtype: str) -> str:
    """Return which dtypes convert into each other: floats, or integers, or booleans."""
    return "float" if "float" in dtype else "int" if "int" in dtype else dtype


def _plain(name: str) -> str:
    """Return a name as torch.export writes it: lower case, all but letters as underscores."""
    return re.sub(r"\W+", "_", name).strip("_").lower()


def _recorded(leaves: Sequence[Leaf], inputs: Sequence[OnnxInput]) -> dict[str, str]:
    known = {_plain(leaf.name): leaf.name for leaf in leaves}
    pairs = ((item.name, item.parameter) for item in inputs if item.parameter)
    return {name: known[_plain(key)] for name, key in pairs if _plain(key) in known}


def _by_name(leaves: Sequence[Leaf], inputs: Sequence[OnnxInput]) -> dict[str, str]:
    free = {item.name for item in inputs}
    found: dict[str, str] = {}
    for rank in range(3):  # all by their surest key before any by its last part
        for leaf in leaves:
            key = leaf.keys[rank] if rank < len(leaf.keys) else ""
            if key in free and leaf.name not in found.values():
                found[key] = leaf.name
                free.discard(key)
    return found


def _crossed(found: Mapping[str, str], leaves: Sequence[Leaf], inputs: Sequence[OnnxInput]) -> bool:
    """Say whether links by name contradict the order, which exporters keep."""
    place: dict[str, int] = {}
    dicts: dict[str, int] = {}
    for index, leaf in enumerate(leaves):
        place[leaf.name] = dicts.setdefault(leaf.dict, index) if leaf.dict else index
    rest = [leaf.name for leaf in leaves if leaf.name not in found.values() and not leaf.optional]
    others = [item.name for item in inputs if item.name not in found]
    full = dict(found)
    if len(rest) == len(others):  # what is left would follow in order: does the whole?
        full |= dict(zip(others, rest, strict=True))
    places = [place[full[item.name]] for item in inputs if item.name in full]
    return places != sorted(places)


def _uncrossed(found: dict[str, str], leaves: Sequence[Leaf], model: OnnxModel) -> dict[str, str]:
    """Decide between names and order by shape and dtype, then by who wrote the file."""
    needed = [leaf for leaf in leaves if not leaf.optional]
    items = {item.name: item for item in model.inputs}
    values = {leaf.name: leaf.value for leaf in leaves}
    by_order = dict(zip(items, [leaf.name for leaf in needed], strict=False))
    ordered = len(needed) == len(items) and _all_fit(by_order, values, items)
    if not ordered and _all_fit(found, values, items):
        return found
    if ordered and (model.traced or not _all_fit(found, values, items)):
        return by_order
    raise _undecided("their names and their order say different things", leaves, model.inputs)


def _all_fit(
    found: Mapping[str, str], values: Mapping[str, Any], items: Mapping[str, OnnxInput]
) -> bool:
    return all(fits(values[leaf], items[one]) for one, leaf in found.items())


def _in_order(
    found: Mapping[str, str],
    leaves: Sequence[Leaf],
    inputs: Sequence[OnnxInput],
    alone: frozenset[str],
) -> dict[str, str]:
    """Link what names left over, in order; where counts differ, in the only way that fits."""
    taken = set(found.values())
    rest = [leaf for leaf in leaves if leaf.name not in taken]
    needed = [leaf for leaf in rest if not leaf.optional]
    free = [item for item in inputs if item.name not in found]
    fed = [item for item in free if item.name not in alone]
    for left, right in ((needed, fed), (rest, fed), (needed, free), (rest, free)):
        if left and len(left) == len(right) and (len(left) == 1 or _fit_in_order(left, right)):
            return {item.name: leaf.name for leaf, item in zip(left, right, strict=True)}
    if not needed or not fed:
        return {}
    return _only_way(needed, fed, leaves, inputs)


def _fit_in_order(left: Sequence[Leaf], right: Sequence[OnnxInput]) -> bool:
    return all(fits(leaf.value, item) for leaf, item in zip(left, right, strict=True))


def _only_way(
    left: Sequence[Leaf],
    right: Sequence[OnnxInput],
    leaves: Sequence[Leaf],
    inputs: Sequence[OnnxInput],
) -> dict[str, str]:
    """Skip leaves that were baked into the file, or inputs that the reference has not; reorder."""
    ways = [
        {item.name: leaf.name for leaf, item in zip(*way, strict=True)}
        for way in islice(_ways(left, right), _TRIED)
        if _fit_in_order(*way)
    ]
    if len(ways) == 1:
        return ways[0]
    if not ways and len(left) == len(right):  # the first misfit is an error of its own, later
        return {item.name: leaf.name for leaf, item in zip(left, right, strict=True)}
    reason = f"{len(ways)} ways fit" if ways else "no shapes and dtypes fit"
    raise _undecided(reason, leaves, inputs)


def _ways(
    left: Sequence[Leaf], right: Sequence[OnnxInput]
) -> Iterator[tuple[Sequence[Leaf], Sequence[OnnxInput]]]:
    if len(left) > len(right):
        yield from ((some, right) for some in combinations(left, len(right)))
    elif len(left) < len(right):
        yield from ((left, some) for some in combinations(right, len(left)))
    else:
        yield from ((some, right) for some in permutations(left))


def _undecided(reason: str, leaves: Sequence[Leaf], inputs: Sequence[OnnxInput]) -> InputError:
    here = ", ".join(leaf.name + _given_shape(leaf.value) for leaf in leaves)
    there = ", ".join(describe(item) for item in inputs)
    return InputError(
        f"Which reference input is which ONNX input cannot be told: {reason}. The reference takes "
        f"{here}; the ONNX file takes {there}. Name the reference's inputs as it does, and give "
        "the ONNX file its own by --candidate-input NAME=INPUT (candidate_inputs={...})."
    )


def _given_shape(value: Any) -> str:
    shape = value.shape if isinstance(value, np.ndarray | Random) else None
    return "" if shape is None else f" {list(shape)}"


def describe(item: OnnxInput) -> str:
    """Return `images float32 [1, 3, ?, ?]`."""
    if item.shape is None:
        return f"{item.name} {item.dtype or ''}".strip()
    sizes = ", ".join("?" if size is None else str(size) for size in item.shape)
    return f"{item.name} {item.dtype} [{sizes}]"
