"""A pickle: what it would build, from its opcodes: dicts of tensors, modules, anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from divergence.load.inspect import words
from divergence.load.kinds import Kind
from divergence.load.opcodes import Global, Instance, StoredTensor
from divergence.load.pickled import (
    attributes,
    globals_of,
    is_module,
    read_pickle,
)

_SHOWN = 16  # items of a list, and entries of a dict without tensors
_DEEP = 12  # levels


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """Return what loading the file would make, and what that would import."""
    held = read_pickle(path, kind)
    return {
        "holds": _headline(held),
        "weights": weights(held),
        "imports": list(globals_of(held)),
        "content": _show(held),
    }


def weights(held: Any) -> dict[str, Any]:
    """Return how many tensors and values there are, and of which dtypes."""
    tensors = list(_tensors(held, set()))
    return {
        "tensors": len(tensors),
        "values": sum(prod(tensor.shape) for tensor in tensors),
        "dtypes": words.counted(tensor.dtype for tensor in tensors),
    }


def _headline(held: Any) -> str:
    if is_module(held):
        return f"a pickled module, {held.made_by} (needs --trust-pickle)"
    if not isinstance(held, Mapping):
        return held.made_by if isinstance(held, Instance) else type(held).__name__
    modules = [f"'{key}': {value.made_by}" for key, value in held.items() if is_module(value)]
    if modules:
        return f"a checkpoint with pickled modules ({', '.join(modules)}; needs --trust-pickle)"
    if _is_state_dict(held):
        return "a state dict (needs --factory)"
    inside = [str(key) for key, value in held.items() if _is_state_dict(value)]
    return f"a checkpoint with state dicts under {', '.join(inside)}" if inside else "a dict"


def _is_state_dict(value: Any) -> bool:
    """Say whether a value is tensors under dotted names (an optimizer's are under numbers)."""
    names = value if isinstance(value, Mapping) else {}
    return any(isinstance(item, StoredTensor) and isinstance(k, str) for k, item in names.items())


def _tensors(value: Any, seen: set[int]) -> Iterator[StoredTensor]:
    if isinstance(value, StoredTensor):
        yield value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Instance):
        inner: Any = (value.args, value.state, value.items, value.values)
    else:
        inner = value.values() if isinstance(value, Mapping) else value
    if not isinstance(inner, str | bytes) and hasattr(inner, "__iter__"):
        for item in inner:
            yield from _tensors(item, seen)


def _show(value: Any, depth: int = 0) -> Any:
    if depth > _DEEP:
        return "..."
    if isinstance(value, StoredTensor):
        return words.tensor(value.dtype, value.shape)
    if isinstance(value, Instance):
        return _show_module(value, depth) if is_module(value) else f"<{value.made_by}>"
    if isinstance(value, Global):
        return f"<{value.path}>"
    if isinstance(value, Mapping):
        return _show_mapping(value, depth)
    if isinstance(value, list | tuple):
        shown = [_show(item, depth + 1) for item in value[:_SHOWN]]
        return shown + [f"and {len(value) - _SHOWN} more"] * (len(value) > _SHOWN)
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _show_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    tensors = {str(k): _show(v) for k, v in value.items() if isinstance(v, StoredTensor)}
    others = [(key, item) for key, item in value.items() if not isinstance(item, StoredTensor)]
    shown = {str(key): _show(item, depth + 1) for key, item in others[:_SHOWN]}
    more = {"...": f"{len(others) - _SHOWN} more"} if len(others) > _SHOWN else {}
    return {**words.tree(tensors), **shown, **more}


def _show_module(module: Instance, depth: int) -> dict[str, Any]:
    """Return a module's class, its weights and, in the same way, its children."""
    held = attributes(module)
    own = {**held.get("_parameters", {}), **held.get("_buffers", {})}
    children = held.get("_modules", {})
    return {
        "class": module.made_by,
        **{name: _show(item, depth + 1) for name, item in own.items() if item is not None},
        **{name: _show(item, depth + 1) for name, item in children.items() if item is not None},
    }
