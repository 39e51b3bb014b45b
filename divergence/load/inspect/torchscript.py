"""A TorchScript archive: the signature from its code, the module tree from its pickle."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from divergence.load.inspect import words
from divergence.load.inspect.checkpoint import weights
from divergence.load.kinds import Kind
from divergence.load.opcodes import Instance, StoredTensor
from divergence.load.pickled import attributes, read_pickle

_MANGLED = re.compile(r"__torch__\.|___torch_mangle_\d+\.")


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """Return class, signature, module tree and weights."""
    root = read_pickle(path, kind)
    told: dict[str, Any] = {}
    if isinstance(root, Instance):
        told["class"] = _class(root)
        told["training"] = attributes(root).get("training")
        told |= _signature(path, root)
        told["modules"] = {name: _class(item) for name, item in _modules(root, "")}
        told["state"] = dict(_state(root))
    return {**told, "weights": weights(root)}


def _class(instance: Instance) -> str:
    return _MANGLED.sub("", instance.made_by)


def _modules(instance: Instance, name: str) -> Iterator[tuple[str, Instance]]:
    yield name or "<root>", instance
    for key, value in attributes(instance).items():
        if isinstance(value, Instance) and value.made_by.startswith("__torch__"):
            yield from _modules(value, f"{name}.{key}" if name else key)


def _state(root: Instance) -> Iterator[tuple[str, str]]:
    for name, module in _modules(root, ""):
        for key, value in attributes(module).items():
            if isinstance(value, StoredTensor):
                path = key if name == "<root>" else f"{name}.{key}"
                yield path, words.tensor(value.dtype, value.shape)


def _signature(path: Path, root: Instance) -> dict[str, Any]:
    """Read `forward` in the code of the root's class."""
    module, _, name = root.made_by.rpartition(".")
    with zipfile.ZipFile(path) as archive:
        wanted = f"code/{module.replace('.', '/')}.py"
        found = [n for n in archive.namelist() if n.partition("/")[2] == wanted]
        code = archive.read(found[0]).decode("utf-8", "replace") if found else ""
    body = code[code.find(f"class {name}(") :]
    match = re.search(r"def forward\(self[^,)]*,?(.*?)\) -> (.*?):\n", body, re.DOTALL)
    if match is None:
        return {}
    inputs = (part.split(": ", 1) for part in re.split(r",\s+(?=\w+: )", match[1].strip()) if part)
    return {
        "inputs": {part[0]: _MANGLED.sub("", part[-1]) for part in inputs},
        "outputs": _MANGLED.sub("", match[2]),
    }
