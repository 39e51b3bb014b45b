"""From what the user names to two runners and their calls."""

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from divergence.errors import InputError, LoadError
from divergence.load.case import load_case
from divergence.options import parse_options
from tests.load.models import FLOAT, INT, model


def case(reference, onnx, inputs, **options):
    return load_case(reference, onnx, inputs, parse_options(options))


def outputs(made):
    reference = made.reference.run(made.reference_call)
    return reference[0], made.candidate.run(made.candidate_call)[0]


@pytest.fixture
def relu(tmp_path):
    path = tmp_path / "relu.onnx"
    path.write_bytes(model().SerializeToString())
    return path


X = np.asarray([[-1.0, 0.0, 1.0, 2.0]], np.float32)


@pytest.mark.parametrize("inputs", [X, torch.from_numpy(X), (X,), {"x": X}, {"input": X}])
def test_a_module_against_a_file(relu, inputs):
    made = case(nn.ReLU(), relu, inputs)
    reference, candidate = outputs(made)
    assert reference.tolist() == candidate.tolist() == [[0, 0, 1, 2]]
    assert made.module is not None
    assert made.judged_call == made.candidate_call
    assert not made.inputs_differ


def test_a_model_in_memory_and_a_factory(relu):
    reference, candidate = outputs(case("torch.nn:ReLU", model(), X))
    assert reference.tolist() == candidate.tolist()


def test_a_file_against_a_file(relu):
    made = case(relu, model(), "random:1x4")
    reference, candidate = outputs(made)
    assert np.array_equal(reference, candidate)
    assert made.module is None
    with pytest.raises(LoadError, match=r"MODEL is an ONNX file, which needs no --factory and no"):
        case(relu, relu, X, factory="torch.nn:ReLU")


def test_integers_and_several_inputs():
    class Pick(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(30, 4)

        def forward(self, ids, gain: float = 1.0):
            return self.table(ids) * gain

    module = Pick()
    weight = numpy_helper.from_array(module.table.weight.detach().numpy(), "w")
    nodes = [
        helper.make_node("Gather", ["w", "ids"], ["g"]),
        helper.make_node("Mul", ["g", "k"], ["y"]),
    ]
    inputs = [
        helper.make_tensor_value_info("ids", INT, [1, 9]),
        helper.make_tensor_value_info("k", FLOAT, []),
    ]
    made = case(module, model(nodes, inputs, [weight]), ["ids=random:1x9", "k=2.5"])
    reference, candidate = outputs(made)
    assert np.array_equal(reference, candidate)
    assert made.reference_call.args[1] == 2.5


def test_the_report_says_what_went_where(relu, tmp_path):
    np.save(tmp_path / "x.npy", X)
    told = case(nn.ReLU(), relu, tmp_path / "x.npy", candidate_inputs=X + 1).describe_inputs()
    assert told == {
        "input": {
            "reference": {
                "name": "input",
                "dtype": "float32",
                "shape": [1, 4],
                "source": str(tmp_path / "x.npy"),
            },
            "candidate": {
                "name": "x",
                "dtype": "float32",
                "shape": [1, 4],
                "source": "the value",
            },
        }
    }


def test_notes_of_loading_are_kept(relu):
    made = case("torch.nn:ReLU", relu, X)
    assert made.described["reference"] == {"source": "torch.nn:ReLU", "notes": ["put in eval mode"]}
    assert made.described["candidate"] == {"source": str(relu)}


def test_errors_come_before_anything_runs(relu):
    with pytest.raises(LoadError, match=r"There is no file 'absent.onnx'"):
        case(nn.ReLU(), "absent.onnx", X)
    with pytest.raises(InputError, match="which is not the shape of the ONNX input x float32"):
        case(nn.ReLU(), relu, np.zeros((1, 5), np.float32))


def test_a_device_or_a_provider_that_is_not_here(relu):
    with pytest.raises(LoadError, match="The device 'cuda:7' cannot be used here: "):
        case(nn.ReLU(), relu, X, device="cuda:7")
    with pytest.raises(
        LoadError, match=r"has no 'NoneExecutionProvider'; it has .*CPUExecutionProv"
    ):
        case(nn.ReLU(), relu, X, provider="NoneExecutionProvider")


def test_an_operator_that_the_runtime_does_not_know():
    odd = model([helper.make_node("Relux", ["x"], ["y"])])
    made = case(nn.ReLU(), odd, X)
    with pytest.raises(
        LoadError, match=r"ONNX Runtime cannot load the ONNX model: .*Relux"
    ) as caught:
        made.candidate.run(made.candidate_call)
    assert "\n" not in str(caught.value)


def test_an_opset_that_the_runtime_does_not_know():
    made = case(nn.ReLU(), model(opset=999), X)
    with pytest.raises(
        LoadError, match=r"ONNX Runtime cannot load .*opset 999 of .*lower opset"
    ) as caught:
        made.candidate.run(made.candidate_call)
    assert "\n" not in str(caught.value)


def test_a_module_stored_in_half_precision_runs_as_the_file_does(relu, tmp_path):
    module = nn.Sequential(nn.ReLU(), nn.Linear(4, 4)).half()
    torch.save(module, tmp_path / "half.pt")
    made = case(tmp_path / "half.pt", relu, X, trust_pickle=True)
    assert made.described["reference"]["notes"][-1] == (
        "stored in float16, run in float32 as the ONNX file is"
    )
    assert made.module[1].weight.dtype == torch.float32
    live = case(module, relu, X)
    assert live.module[1].weight.dtype == torch.float16
