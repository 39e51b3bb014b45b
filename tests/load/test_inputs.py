"""INPUT: every form is read, nothing is unpickled, and what is wrong is said."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from divergence.errors import InputError
from divergence.load.inputs import Picture, read_inputs
from divergence.load.randoms import Random


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save("a.npy", array)
    np.savez("named.npz", x=array, n=np.asarray(3))
    np.savez("ordered.npz", array, array + 1)
    torch.save(torch.from_numpy(array), "tensor.pt")
    torch.save({"x": torch.from_numpy(array), "y": [torch.ones(1), torch.zeros(1)]}, "dict.pt")
    save_file({"x": torch.from_numpy(array)}, "x.safetensors")
    Image.new("RGB", (2, 2)).save("picture.png")
    return array


def values(inputs):
    read = read_inputs(inputs)
    return [g.value for g in read.positional], {k: g.value for k, g in read.named.items()}


@pytest.mark.parametrize("name", ["a.npy", "tensor.pt"])
def test_one_array(folder, name):
    (value,), named = values(name)
    assert np.array_equal(value, folder)
    assert named == {}
    assert read_inputs(name).positional[0].source == name


@pytest.mark.parametrize("name", ["named.npz", "dict.pt", "x.safetensors"])
def test_a_file_of_names(folder, name):
    positional, named = values(name)
    assert positional == []
    assert np.array_equal(named["x"], folder)


def test_arrays_without_names_are_in_order(folder):
    (first, second), _ = values("ordered.npz")
    assert np.array_equal(second, first + 1)


def test_names_on_the_command_line(folder):
    _, named = values(["x=a.npy", "n=16000", "r=random:2x3", "flag=true", "gain=0.5"])
    assert np.array_equal(named["x"], folder)
    assert named["n"] == 16000
    assert named["r"] == Random((2, 3))
    assert (named["flag"], named["gain"]) == (True, 0.5)


def test_a_name_before_a_file_of_names_takes_them_all(folder):
    _, named = values(["batch=dict.pt"])
    assert set(named["batch"]) == {"x", "y"}
    _, named = values(["image=x.safetensors"])
    assert np.array_equal(named["image"], folder)


def test_an_equals_sign_in_a_path_is_part_of_it(folder, tmp_path):
    (tmp_path / "x=1.npy").write_bytes((tmp_path / "a.npy").read_bytes())
    (value,), _ = values("x=1.npy")
    assert np.array_equal(value, folder)


def test_images_wait_for_their_preparation():
    (value,), _ = values("picture.png")
    assert isinstance(value, Picture)
    (value,), _ = values(Image.new("L", (1, 1)))
    assert isinstance(value, Picture)


def test_python_values(folder):
    tensor = torch.ones(2, requires_grad=True)
    (value,), _ = values(tensor)
    assert isinstance(value, np.ndarray)
    (_, second), _ = values((tensor, 3))
    assert second == 3
    _, named = values({"x": [tensor, tensor], "image": "picture.png"})
    assert isinstance(named["x"][0], np.ndarray)
    assert isinstance(named["image"], Picture)


def test_bfloat16_and_booleans_survive():
    (value,), _ = values(torch.ones(2, dtype=torch.bfloat16))
    assert value.dtype.name == "bfloat16"
    (value,), _ = values(torch.ones(2, dtype=torch.bool))
    assert value.dtype == bool


def test_inputs_are_never_unpickled(tmp_path):
    np.save("objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"'objects.npy' cannot be read: Object arrays cannot"):
        read_inputs("objects.npy")
    torch.save({"x": Picture(1)}, "foreign.pt")
    with pytest.raises(
        InputError, match=r"'foreign.pt' holds more than tensors, and inputs are nev"
    ):
        read_inputs("foreign.pt")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("absent.npy", r"There is no file 'absent.npy'."),
        ("x=absent.npy", r"There is no file 'absent.npy'."),
        ("notes.txt", r"'notes.txt' is a text file; an input is an image, .npy, .npz"),
        ("cut.npy", r"'cut.npy' cannot be read: "),
        (["a.npy", "tensor.pt"], r"2 inputs are given, and 'a.npy' has no name; write NAME=INPUT"),
        (["x=a.npy", "x=a.npy"], r"The input 'x' is given twice"),
        (["named.npz", "x=a.npy"], r"The input 'x' is given twice"),
        ({"x": np.array(["a"])}, r"'value 'x'' holds <U1, not numbers"),
    ],
)
def test_what_cannot_be_read(tmp_path, inputs, words):
    (tmp_path / "notes.txt").write_text("an input")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-4])
    with pytest.raises(InputError, match=words):
        read_inputs(inputs)
