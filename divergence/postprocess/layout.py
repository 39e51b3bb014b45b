"""postprocess.layout: a transposed or reordered head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np

from divergence.postprocess.relation import Relation
from divergence.postprocess.slices import matched_order, meaning
from divergence.postprocess.tables import as_tables
from divergence.records import Array, Evidence

CAUSE = "postprocess.layout"
MOST_AXES = 5
# Labels further apart are counted by something else than a class in front.
_MOST_BACKGROUNDS = 2


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield permutations of axes, other groupings, and orders of channels that fit the shapes."""
    yield from _transposed(reference, candidate)
    if reference.size == candidate.size and reference.shape != candidate.shape:
        yield _relation(
            f"the candidate groups {list(reference.shape)} as {list(candidate.shape)}",
            f"reshape the reference to {list(candidate.shape)}",
            lambda value: value.reshape(candidate.shape),
            {"reshape": list(candidate.shape)},
        )
    yield from _regrouped(reference, candidate)
    if reference.shape == candidate.shape:
        yield from _reordered(reference, candidate)
        yield from _shifted_labels(reference, candidate)


def _transposed(reference: Array, candidate: Array) -> Iterator[Relation]:
    if not 2 <= reference.ndim <= MOST_AXES or reference.ndim != candidate.ndim:
        return
    own = tuple(range(reference.ndim))
    for axes in permutations(own):
        if axes != own and tuple(reference.shape[a] for a in axes) == candidate.shape:
            yield _relation(
                f"the candidate's axes are the reference's in the order {list(axes)}",
                f"permute the reference's axes by {list(axes)}",
                lambda value, axes=axes: value.transpose(axes),
                {"permutation": list(axes)},
            )


def _regrouped(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Grouped in another way, then transposed: heads of anchors, blocks of a shuffle."""
    if reference.size != candidate.size or reference.shape == candidate.shape:
        return
    shape = candidate.shape
    if max(reference.ndim, len(shape)) > MOST_AXES:
        return
    for axes in permutations(range(len(shape))):
        grouped = tuple(shape[axes.index(a)] for a in range(len(shape)))
        if axes != tuple(range(len(shape))):
            yield _relation(
                f"the candidate groups {list(reference.shape)} as {list(grouped)}, then has these "
                f"axes in the order {list(axes)}",
                f"reshape the reference to {list(grouped)} and permute that by {list(axes)}",
                lambda value, grouped=grouped, axes=axes: value.reshape(grouped).transpose(axes),
                {"reshape": list(grouped), "permutation": list(axes)},
            )
    for axes in permutations(range(reference.ndim)):
        if axes != tuple(range(reference.ndim)):
            yield _relation(
                f"the candidate has the axes in the order {list(axes)}, then groups them as "
                f"{list(shape)}",
                f"permute the reference by {list(axes)} and reshape that to {list(shape)}",
                lambda value, axes=axes: value.transpose(axes).reshape(shape),
                {"permutation": list(axes), "reshape": list(shape)},
            )


def _reordered(reference: Array, candidate: Array) -> Iterator[Relation]:
    for axis in range(reference.ndim):
        if meaning(reference.shape, axis) != "channels":
            continue
        order = matched_order(_in_own_units(reference), _in_own_units(candidate), axis)
        if order is not None and not _only_swaps_x_and_y(order):
            yield _relation(
                f"the channels on axis {axis} come in another order",
                f"reorder axis {axis} of the reference",
                lambda value, order=order, axis=axis: np.take(value, order, axis),
                {"axis": axis, "order": order},
            )


def _in_own_units(value: Array) -> Array:
    """Return the values as shares of their own spread: a gain of all may come beside."""
    known = np.nan_to_num(value.astype(np.float64))
    spread = float(known.std())
    return np.asarray((known - known.mean()) / spread if spread else known)


def _only_swaps_x_and_y(order: Sequence[int]) -> bool:
    """Whether the order is that of boxes y1 x1 y2 x2: another form, which `boxes` tells."""
    return list(order) == [1, 0, 3, 2, *range(4, len(order))]


def _shifted_labels(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Classes are counted from another number: one side has a background class in front."""
    tables = as_tables(reference, candidate)
    if tables is None:
        yield from _shifted_classes(reference, candidate)
        return
    column = tables[0].label
    offset = _offset(tables[0].labels, tables[1].labels)
    if column is None or not offset:
        return

    def shift(value: Array) -> Array:
        result = value.astype(np.float64)
        result[..., column] += offset
        return result

    yield _shifted(offset, shift)


def _shifted_classes(reference: Array, candidate: Array) -> Iterator[Relation]:
    """The same where the output is nothing but labels: a map of classes, or one for each row."""
    labels = all(v.dtype.kind in "iu" and v.size > 1 for v in (reference, candidate))
    offset = _offset(reference, candidate) if labels else 0
    if offset and abs(offset) <= _MOST_BACKGROUNDS:
        yield _shifted(offset, lambda value: value + offset)


def _offset(ours: Array, theirs: Array) -> int:
    """Return what all of the candidate's labels are more than the reference's; 0 if not alike."""
    apart = np.unique(theirs.astype(np.float64) - ours)
    return int(apart[0]) if len(apart) == 1 else 0


def _shifted(offset: int, shift: Callable[[Array], Array]) -> Relation:
    relation = _relation(
        f"the candidate's classes are the reference's {offset:+d}",
        f"count the reference's classes from {offset:+d}",
        shift,
        {"label_offset": offset},
    )
    return replace(relation, plain=True)


def _relation(
    explanation: str, action: str, change: object, parameters: dict[str, int | Sequence[int]]
) -> Relation:
    assert callable(change)
    name, value = next(reversed(parameters.items()))
    return Relation(
        CAUSE,
        explanation,
        action,
        on_reference=lambda v: np.asarray(change(v)),
        evidence=(Evidence(name, "as it is", value),),
        remedy="Bring the output into the reference's layout before it is decoded.",
        parameters=parameters,
    )
