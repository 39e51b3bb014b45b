"""Factories: found where the user stands, called as written, and nothing but a module is taken."""

import pytest
from torch import nn

from divergence.errors import LoadError
from divergence.load.factory import call_factory, is_factory_text


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(
        "from torch import nn\n"
        "import own_parts\n"
        "def small(width=2, bias=True): return nn.Linear(width, own_parts.OUT, bias=bias)\n"
        "def broken(): raise RuntimeError('no weights\\nsecond line')\n"
        "def pair(): return small(), 'transform'\n"
        "def needs(width): return small(width)\n"
    )
    (tmp_path / "own_parts.py").write_text("OUT = 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("text", ["own_nets.py:small", "own_nets:small"])
def test_a_factory_in_the_folder_where_the_user_stands(project, text):
    assert is_factory_text(text)
    made = call_factory(text)
    assert (made.in_features, made.out_features) == (2, 3)


def test_arguments_are_literals(project):
    made = call_factory("own_nets.py:small(5, bias=False)")
    assert made.in_features == 5
    assert made.bias is None


def test_a_live_callable_is_a_factory():
    assert isinstance(call_factory(nn.ReLU), nn.ReLU)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("own_nets:broken", r"'own_nets:broken' fails: RuntimeError: no weights$"),
        ("own_nets:pair", r"returned tuple; it is to return an nn.Module"),
        ("own_nets:needs", r"fails: TypeError: needs\(\) missing 1 required positional"),
        ("own_nets:smal", r"'own_nets' has no 'smal'. Did you mean small\?"),
        ("own_nets:small(width)", r"are not literals of Python; write them like timm:create_model"),
        ("own_nets:small(1))", r"are not literals of Python"),
        ("absent.nets:small", r"Module 'absent.nets' cannot be imported: ModuleNotFoundError"),
        ("absent.py:small", r"no file 'absent.py'"),
    ],
)
def test_what_goes_wrong_is_one_sentence(project, text, words):
    with pytest.raises(LoadError, match=words):
        call_factory(text)


def test_a_file_with_a_colon_in_its_name_is_a_file(project):
    (project / "model:best").write_text("x")
    assert not is_factory_text("model:best")
    assert not is_factory_text("weights.pt")
