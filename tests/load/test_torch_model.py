"""MODEL: every kind of file loads as what it is, and what is missing is named."""

import pickle
import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from divergence.errors import LoadError
from divergence.load.torch_model import load_torch
from divergence.options import parse_options

FACTORY = "torch.nn:Linear(2, 3)"
SCRIPTED = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")


class Marker:
    """Nothing that torch.load takes weights-only."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    linear = nn.Linear(2, 3)
    torch.save(linear.state_dict(), "state.pt")
    save_file(linear.state_dict(), "state.safetensors")
    torch.save(linear, "module.pt")
    torch.save({"epoch": 1, "model": linear, "ema": nn.Linear(2, 4)}, "checkpoint.pt")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(linear))
    return linear


def load(model, **options):
    return load_torch(model, parse_options(options))


def test_a_live_module_is_taken_as_it_is(folder):
    loaded = load(folder)
    assert loaded.module is folder
    assert folder.training
    assert loaded.notes == ()


def test_a_factory_is_put_in_eval_mode_and_it_is_said():
    loaded = load(FACTORY)
    assert not loaded.module.training
    assert loaded.source == FACTORY
    assert loaded.notes == ("put in eval mode",)


@pytest.mark.parametrize("name", ["state.pt", "state.safetensors"])
def test_a_state_dict_needs_its_factory(folder, name):
    with pytest.raises(
        LoadError,
        match=r"without a network \(a state dict, or other values\); give the network by --factory",
    ):
        load(name)
    loaded = load(name, factory=FACTORY)
    assert torch.equal(loaded.module.weight, folder.weight)
    assert not loaded.module.training
    assert torch.equal(load(FACTORY, weights=name).module.weight, folder.weight)


@pytest.mark.parametrize("name", ["module.pt", "plain.pkl"])
def test_a_pickled_module_needs_trust(folder, name):
    with pytest.raises(LoadError, match=r"holds a pickled torch.*Linear, and .* --trust-pickle"):
        load(name)
    loaded = load(name, trust_pickle=True)
    assert torch.equal(loaded.module.weight, folder.weight)
    assert loaded.module.training  # as it was saved: the diagnosis tells


def test_a_checkpoint_gives_the_module_that_is_deployed():
    with pytest.raises(
        LoadError, match=r"a pickled torch\.nn.*Linear under 'model', .*--trust-pickle"
    ):
        load("checkpoint.pt")
    loaded = load("checkpoint.pt", trust_pickle=True)
    assert loaded.module.out_features == 4
    assert loaded.notes == ("the module under 'ema' of 'checkpoint.pt' (it also has model)",)


def test_a_pickle_without_a_module(tmp_path):
    torch.save({"marker": Marker()}, "other.pt")
    with pytest.raises(LoadError, match="without a network"):
        load("other.pt", trust_pickle=True)
    with pytest.raises(LoadError, match=r"holds more than tensors \(.*Marker\).*--trust-pickle"):
        load("other.pt", factory=FACTORY)


def test_a_pickle_of_code_that_is_not_here(tmp_path, monkeypatch):
    source = "from torch import nn\nclass Gone(nn.Module):\n    pass\n"
    (tmp_path / "vanishing.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    from vanishing import Gone

    torch.save(Gone(), "gone.pt")
    (tmp_path / "vanishing.py").unlink()
    monkeypatch.delitem(__import__("sys").modules, "vanishing")
    with pytest.raises(LoadError, match=r"needs code that is not importable here: No module named"):
        load("gone.pt", trust_pickle=True)


@SCRIPTED
def test_a_torchscript_archive():
    torch.jit.save(torch.jit.script(nn.Linear(2, 3).eval()), "model.pt")
    loaded = load("model.pt")
    assert isinstance(loaded.module, torch.jit.ScriptModule)
    assert loaded.module(torch.zeros(1, 2)).shape == (1, 3)
    with pytest.raises(
        LoadError, match=r"--weights goes into a module, and model.pt is an archive"
    ):
        load("model.pt", weights="state.pt")
    with pytest.raises(
        LoadError, match=r"--factory is given, and 'model.pt' is a TorchScript arch"
    ):
        load("model.pt", factory=FACTORY)


def test_an_exported_program_under_any_name(tmp_path):
    program = torch.export.export(nn.Linear(2, 3), (torch.zeros(1, 2),))
    torch.export.save(program, "model.pt2")
    (tmp_path / "model.pt2").rename(tmp_path / "model.bin")
    loaded = load("model.bin")
    assert loaded.module.module()(torch.zeros(1, 2)).shape == (1, 3)
    assert load(program).module is program


def test_a_damaged_archive_is_one_sentence(tmp_path):
    import zipfile

    with zipfile.ZipFile("broken.pt", "w") as archive:
        for name in ("constants.pkl", "data.pkl", "version"):
            archive.writestr(f"broken/{name}", b"3\n")
    with pytest.raises(
        LoadError, match=r"'broken.pt' is a TorchScript archive that cannot be loaded"
    ):
        load("broken.pt")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("absent.pt", "There is no file 'absent.pt'."),
        ("stat.pt", "Did you mean state.pt"),
        ({"w": 1}, "The model is a dict: a state dict has weights without a network"),
        (print, "The model is builtin_function_or_method; it is an nn.Module"),
    ],
)
def test_no_model_at_all(model, words):
    with pytest.raises(LoadError, match=re.escape(words)):
        load(model)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "net.py").write_text("# code")
    with pytest.raises(
        LoadError, match=r"'net.py' is a text file; MODEL is a TorchScript or torch"
    ):
        load("net.py")
    with pytest.raises(LoadError, match=r"MODEL is the factory '.*', and --factory is given too"):
        load(FACTORY, factory=FACTORY)
