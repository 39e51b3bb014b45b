"""What the user gave, sorted: values for parameters of the reference, values for ONNX inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.errors import InputError, nearest
from divergence.load.inputs import Given, Inputs
from divergence.load.onnx_model import OnnxModel
from divergence.load.signature import Parameter, Signature


@dataclass(frozen=True, slots=True)
class Arguments:
    """Values by parameter, and values by names that only the ONNX file knows.

    extra: parameters that a variadic `forward` takes beside its declared ones.
    """

    values: Mapping[str, Given]
    onnx: Mapping[str, Given]
    extra: tuple[Parameter, ...] = ()


def sort_inputs(inputs: Inputs, signature: Signature, model: OnnxModel) -> Arguments:
    """Give each value to the parameter or the ONNX input that its place or name says.

    Names of parameters come first, then groups (`feats.0`, `feats_1`, the keys of the one dict
    that `forward` takes), then names of ONNX inputs, then what a variadic `forward` accepts.

    Raises:
        InputError: nothing takes a value; the names of both sides are listed.
    """
    values, extra = _in_order(inputs.positional, signature)
    declared = {parameter.name for parameter in signature.parameters}
    values |= {name: given for name, given in inputs.named.items() if name in declared}
    rest = {name: given for name, given in inputs.named.items() if name not in declared}
    groups = _groups(rest, values, signature, model)
    for parameter, members in groups.items():
        values[parameter.name] = _together(parameter, {k: rest.pop(n) for k, n in members.items()})
    known = {item.name for item in model.inputs}
    onnx = {name: given for name, given in rest.items() if name in known}
    more = _variadic(onnx, values, signature, model)
    unknown = [name for name in rest if name not in known]
    if signature.kwargs:
        more |= {name: Parameter(name, keyword_only=True) for name in unknown}
    elif unknown:
        raise InputError(_nobody(unknown[0], rest[unknown[0]], signature, model))
    values |= {parameter.name: rest[name] for name, parameter in more.items()}
    onnx = {name: given for name, given in onnx.items() if name not in more}
    return Arguments(values, onnx, (*extra, *more.values()))


def _in_order(
    positional: Sequence[Given], signature: Signature
) -> tuple[dict[str, Given], tuple[Parameter, ...]]:
    takes = [p for p in signature.parameters if not p.keyword_only]
    # A list for the one parameter that takes values: what is declared a number takes none.
    room = sum(p.scalar is None for p in takes)
    values = sum(np.ndim(given.value) > 0 for given in positional if _is_array(given.value))
    if (len(positional) > len(takes) or values > room) and not signature.args:
        needed = [p for p in takes if p.required]
        if len(needed) != 1 or needed[0].container is False:
            raise InputError(
                f"{len(positional)} inputs are given in order, and the reference takes "
                f"{len(takes)}: {signature}. Give them by name."
            )
        items = {str(place): given for place, given in enumerate(positional)}
        return {needed[0].name: _together(needed[0], items)}, ()
    more = len(positional) - len(takes)
    extra = tuple(Parameter(f"{signature.args}_{place}") for place in range(more))
    names = [parameter.name for parameter in (*takes, *extra)]
    return dict(zip(names, positional, strict=False)), extra


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _groups(
    rest: Mapping[str, Given],
    values: Mapping[str, Given],
    signature: Signature,
    model: OnnxModel,
) -> dict[Parameter, dict[str, str]]:
    """Find the names that are parts of one argument; keys inside it by parameter."""
    free = [p for p in signature.parameters if p.name not in values and p.container is not False]
    found: dict[Parameter, dict[str, str]] = {}
    taken: set[str] = set()
    for parameter in free:
        members = _members(parameter, rest.keys() - taken, rest, model)
        if members:
            found[parameter] = members
            taken |= set(members.values())
    needed = [p for p in free if p.required]
    whole = len(needed) == 1 and not found and rest and _is_whole(needed[0], rest, signature)
    return {needed[0]: {name: name for name in rest}} if whole else found


def _members(
    parameter: Parameter, names: Any, rest: Mapping[str, Given], model: OnnxModel
) -> dict[str, str]:
    """Return {key: name} of `feats.0`, `feats_1`, ... where these are parts of `feats`."""
    known = {item.name for item in model.inputs}
    recorded = {item.name for item in model.inputs if item.parameter}
    for mark in (".", "_"):
        head = parameter.name + mark
        members = {n.removeprefix(head): n for n in rest if n in names and n.startswith(head)}
        # `x_mask` may well be an input beside `x`, and `x.1` is how an exporter may call `x`: a
        # name proves nothing, unless the exporter wrote it so or `x` is declared a container.
        written = mark == "." and not known & set(members.values())
        sure = written or parameter.container or recorded.issuperset(members.values())
        if members and (sure or (len(members) > 1 and _counts(members))):
            return members
    return {}


def _counts(keys: Mapping[str, Any]) -> bool:
    return sorted(keys, key=lambda key: (len(key), key)) == [str(i) for i in range(len(keys))]


def _is_whole(parameter: Parameter, rest: Mapping[str, Given], signature: Signature) -> bool:
    """Say whether all the names are the keys of the one dict that `forward` takes."""
    if parameter.container is not None:
        return parameter.container
    # One name that neither side knows is as likely mistyped; variadics take names themselves.
    return len(rest) > 1 and not signature.args and not signature.kwargs


def _together(parameter: Parameter, members: Mapping[str, Given]) -> Given:
    """Make one argument of its parts: a sequence where the keys count from 0, else a dict."""
    parts: dict[str, Any] = {}
    for key, given in members.items():
        head, dot, _ = key.partition(".")
        if dot and head not in parts:  # in the order of the user's names: exporters flatten so
            inside = {
                k.partition(".")[2]: g for k, g in members.items() if k.startswith(f"{head}.")
            }
            parts[head] = _together(Parameter(head), inside).value
        elif not dot:
            parts[key] = given.value
    source = ", ".join(dict.fromkeys(given.source for given in members.values()))
    if _counts(parts):
        return Given(parameter.sequence(parts[str(i)] for i in range(len(parts))), source)
    return Given(parts, source)


def _variadic(
    onnx: Mapping[str, Given],
    values: Mapping[str, Given],
    signature: Signature,
    model: OnnxModel,
) -> dict[str, Parameter]:
    """Return what a variadic `forward` takes of the values that ONNX names name."""
    if not (signature.args or signature.kwargs):
        return {}
    # Exporters keep the order: the first inputs belong to the parameters that are declared.
    waiting = [p for p in signature.parameters if p.required and p.name not in values]
    declared = {p.name for p in signature.parameters}
    names = [item.name for item in model.inputs if item.name not in declared]
    have_values = sum(p.required for p in signature.parameters) - len(waiting)
    unnamed = max(0, have_values - len(declared & {item.name for item in model.inputs}))
    later = names[len(waiting) + unnamed :]
    surplus = [name for name in later if name in onnx]
    by_name = [
        name for name in surplus if signature.kwargs and not _is_positional(name, signature, model)
    ]
    start = sum(name.startswith(f"{signature.args}_") for name in values)
    in_order = [name for name in surplus if name not in by_name]
    return {
        **{name: Parameter(f"{signature.args}_{start + i}") for i, name in enumerate(in_order)},
        **{name: Parameter(name, keyword_only=True) for name in by_name},
    }


def _is_positional(name: str, signature: Signature, model: OnnxModel) -> bool:
    """Say whether `forward(*args, **kwargs)` was given this value in order when exported."""
    if not signature.args:
        return False
    if not model.traced:
        return re.fullmatch(rf"{re.escape(signature.args)}_\d+", name) is not None
    # That exporter knows no keywords; a wrapper with a declared input names the others itself.
    return not signature.parameters or not name.isidentifier()


def _nobody(name: str, given: Given, signature: Signature, model: OnnxModel) -> str:
    known = [item.name for item in model.inputs]
    close = nearest(name, [*(p.name for p in signature.parameters), *known])
    return (
        f"Nothing takes the input '{name}' (from {given.source}).{close} The reference takes "
        f"{signature}, the ONNX file takes ({', '.join(known)})."
    )
