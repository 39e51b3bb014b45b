"""Factories: callables of the user's that return an `nn.Module`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.errors import LoadError
from divergence.imports import import_callable, is_callable_text

if TYPE_CHECKING:
    from torch import nn


def is_factory_text(text: str) -> bool:
    """Say whether a MODEL names a factory and not a file.

    >>> is_factory_text("timm:create_model('resnet50')"), is_factory_text("model.pt")
    (True, False)
    """
    return not Path(text).exists() and is_callable_text(text.partition("(")[0])


def call_factory(factory: str | Callable[..., Any]) -> nn.Module:
    """Return the module that the factory makes, as it makes it.

    factory: a callable, `package.module:callable` or `path/to/file.py:callable`, called without
    arguments, or with those written behind it: `timm:create_model('resnet50', num_classes=10)`,
    which are literals of Python.

    Raises:
        LoadError: it cannot be imported, it fails, or it returns something else.
    """
    from torch import nn

    text = factory if isinstance(factory, str) else _name(factory)
    args, kwargs = _literals(text) if isinstance(factory, str) else ((), {})
    function = import_callable(text.partition("(")[0]) if isinstance(factory, str) else factory
    try:
        made = function(*args, **kwargs)
    except Exception as error:
        raise LoadError(
            f"The factory '{text}' fails: {type(error).__name__}: {_first_line(error)}"
        ) from error
    if not isinstance(made, nn.Module):
        raise LoadError(
            f"The factory '{text}' returned {type(made).__name__}; it is to return an nn.Module."
        )
    return made


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _literals(text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read the arguments behind the callable's name."""
    _, bracket, written = text.partition("(")
    if not bracket:
        return (), {}
    try:
        call = ast.parse(f"f({written}", mode="eval").body
        assert isinstance(call, ast.Call)
        args = tuple(ast.literal_eval(argument) for argument in call.args)
        named = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, AssertionError):
        raise LoadError(
            f"The arguments in '{text}' are not literals of Python; write them like "
            "timm:create_model('resnet50', num_classes=10)."
        ) from None
    return args, {name: value for name, value in named.items() if name is not None}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")
