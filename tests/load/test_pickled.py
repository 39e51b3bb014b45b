"""Pickles are read by their opcodes: everything in them is seen, nothing of it happens."""

import collections
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from divergence.errors import LoadError
from divergence.load.kinds import Kind, kind_of
from divergence.load.opcodes import Instance, StoredTensor
from divergence.load.pickled import (
    attributes,
    globals_of,
    is_module,
    read_pickle,
)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "boom"))


def read(path):
    return read_pickle(path, kind_of(path))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_shapes_and_dtypes(tmp_path, zipped):
    state = {"w": torch.zeros(2, 3), "b": torch.zeros((), dtype=torch.bfloat16), "n": 3}
    path = tmp_path / "w.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    assert read(path) == {
        "w": StoredTensor((2, 3), "float32"),
        "b": StoredTensor((), "bfloat16"),
        "n": 3,
    }
    assert globals_of(read(path)) == ()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_module_is_seen_with_its_children_and_their_classes(tmp_path, zipped):
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    torch.save(module, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    held = read(tmp_path / "m.pt")
    assert is_module(held)
    assert held.made_by == "torch.nn.modules.container.Sequential"
    linear = attributes(held)["_modules"]["0"]
    assert attributes(linear)["_parameters"]["weight"] == StoredTensor((3, 2), "float32")
    assert "torch.nn.modules.activation.ReLU" in globals_of(held)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_is_read(protocol, tmp_path):
    value = {
        "none": None,
        "numbers": [1, -(2**70), 1.5, True],
        "text": ("a", b"b"),
        "nested": {"deep": [(), {}, [[]]]},
        "ordered": collections.OrderedDict(a=1),
        "range": range(3),
    }
    path = tmp_path / "any.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    held = read_pickle(path, Kind.PICKLE)
    for key in ("none", "numbers", "nested", "ordered"):
        assert held[key] == value[key]
    assert isinstance(held["range"], Instance)
    assert held["range"].made_by.endswith(("builtins.range", "__builtin__.xrange"))


def test_one_object_in_two_places_is_one(tmp_path):
    shared = [1]
    path = tmp_path / "shared.pkl"
    path.write_bytes(pickle.dumps([shared, shared]))
    held = read(path)
    assert held[0] is held[1]


@pytest.mark.parametrize("save", [torch.save, lambda v, p: p.write_bytes(pickle.dumps(v))])
def test_nothing_in_a_pickle_happens(save, tmp_path):
    save({"weights": torch.zeros(1), "trap": Bomb(tmp_path / "boom")}, tmp_path / "evil.pt")
    held = read(tmp_path / "evil.pt")
    assert not (tmp_path / "boom").exists()
    assert held["trap"].made_by.endswith("Path.write_text")


def test_a_damaged_pickle_is_one_sentence(tmp_path):
    path = tmp_path / "cut.pkl"
    path.write_bytes(pickle.dumps({"text": "x" * 100})[:60])
    with pytest.raises(LoadError, match=r"cut.pkl' is damaged: its pickle cannot be read \("):
        read(path)
