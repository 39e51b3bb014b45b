"""What a pickle would build, read from its opcodes: nothing is imported, called or executed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from divergence.errors import LoadError
from divergence.load.kinds import Kind
from divergence.load.opcodes import Global, Instance, read_one

# What reading foreign bytes as a pickle can end in.
_DAMAGED = (
    *(ValueError, IndexError, KeyError, TypeError, AttributeError, EOFError, OverflowError),
    *(OSError, RuntimeError),
    zipfile.BadZipFile,
)


def read_pickle(path: Path, kind: Kind) -> Any:
    """Return what a checkpoint, a pickle or a TorchScript archive holds, without executing it.

    Dicts, lists and numbers are themselves; the rest is `Instance`, `StoredTensor`, `Global`.

    Raises:
        LoadError: the pickle is damaged.
    """
    try:
        if kind in (Kind.CHECKPOINT, Kind.TORCHSCRIPT):
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if n.partition("/")[2] == "data.pkl"]
                with archive.open(names[0]) as stream:
                    return read_one(stream)
        with path.open("rb") as stream:
            # The old format has three small pickles (magic, version, system) before the object.
            for _ in range(3 if kind is Kind.LEGACY_CHECKPOINT else 0):
                read_one(stream)
            return read_one(stream)
    except _DAMAGED as error:
        raise LoadError(f"'{path}' is damaged: its pickle cannot be read ({error}).") from error


def is_module(value: Any) -> bool:
    """Say whether an `Instance` is an `nn.Module`, by the attributes that each module has."""
    return isinstance(value, Instance) and {"_modules", "_parameters"} <= set(attributes(value))


def attributes(instance: Instance) -> dict[str, Any]:
    """Return what `__setstate__` would be given, where that is a dict."""
    return instance.state if isinstance(instance.state, dict) else {}


def globals_of(value: Any) -> tuple[str, ...]:
    """Return what loading the value would import beyond containers and tensors, sorted."""
    found: set[str] = set()
    seen: set[int] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Instance):
            found.add(item.made_by)
        elif isinstance(item, Global):
            found.add(item.path)
        pending.extend(_children(item))
    return tuple(sorted(found))


def _children(item: Any) -> Iterator[Any]:
    if isinstance(item, Instance):
        yield from (item.args, item.state, item.items, item.values)
    elif isinstance(item, dict):
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
