"""From what the user gave to the two calls: each value at its place on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from divergence.errors import InputError, nearest
from divergence.load.arguments import Arguments, sort_inputs
from divergence.load.calls import reference_call
from divergence.load.inputs import Given, Inputs
from divergence.load.links import Leaf, Links, describe, link
from divergence.load.onnx_model import OnnxInput, OnnxModel
from divergence.load.signature import Signature, signature_of
from divergence.load.values import BoundInput, Maker, Value
from divergence.records import Call

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Binding:
    """Both calls and what they are made of. `notes` say what a reader may not expect.

    shared: the candidate's call with the reference's values wherever the candidate has others
    that they can stand in for.
    """

    reference: Call
    candidate: Call
    shared: Call
    inputs: tuple[BoundInput, ...]
    notes: tuple[str, ...]


def bind(
    reference: Any, model: OnnxModel, inputs: Inputs, candidate_inputs: Inputs, maker: Maker
) -> Binding:
    """Return the calls of both sides.

    reference: a module, a script module, an exported program or an `OnnxModel`.
    candidate_inputs: what the candidate is fed instead of the reference's values.

    Raises:
        InputError: a value has no place, a place no value, or names, shapes or dtypes do not
            fit.
    """
    signature = signature_of(reference)
    arguments = sort_inputs(inputs, signature, model)
    found = tuple(_leaves(arguments, signature))
    links = _links(found, arguments, inputs, candidate_inputs, reference, model)
    sides = _Sides(reference, signature, model, arguments, links, maker)
    bound = sides.bound(found, _own(candidate_inputs, links, model))
    values = {item.reference.name: item.reference.value for item in bound if item.reference}
    candidate = {item.candidate.name: item.candidate.value for item in bound if item.candidate}
    if arguments.onnx and not values:
        raise InputError(
            f"{', '.join(arguments.onnx)} name inputs of the ONNX file, and which parameters of "
            f"the reference they are cannot be told: it takes {signature}. Use its names."
        )
    _check_fed(model, candidate, links)
    return Binding(
        reference=reference_call(reference, arguments, signature, values),
        candidate=Call(kwargs=candidate),
        shared=_shared_call(bound, candidate),
        inputs=bound,
        notes=tuple(_notes(bound, found, links)),
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is known while values are made."""

    reference: Any
    signature: Signature
    model: OnnxModel
    arguments: Arguments
    links: Links
    maker: Maker

    def bound(self, found: Sequence[Leaf], own: Mapping[str, Given]) -> tuple[BoundInput, ...]:
        """Make all values: one input for each leaf that has one, then those of the candidate."""
        items = {item.name: item for item in self.model.inputs}
        item_of = {leaf: items[one] for one, leaf in self.links.leaf_of.items()}
        made = [self._input(leaf, item_of.get(leaf.name), own) for leaf in found]
        linked = {item.name for item in item_of.values()}
        alone = [
            self.maker.apart(items[name], given.value, given.source, None)
            for name, given in {**self.arguments.onnx, **own}.items()
            if name not in linked
        ]
        return (*(item for item in made if item is not None), *alone)

    def _input(
        self, leaf: Leaf, item: OnnxInput | None, own: Mapping[str, Given]
    ) -> BoundInput | None:
        raw, source = leaf.value, self._source(leaf)
        named = self.arguments.onnx.get(item.name) if item else None
        if named is not None and (raw is None or source == _DEFAULT):
            raw, source, named = named.value, named.source, None  # a value for both sides
        if raw is None or (source == _DEFAULT and item is None):
            self._check_optional(leaf)
            return None
        value = self._argument(leaf, raw, source, item)
        if item is None:
            return BoundInput(value, None)
        given = own.get(item.name, named)
        if given is None:
            return self.maker.both(item, raw, value)
        return self.maker.apart(item, given.value, given.source, value)

    def _argument(self, leaf: Leaf, raw: Any, source: str, item: OnnxInput | None) -> Value:
        top = _top(leaf.name)
        parameters = (*self.signature.parameters, *self.arguments.extra)
        parameter = next((p for p in parameters if p.name == top), None)
        onnx = None
        if isinstance(self.reference, OnnxModel):
            onnx = next(one for one in self.reference.inputs if one.name == leaf.name)
        return self.maker.argument(leaf.name, raw, source, parameter, item, onnx)

    def _check_optional(self, leaf: Leaf) -> None:
        if leaf.optional or _given_by(leaf, self.arguments) is not None:
            return
        raise InputError(
            f"Nothing is given for the reference's input '{leaf.name}'. It takes "
            f"{self.signature}; give {leaf.name}=INPUT."
        )

    def _source(self, leaf: Leaf) -> str:
        given = _given_by(leaf, self.arguments)
        return given.source if given else _DEFAULT


def _given_by(leaf: Leaf, arguments: Arguments) -> Given | None:
    return arguments.values.get(leaf.name) or arguments.values.get(_top(leaf.name))


def _top(name: str) -> str:
    return name.partition(".")[0]


def _leaves(arguments: Arguments, signature: Signature) -> Iterator[Leaf]:
    """Flatten what is given, in the order of `forward`; parameters without a value stay whole."""
    for parameter in (*signature.parameters, *arguments.extra):
        given = arguments.values.get(parameter.name)
        if given is None:
            yield Leaf(parameter.name, parameter.default, optional=not parameter.required)
            continue
        for path, value in _flat(given.value, parameter.name):
            # An exporter may have made a number an input, or have written it into the file.
            yield Leaf(path, value, optional=isinstance(value, bool | int | float | str | None))


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield what containers hold, in their own order, as exporters flatten them."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}")
    elif isinstance(value, tuple | list):
        for place, item in enumerate(value):
            yield from _flat(item, f"{path}.{place}")
    else:
        yield path, value


def _links(
    found: tuple[Leaf, ...],
    arguments: Arguments,
    inputs: Inputs,
    candidate_inputs: Inputs,
    reference: Any,
    model: OnnxModel,
) -> Links:
    """Link both sides, and refuse a name of the user's that means two things."""
    names = {item.name for item in model.inputs}
    complete = all(leaf.value is not None or leaf.optional for leaf in found)
    alone = frozenset(arguments.onnx) if complete else frozenset()
    apart = names <= candidate_inputs.named.keys() | arguments.onnx.keys() and complete
    try:
        links = link(found, model, alone, named=isinstance(reference, OnnxModel))
    except InputError:
        if apart:  # the candidate has all its values: names of the reference mean the reference
            return Links({})
        raise
    wrong = sorted(links.doubtful & inputs.named.keys())
    if wrong and not apart:
        raise InputError(_two_meanings(wrong[0], links))
    return links


def _two_meanings(name: str, links: Links) -> str:
    there = next((one for one, leaf in links.leaf_of.items() if leaf == name), None)
    other = links.leaf_of.get(name)
    return (
        f"The name '{name}' means different things: the parameter {name} of forward is "
        f"{f'the ONNX input {there!r}' if there else 'no ONNX input'}, and the ONNX input {name} "
        f"is {f'the parameter {other!r}' if other else 'no parameter'}. Give the values in "
        "forward's order (Python: a tuple), or the ONNX file its own by --candidate-input "
        "NAME=INPUT for each of its inputs."
    )


def _own(candidate_inputs: Inputs, links: Links, model: OnnxModel) -> dict[str, Given]:
    """Return the values that are the candidate's own, by ONNX name."""
    names = [item.name for item in model.inputs]
    positional = candidate_inputs.positional
    if positional and len(positional) != len(names):
        raise InputError(
            f"{len(positional)} candidate inputs are given without a name, and the ONNX file "
            f"takes {len(names)}: {', '.join(names)}. Write NAME=INPUT."
        )
    own = dict(zip(names, positional, strict=False))
    one_of = {leaf: one for one, leaf in links.leaf_of.items()}
    for name, given in candidate_inputs.named.items():
        one = name if name in names else one_of.get(name)
        if one is None:
            raise InputError(
                f"The candidate input '{name}' is no input of the ONNX file."
                f"{nearest(name, names)} It takes {', '.join(names)}."
            )
        own[one] = given
    return own


def _check_fed(model: OnnxModel, candidate: Mapping[str, Any], links: Links) -> None:
    for item in model.inputs:
        if item.name not in candidate:
            parameter = links.leaf_of.get(item.name)
            known = f" (the reference's '{parameter}')" if parameter else ""
            raise InputError(
                f"Nothing is given for the ONNX input {describe(item)}{known}; give "
                f"{item.name}=INPUT."
            )


def _shared_call(bound: Iterable[BoundInput], candidate: Mapping[str, Any]) -> Call:
    shared = {item.shared.name: item.shared.value for item in bound if item.shared is not None}
    return Call(kwargs={**candidate, **shared})


def _notes(bound: Iterable[BoundInput], found: Sequence[Leaf], links: Links) -> Iterator[str]:
    linked = set(links.leaf_of.values())
    for leaf in found:
        if leaf.name not in linked and not leaf.optional:
            yield (
                f"'{leaf.name}' is an input of the reference alone: the ONNX file has it written "
                "in, or does without"
            )
    dicts = Counter(leaf.dict for leaf in found if leaf.dict and leaf.name in links.ordered)
    for name, count in dicts.items():
        if count > 1:
            yield f"the entries of '{name}' are told apart by their order alone"
    for item in bound:
        for side in (item.reference, item.candidate):
            if side is not None and side.note:
                yield f"'{side.name}': {side.note}"
        if item.own and item.reference is not None and item.shared is None:
            yield f"'{item.name}': the two sides take values of different shapes, each its own"
        if item.reference is None:
            yield f"'{item.name}' is an input of the ONNX file alone"
