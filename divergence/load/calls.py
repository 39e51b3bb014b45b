"""The reference's call, put together again of the values that were made for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from divergence.load.arguments import Arguments
from divergence.load.onnx_model import OnnxModel
from divergence.load.signature import Signature
from divergence.records import Call


def reference_call(
    reference: Any, arguments: Arguments, signature: Signature, values: Mapping[str, Any]
) -> Call:
    """Return values in the order of `forward` as far as it goes, then by name.

    values: by leaf (`feats.0`); containers are those that the user gave.
    """
    if isinstance(reference, OnnxModel):
        return Call(kwargs=dict(values))
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    in_order = True
    for parameter in (*signature.parameters, *arguments.extra):
        given = arguments.values.get(parameter.name)
        if given is None and parameter.name not in values:
            in_order = False
            continue
        value = _rebuilt(given.value if given else None, parameter.name, values)
        if in_order and not parameter.keyword_only:
            args.append(value)
        else:
            kwargs[parameter.name] = value
    return Call(tuple(args), kwargs)


def _rebuilt(given: Any, path: str, values: Mapping[str, Any]) -> Any:
    if path in values:
        return values[path]
    if isinstance(given, Mapping):
        return {key: _rebuilt(item, f"{path}.{key}", values) for key, item in given.items()}
    if isinstance(given, tuple | list):
        items = [_rebuilt(item, f"{path}.{place}", values) for place, item in enumerate(given)]
        return type(given)(items) if type(given) in (tuple, list) else type(given)(*items)
    return given
