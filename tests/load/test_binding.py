"""Each value finds its place on both sides, or it is said why not."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from divergence.errors import InputError
from divergence.load.binding import bind
from divergence.load.images import Preparations
from divergence.load.inputs import Inputs, read_inputs
from divergence.load.onnx_model import OnnxInput
from divergence.load.values import Maker
from divergence.options import Options
from tests.load.models import head, recorded


def net(code, **names):
    """Return a module whose `forward` takes what `code` says."""
    space = {"Tensor": Tensor, **names}
    exec(f"def forward(self, {code}): pass", space)
    return type("Net", (nn.Module,), {"forward": space["forward"]})()


def array(value, *shape):
    return np.full(shape or (2, 3), value, np.float32)


def bound(module, model, inputs, candidate=None):
    maker = Maker(Preparations(Options(), None, {}, {}), seed=0)
    own = Inputs() if candidate is None else read_inputs(candidate)
    return bind(module, model, read_inputs(inputs), own, maker)


def marks(value):
    """Return a call's arguments with arrays as their first value."""
    if isinstance(value, dict):
        return {key: marks(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(marks(item) for item in value)
    return float(value.flat[0]) if isinstance(value, np.ndarray) else value


def calls(*args, **kwargs):
    made = bound(*args, **kwargs)
    reference = made.reference
    return marks(reference.args), marks(dict(reference.kwargs)), marks(dict(made.candidate.kwargs))


A, B, C = array(1), array(2), array(3)


def test_one_value_needs_no_name():
    assert calls(net("x"), head("images"), A) == ((1,), {}, {"images": 1})


@pytest.mark.parametrize("name", ["x", "images"])
def test_either_sides_name_will_do(name):
    assert calls(net("x"), head("images"), {name: A}) == ((1,), {}, {"images": 1})


def test_equal_names_win_over_places():
    onnx = head(OnnxInput("m", "int64"), "x")
    found = calls(net("x, m"), onnx, {"x": A, "m": np.asarray([5])})
    assert found == ((1, 5), {}, {"x": 1, "m": 5})


def test_what_has_no_equal_name_follows_in_order():
    found = calls(net("x, y, mask"), head("i", "j", "mask"), {"x": A, "y": B, "mask": C})
    assert found == ((1, 2, 3), {}, {"i": 1, "j": 2, "mask": 3})


def test_after_a_gap_values_go_by_name():
    found = calls(
        net("x, skipped=None, y=None, *, z"), head("i", "j", "k"), {"x": A, "y": B, "z": C}
    )
    assert found == ((1,), {"y": 2, "z": 3}, {"i": 1, "j": 2, "k": 3})


# --- names that mean different things -----------------------------------------------------------


def test_exchanged_names_of_a_traced_file_are_an_error():
    words = re.escape(
        "The name 'a' means different things: the parameter a of forward is the ONNX input 'b', "
        "and the ONNX input a is the parameter 'b'. Give the values in forward's order"
    )
    with pytest.raises(InputError, match=words):
        bound(net("a, b"), head("b", "a", traced=True), {"a": A, "b": B})


def test_one_name_that_means_another_parameter_is_an_error():
    with pytest.raises(InputError, match="The name 'mask' means different things"):
        bound(net("x, mask"), head("mask", "other", traced=True), {"x": A, "mask": B})


def test_values_in_order_need_no_names():
    found = calls(net("a, b"), head("b", "a", traced=True), (A, B))
    assert found == ((1, 2), {}, {"b": 1, "a": 2})


def test_the_dynamo_exporter_knows_what_a_name_means():
    onnx = head(recorded("b", "a"), recorded("a", "b"))
    assert calls(net("a, b"), onnx, (A, B))[2] == {"b": 1, "a": 2}
    with pytest.raises(InputError, match="The name 'a' means different things"):
        bound(net("a, b"), onnx, {"a": A, "b": B})
    reordered = head(recorded("b", "b"), recorded("a", "a"))
    assert calls(net("a, b"), reordered, {"a": A, "b": B})[2] == {"b": 2, "a": 1}


def test_a_file_of_another_exporter_with_crossed_names_is_undecided():
    words = (
        r"cannot be told: their names and their order say different things. The reference takes "
        r"a \[2, 3\], b \[2, 3\]; the ONNX file takes b float32, a float32. Name the reference"
    )
    for inputs in ((A, B), {"a": A, "b": B}):
        with pytest.raises(InputError, match=words):
            bound(net("a, b"), head("b", "a"), inputs)


def test_shapes_decide_between_names_and_order():
    onnx = head(OnnxInput("b", "float32", (2, 3)), OnnxInput("a", "float32", (2, 4)))
    found = calls(net("a, b"), onnx, {"a": array(1, 2, 4), "b": B})
    assert found == ((1, 2), {}, {"b": 2, "a": 1})


def test_the_candidates_own_values_settle_it():
    found = calls(net("a, b"), head("b", "a"), {"a": A, "b": B}, {"b": A, "a": B})
    assert found == ((1, 2), {}, {"b": 1, "a": 2})


# --- fewer or more inputs than forward ----------------------------------------------------------


def test_a_number_written_into_the_file():
    found = calls(net("x, n: int = 3"), head("images"), {"x": A, "n": 4})
    assert found == ((1, 4), {}, {"images": 1})


def test_a_default_that_the_exporter_made_an_input():
    onnx = head("i", OnnxInput("scale_1", "float64", ()))
    assert calls(net("x, scale: float = 2.0"), onnx, A) == ((1, 2.0), {}, {"i": 1, "scale_1": 2.0})


def test_a_tensor_written_into_the_file_is_noted():
    onnx = head(OnnxInput("i", "float32", (2, 3)))
    made = bound(net("x, mask"), onnx, (A, array(9, 7)))
    assert marks(made.reference.args) == (1, 9)
    (note,) = made.notes
    assert note.startswith(
        "'mask' is an input of the reference alone: the ONNX file has it written"
    )


def test_which_of_two_was_written_into_the_file_is_undecided():
    with pytest.raises(InputError, match=r"cannot be told: 2 ways fit. The reference takes x"):
        bound(net("x, mask"), head("i"), (A, B))


def test_an_input_of_the_file_alone():
    onnx = head(OnnxInput("input", "float32"), OnnxInput("state", "float32"))
    made = bound(net("x"), onnx, {"x": A, "state": B})
    assert marks(dict(made.candidate.kwargs)) == {"input": 1, "state": 2}
    assert made.notes == ("'state' is an input of the ONNX file alone",)
    assert not any(item.own for item in made.inputs)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": A}, "Nothing is given for the reference's input 'y'. It takes (x, y); give y=INPUT"),
        ({"x": A, "yy": B}, "Nothing takes the input 'yy' (from value 'yy'). Did you mean y?"),
        ({"x": A, "y": B, "z": C}, "The reference takes (x, y), the ONNX file takes (i, j)."),
        ((A, B, C), "3 inputs are given in order, and the reference takes 2: (x, y)."),
    ],
)
def test_too_few_or_too_many(inputs, words):
    with pytest.raises(InputError, match=re.escape(words)):
        bound(net("x, y"), head("i", "j"), inputs)


def test_names_of_the_file_that_tell_nothing_of_forward():
    words = (
        "i, j name inputs of the ONNX file, and which parameters of the reference they are cannot"
    )
    with pytest.raises(InputError, match=words):
        bound(net("ids=None, mask=None, types=None"), head("i", "j"), {"i": A, "j": B})


def test_an_onnx_input_without_a_value():
    words = "Nothing is given for the ONNX input state float32 [2, ?]; give state=INPUT."
    onnx = head(OnnxInput("x", "float32"), OnnxInput("state", "float32", (2, None)))
    with pytest.raises(InputError, match=re.escape(words)):
        bound(net("x"), onnx, {"x": A})


# --- containers ---------------------------------------------------------------------------------

LIST = head("feats_0", "feats_1")
RECORDED = head(recorded("feats_0", "feats_0"), recorded("feats_1", "feats_1"))
GENERIC = head("onnx::Mul_0", "onnx::Add_1", traced=True)


@pytest.mark.parametrize("onnx", [LIST, RECORDED, GENERIC])
@pytest.mark.parametrize(
    "inputs",
    [
        ([A, B],),
        [A, B],
        {"feats": [A, B]},
        {"feats.0": A, "feats.1": B},
        {"feats_0": A, "feats_1": B},
    ],
)
def test_a_list(onnx, inputs):
    args, _, candidate = calls(net("feats, scale: float = 2.0"), onnx, inputs)
    assert args[0] == [1, 2] or (args[0] == (1, 2) and isinstance(inputs, tuple))
    assert list(candidate.values()) == [1, 2]


def test_a_group_becomes_what_is_declared():
    module = net("feats: tuple[Tensor, Tensor]")
    assert calls(module, LIST, {"feats_0": A, "feats_1": B})[0] == ((1, 2),)


@pytest.mark.parametrize(
    "onnx",
    [
        head("z", "a"),
        head("batch.z", "batch.a"),
        head(recorded("p", "batch_z"), recorded("q", "batch_a")),
    ],
)
@pytest.mark.parametrize(
    "inputs", [{"z": A, "a": B}, {"batch": {"z": A, "a": B}}, ({"z": A, "a": B},)]
)
def test_a_dict(onnx, inputs):
    args, _, candidate = calls(net("batch"), onnx, inputs)
    assert args == ({"z": 1, "a": 2},)
    assert list(candidate.values()) == [1, 2]


def test_keys_of_a_dict_are_known_in_any_order():
    assert calls(net("batch"), head("z", "a"), {"a": B, "z": A})[2] == {"z": 1, "a": 2}


def test_entries_that_only_order_tells_apart_are_noted():
    assert bound(net("batch"), GENERIC, {"a": B, "z": A}).notes == (
        "the entries of 'batch' are told apart by their order alone",
    )
    assert bound(net("batch"), LIST, {"feats_0": B, "feats_1": A}).notes == ()


def test_containers_in_containers():
    onnx = head(recorded("x", "x"), recorded("p", "extra_k_0"), recorded("q", "extra_j"))
    inputs = {"x": A, "extra.k.0": B, "extra.j": C}
    assert calls(net("x, extra"), onnx, inputs) == (
        (1, {"k": [2], "j": 3}),
        {},
        {"x": 1, "p": 2, "q": 3},
    )


@pytest.mark.parametrize("name", ["x.1", "x_1"])
def test_a_name_that_an_exporter_numbered_is_no_part(name):
    assert calls(net("x"), head(name, traced=True), {name: A}) == ((1,), {}, {name: 1})


def test_a_name_with_an_underscore_is_not_a_part():
    found = calls(net("x, x_mask"), head("i", "j"), {"x": A, "x_mask": B})
    assert found == ((1, 2), {}, {"i": 1, "j": 2})
    with pytest.raises(InputError, match="Nothing takes the input 'x_mask'"):
        bound(net("x: Tensor"), head("i"), {"x_mask": A})


# --- variadic forwards --------------------------------------------------------------------------


def test_names_of_the_file_reach_a_variadic_forward():
    module = net("x, *args, **kwargs")
    found = calls(module, head("images", "text", traced=True), {"images": A, "text": B})
    assert found == ((1,), {"text": 2}, {"images": 1, "text": 2})
    assert calls(module, head("images"), {"x": A}) == ((1,), {}, {"images": 1})
    found = calls(module, head("images", "text"), {"x": A, "text": B})
    assert found == ((1,), {"text": 2}, {"images": 1, "text": 2})


def test_values_in_order_reach_a_variadic_forward():
    assert calls(net("*xs"), head("i", "j"), (A, B)) == ((1, 2), {}, {"i": 1, "j": 2})
    onnx = head(recorded("xs_0", "xs_0"), recorded("xs_1", "xs_1"), recorded("q", "q"))
    found = calls(net("*xs, **kw"), onnx, {"xs_0": A, "xs_1": B, "q": C})
    assert found == ((1, 2), {"q": 3}, {"xs_0": 1, "xs_1": 2, "q": 3})


# --- numbers, dtypes, shapes --------------------------------------------------------------------


@pytest.mark.parametrize("rate", [np.asarray(16000), torch.tensor(16000), 16000])
@pytest.mark.parametrize("code", ["x, sr: int", "x, sr=8000"])
def test_a_number_where_it_is_declared(rate, code):
    onnx = head("i", OnnxInput("sr", "int64", ()))
    made = bound(net(code), onnx, {"x": A, "sr": rate})
    assert type(made.reference.args[1]) is int
    assert made.candidate.kwargs["sr"].dtype == np.int64
    assert made.candidate.kwargs["sr"].shape == ()


def test_a_tensor_where_it_is_declared():
    made = bound(net("x, sr: Tensor"), head("i", "sr"), {"x": A, "sr": 2})
    assert made.reference.args[1].shape == ()
    undeclared = bound(net("x, sr"), head("i", "sr"), {"x": A, "sr": np.asarray(2.0)})
    assert isinstance(undeclared.reference.args[1], np.ndarray)


def test_a_number_fills_an_input_of_one_element():
    made = bound(net("x, n: int"), head("i", OnnxInput("n", "int32", (1,))), {"x": A, "n": 7})
    assert made.candidate.kwargs["n"].tolist() == [7]
    assert made.candidate.kwargs["n"].dtype == np.int32


def test_doubles_become_what_the_file_takes():
    made = bound(net("x"), head("i"), A.astype(np.float64))
    assert made.reference.args[0].dtype == made.candidate.kwargs["i"].dtype == np.float32


def test_a_half_precision_file_is_fed_half_and_it_is_noted():
    made = bound(net("x"), head(OnnxInput("i", "float16")), A)
    assert made.reference.args[0].dtype == np.float32
    assert made.candidate.kwargs["i"].dtype == np.float16
    assert made.notes == ("'i': float32 cast to float16",)


def test_integers_are_cast_where_they_fit():
    onnx = head(OnnxInput("i", "int32"))
    assert bound(net("x"), onnx, np.asarray([5])).candidate.kwargs["i"].dtype == np.int32
    with pytest.raises(InputError, match=r"has values from 5 to 1099511627776, which int32, the"):
        bound(net("x"), onnx, np.asarray([5, 2**40]))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (A.astype(np.uint8), "is uint8 [2, 3], which is not the dtype of the ONNX input i float32"),
        (A.astype(bool), "is bool [2, 3], which is not the dtype of"),
        (
            array(1, 2, 4),
            "is float32 [2, 4], which is not the shape of the ONNX input i float32 [?, 3]",
        ),
        (
            array(1, 3),
            "which is not the shape of the ONNX input i float32 [?, 3]. Add a first axis",
        ),
    ],
)
def test_a_value_that_does_not_fit(value, words):
    with pytest.raises(InputError, match=re.escape(words)):
        bound(net("x"), head(OnnxInput("i", "float32", (None, 3))), value)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ((1, 5, 4, 3), "The file takes channels last: give it its own value by --candidate-input."),
        ((1, 4, 3, 5), "Its channels come last and the file takes them first: transpose it."),
    ],
)
def test_layouts_are_recognised(wanted, words):
    with pytest.raises(InputError, match=words):
        bound(net("x"), head(OnnxInput("i", "float32", wanted)), array(1, 1, 3, 5, 4))


def test_a_sequence_cannot_be_fed():
    with pytest.raises(InputError, match="The ONNX input 'i' is no tensor"):
        bound(net("x"), head(OnnxInput("i")), A)


def test_random_values_are_the_same_on_both_sides():
    onnx = head(OnnxInput("ids", "int64", (1, 9), limit=4))
    made = bound(net("tokens"), onnx, "random:1x9")
    assert made.reference.args[0].dtype == np.int64
    assert made.reference.args[0].max() < 4
    assert np.array_equal(made.reference.args[0], made.candidate.kwargs["ids"])


# --- the candidate's own inputs -----------------------------------------------------------------


@pytest.mark.parametrize("own", [B, (B,), {"images": B}, {"x": B}])
def test_the_candidate_is_fed_something_else(own):
    made = bound(net("x"), head("images"), A, own)
    assert marks(made.reference.args) == (1,)
    assert marks(dict(made.candidate.kwargs)) == {"images": 2}
    assert marks(dict(made.shared.kwargs)) == {"images": 1}
    assert [item.own for item in made.inputs] == [True]


def test_the_same_value_is_not_its_own():
    made = bound(net("x"), head("images"), A, A.copy())
    assert not made.inputs[0].own


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [((2, 3), (2, 9, 1)), ((1, 8, 6), (1, 6, 8)), ((2, 8), (3, 9)), ((1, 512), (1, 576))],
)
def test_a_value_of_another_shape_has_no_stand_in(ours, theirs):
    made = bound(net("x"), head("i"), array(1, *ours), array(2, *theirs))
    assert marks(dict(made.shared.kwargs)) == {"i": 2}
    assert made.notes == ("'x': the two sides take values of different shapes, each its own",)


def test_a_value_with_more_rows_has_one():
    made = bound(net("x"), head("i"), array(1, 1, 4, 8), array(2, 1, 3, 8))
    assert made.shared.kwargs["i"].shape == (1, 4, 8)


def test_a_picture_of_another_size_has_one():
    made = bound(net("x"), head("i"), array(1, 1, 3, 8, 8), array(2, 1, 3, 4, 8))
    assert made.shared.kwargs["i"].shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (
            {"image": B},
            "The candidate input 'image' is no input of the ONNX file. Did you mean ima",
        ),
        ((A, B), "2 candidate inputs are given without a name, and the ONNX file takes 1: images"),
    ],
)
def test_a_candidate_input_without_a_place(own, words):
    with pytest.raises(InputError, match=re.escape(words)):
        bound(net("x"), head("images"), A, own)


# --- an ONNX file as the reference --------------------------------------------------------------


def test_two_files_are_bound_by_name():
    made = bound(head("a", "b"), head("b", "a"), {"a": A, "b": B})
    assert made.reference.args == ()
    assert marks(dict(made.reference.kwargs)) == {"a": 1, "b": 2}
    assert marks(dict(made.candidate.kwargs)) == {"b": 2, "a": 1}


def test_two_files_in_order_where_names_were_changed():
    found = calls(head("a", "b"), head("in0", "in1"), (A, B))
    assert found == ((), {"a": 1, "b": 2}, {"in0": 1, "in1": 2})


def test_the_reference_file_says_what_it_takes_too():
    reference = head(OnnxInput("a", "float32", (9,)))
    with pytest.raises(InputError, match=r"is not the shape of the ONNX input a float32 \[9\]"):
        bound(reference, head("b"), A)
