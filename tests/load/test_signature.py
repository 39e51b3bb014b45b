"""The parameters of `forward`, of whatever kind the model is."""

from collections.abc import Sequence
from typing import Optional

import pytest
import torch
from torch import Tensor, nn

from divergence.load.signature import Parameter, Signature, signature_of
from tests.load.models import head


class Annotated(nn.Module):
    def forward(
        self,
        x: Tensor,
        rate: int,
        feats: list[Tensor],
        gains: "tuple[Tensor, Tensor]",
        free,
        extra: Optional[dict] = None,  # noqa: UP045
        scale=2.0,
        *,
        flag: bool = True,
        either: Tensor | int = 0,
    ):
        return x


class Variadic(nn.Module):
    def forward(self, x, *rest, **named):
        return x


class Script(nn.Module):
    def forward(self, x: Tensor, sr: int, gain: float = 1.0):
        return x * gain + sr


def by_name(model):
    return {parameter.name: parameter for parameter in signature_of(model).parameters}


def test_what_annotations_and_defaults_say():
    found = by_name(Annotated())
    assert found["x"] == Parameter("x", container=False)
    assert found["rate"].scalar is int
    assert found["feats"].container
    assert found["feats"].sequence is list
    assert found["gains"].sequence is tuple
    assert found["free"] == Parameter("free")
    assert (found["extra"].container, found["extra"].required) == (True, False)
    assert (found["scale"].scalar, found["scale"].default) == (float, 2.0)
    assert (found["flag"].scalar, found["flag"].keyword_only) == (bool, True)
    assert found["either"].container is False


def test_sequences_are_containers():
    class Net(nn.Module):
        def forward(self, feats: Sequence[Tensor]):
            return feats[0]

    assert by_name(Net())["feats"].container


def test_variadic_parameters_are_named():
    found = signature_of(Variadic())
    assert (found.args, found.kwargs) == ("rest", "named")
    assert str(found) == "(x, *rest, **named)"


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_script_module_by_its_schema():
    assert signature_of(torch.jit.script(Script())).parameters == (
        Parameter("x", container=False),
        Parameter("sr", scalar=int),
        Parameter("gain", required=False, scalar=float, default=1.0),
    )


def test_an_exported_program_by_what_it_was_exported_with():
    class Net(nn.Module):
        def forward(self, x, feats, *, mask=None, unused=None):
            return x + feats[0] + mask

    zero = torch.zeros(2)
    program = torch.export.export(Net(), (zero, [zero]), {"mask": zero})
    assert signature_of(program).parameters == (
        Parameter("x", container=False),
        Parameter("feats", container=True),
        Parameter("mask", keyword_only=True, container=False),
    )


def test_an_onnx_file_by_its_inputs():
    assert signature_of(head("a", "b")) == Signature((Parameter("a"), Parameter("b")))
