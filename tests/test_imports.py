"""Callables named as text."""

from __future__ import annotations

import math

import pytest

from divergence.errors import LoadError
from divergence.imports import import_callable, is_callable_text


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("math:sqrt", True),
        ("os.path:join", True),
        ("folder/file.py:Class.method", True),
        ("model.onnx", False),
        ("a b:c", False),
        ("random:1x3x2", False),
    ],
)
def test_the_form(text, form):
    assert is_callable_text(text) is form


def test_a_module_and_a_file(tmp_path):
    assert import_callable("math:sqrt") is math.sqrt
    path = tmp_path / "neighbour_user.py"
    (tmp_path / "neighbour_of_it.py").write_text("value = 3\n")
    path.write_text(
        "import neighbour_of_it\nclass A:\n    def b():\n        return neighbour_of_it.value\n"
    )
    assert import_callable(f"{path}:A.b")() == 3
    assert import_callable(f"{path}:A") is import_callable(f"{path}:A")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("math", "is not package.module:callable"),
        ("math:sqrrt", "has no 'sqrrt'. Did you mean sqrt"),
        ("math:pi", "is a float, which cannot be called"),
        ("no_such_module_here:x", "cannot be imported: ModuleNotFoundError"),
        ("nowhere/file.py:x", "There is no file 'nowhere/file.py'"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(LoadError, match=message):
        import_callable(text)


def test_a_file_that_fails(tmp_path):
    path = tmp_path / "breaks.py"
    path.write_text("1 / 0\n")
    with pytest.raises(LoadError, match="fails on import: ZeroDivisionError"):
        import_callable(f"{path}:x")
