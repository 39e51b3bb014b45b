"""Callables that users name as text: `package.module:callable` or `path/to/file.py:callable`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from divergence.errors import LoadError, nearest


def is_callable_text(text: str) -> bool:
    """Say whether `text` has the form `module:callable` or `file.py:callable`.

    >>> is_callable_text("package.module:build"), is_callable_text("model.onnx")
    (True, False)
    """
    module, colon, name = text.rpartition(":")
    dotted = all(part.isidentifier() for part in module.split("."))
    names = all(part.isidentifier() for part in name.split("."))
    return bool(colon) and names and (dotted or module.endswith(".py"))


def import_callable(text: str) -> Callable[..., Any]:
    """Import what `package.module:callable` or `path/to/file.py:callable` names.

    The callable's name may have dots (`module:Class.method`). The module is run: this is the
    user's own code, named on the command line.

    Raises:
        LoadError: the form is wrong, the module cannot be imported, or holds no such callable.

    >>> import_callable("math:sqrt")(9.0)
    3.0
    """
    if not is_callable_text(text):
        raise LoadError(
            f"'{text}' is not package.module:callable or path/to/file.py:callable; "
            "write the module, a colon and the callable's name."
        )
    module_text, _, name = text.rpartition(":")
    module = _import_file(module_text) if module_text.endswith(".py") else _import(module_text)
    target: Any = module
    for part in name.split("."):
        if not hasattr(target, part):
            raise LoadError(f"'{module_text}' has no '{name}'.{nearest(part, dir(target))}")
        target = getattr(target, part)
    if not callable(target):
        kind = type(target).__name__
        raise LoadError(f"'{text}' is a {kind}, which cannot be called; name a function or class.")
    return target  # type: ignore[no-any-return]  # callable() narrows Any to a callable of Any


def _import(name: str) -> ModuleType:
    # A user runs `divergence` in a project's folder and names its modules, as with `python -m`.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise LoadError(
            f"Module '{name}' cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _import_file(text: str) -> ModuleType:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise LoadError(f"There is no file '{text}' to import a callable from.")
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    # A plain module name keeps classes picklable; one already taken gets a longer one.
    name = path.stem if known is None else f"{path.stem}_{abs(hash(path)):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"'{text}' cannot be imported as a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # Files of a project import their neighbours, as when Python runs the file itself.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise LoadError(f"'{text}' fails on import: {type(error).__name__}: {error}") from error
    return module
