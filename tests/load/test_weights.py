"""State dicts go in strictly, under whatever prefix they were saved."""

import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from divergence.errors import LoadError
from divergence.load.weights import load_weights


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 3)


@pytest.fixture
def saved():
    torch.manual_seed(1)
    return Net().state_dict()


def load(tmp_path, content, module=None, trust=False, name="w.pt"):
    module = Net() if module is None else module
    path = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(content, path)
    return module, load_weights(module, path, trust)


def holds(module, saved):
    return all(torch.equal(value, saved[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_plain_state_dict(tmp_path, saved, name):
    module, notes = load(tmp_path, saved, name=name)
    assert holds(module, saved)
    assert notes == (f"weights from '{name}'",)


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "a.b."])
def test_a_prefix_is_taken_off_and_said(tmp_path, saved, prefix):
    module, notes = load(tmp_path, {prefix + key: value for key, value in saved.items()})
    assert holds(module, saved)
    assert notes == (f"weights from 'w.pt', prefix '{prefix}' taken off",)


def test_a_prefix_is_added_where_the_module_has_one(tmp_path, saved):
    wrapped = nn.Sequential()
    wrapped.add_module("model", Net())
    _, notes = load(tmp_path, saved, wrapped)
    assert holds(wrapped.model, saved)
    assert notes == ("weights from 'w.pt', prefix 'model.' added",)


def test_a_training_checkpoint_with_more_than_the_network(tmp_path, saved):
    state = {f"net.{key}": value for key, value in saved.items()} | {"loss.w": torch.zeros(1)}
    module, notes = load(tmp_path, {"epoch": 3, "state_dict": state})
    assert holds(module, saved)
    assert "entry 'state_dict', prefix 'net.' taken off, 1 of" in notes[0]


def test_averaged_weights_come_first_where_both_fit(tmp_path, saved):
    other = {key: value + 1 for key, value in saved.items()}
    module, notes = load(tmp_path, {"params": other, "params_ema": saved})
    assert holds(module, saved)
    assert "entry 'params_ema'" in notes[0]


def test_an_entry_that_does_not_fit_is_passed_over(tmp_path, saved):
    module, notes = load(tmp_path, {"discriminator": {"w": torch.zeros(1)}, "generator": saved})
    assert holds(module, saved)
    assert "entry 'generator'" in notes[0]


def test_a_cast_is_said(tmp_path, saved):
    half = {k: v.half() if v.is_floating_point() else v for k, v in saved.items()}
    _, notes = load(tmp_path, half)
    assert notes[1] == "float16 weights were cast to the module's float32"


def test_old_checkpoints_do_not_count_batches(tmp_path, saved):
    del saved["body.1.num_batches_tracked"]
    module, _ = load(tmp_path, saved)
    assert torch.equal(module.head.weight, saved["head.weight"])


def test_a_misfit_names_keys_shapes_and_the_nearest(tmp_path, saved):
    saved["heads.bias"] = saved.pop("head.bias")
    saved["head.weight"] = torch.zeros(9, 2)
    words = re.escape(
        "do not fit Net (9 keys): 1 missing (head.bias); 1 unexpected (heads.bias); other shape: "
        "head.weight [9, 2] for [3, 2]. Did you mean heads.bias?"
    )
    with pytest.raises(LoadError, match=words):
        load(tmp_path, saved)


def test_a_misfit_is_told_of_the_network_and_not_of_the_optimizer(tmp_path, saved):
    del saved["head.bias"]
    extra = {f"aux.{number}": torch.zeros(1) for number in range(30)}
    content = {"optimizer": {"state": {0: {"exp_avg": torch.zeros(1)}}}, "model": saved | extra}
    with pytest.raises(LoadError, match=r"1 missing \(head.bias\); 30 unexpected \(aux.0, aux.1"):
        load(tmp_path, content)


def test_nothing_is_loaded_where_it_does_not_fit(tmp_path, saved):
    module = Net()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    del saved["head.bias"]
    with pytest.raises(LoadError):
        load(tmp_path, saved, module)
    assert holds(module, before)


def test_a_pickled_module_gives_its_weights_if_trusted(tmp_path, saved):
    source = nn.Sequential(nn.Linear(2, 2))
    path = tmp_path / "m.pt"
    torch.save({"model": source}, path)
    with pytest.raises(LoadError, match=r"holds more than tensors \(.*Sequential.*--trust-pickle"):
        load_weights(nn.Sequential(nn.Linear(2, 2)), path, trust_pickle=False)
    target = nn.Sequential(nn.Linear(2, 2))
    load_weights(target, path, trust_pickle=True)
    assert holds(target, source.state_dict())


def test_a_file_without_weights(tmp_path):
    with pytest.raises(LoadError, match="holds no state dict: no tensors under names"):
        load(tmp_path, {"epoch": 1, "lr": 0.1})
    (tmp_path / "w.txt").write_text("weights")
    with pytest.raises(LoadError, match="is a text file, not a state dict; weights are"):
        load_weights(Net(), tmp_path / "w.txt", trust_pickle=False)
