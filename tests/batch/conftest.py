import pytest

from tests.batch.networks import network, write_inputs
from tests.postprocess.networks import exported


@pytest.fixture
def right(tmp_path):
    """A file of the network."""
    return str(exported(tmp_path / "right.onnx"))


@pytest.fixture
def wrong(tmp_path):
    """A file whose second layer is scaled in one class: the first class wins too often."""
    net = network()
    state = net.state_dict()
    state["second.weight"][0] *= 4
    return str(exported(tmp_path / "wrong.onnx", net=net))


@pytest.fixture
def folder(tmp_path):
    write_inputs(tmp_path / "set")
    return tmp_path / "set"
