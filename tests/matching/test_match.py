"""What is paired with what, on programs small enough to read."""

from __future__ import annotations

import numpy as np
import pytest

from divergence.matching import match
from divergence.matching.chains import chains
from divergence.matching.graph import Graph
from divergence.records import Match, Pairing, Program
from tests.matching.programs import Sketch

RANDOM = np.random.default_rng(0)
KERNELS = [RANDOM.normal(size=(8, 8, 3, 3)).astype("float32") for _ in range(4)]
IMAGE = (1, 8, 6, 6)


def torch_net(norm: bool = True, activation: str = "relu") -> Program:
    """conv, batch norm, activation, four times; the last without activation."""
    sketch = Sketch("op")
    value = sketch.input("x", IMAGE)
    for i, kernel in enumerate(KERNELS):
        value = sketch.op(
            f"conv{i}", "convolution", IMAGE, [value], [sketch.weight(f"w{i}", kernel)]
        )
        if norm:
            value = sketch.op(f"bn{i}", "batch_norm", IMAGE, [value], norm_weights(sketch, i))
        if i < 3:
            value = sketch.op(f"act{i}", activation, IMAGE, [value])
    return sketch.program(value)


def statistics(i: int) -> list[np.ndarray]:
    given = np.random.default_rng(100 + i)
    scale, shift, mean = given.normal(1, 0.3, 8), given.normal(size=8), given.normal(size=8)
    return [np.abs(scale) + 0.2, shift, mean, given.uniform(0.5, 2, 8)]


def norm_weights(sketch: Sketch, i: int) -> list[str]:
    return [sketch.weight(f"bn{i}.{n}", v.astype("float32")) for n, v in enumerate(statistics(i))]


def folded(i: int) -> tuple[np.ndarray, np.ndarray]:
    scale, shift, mean, variance = statistics(i)
    gain = scale / np.sqrt(variance + 1e-5)
    return (KERNELS[i] * gain[:, None, None, None]).astype("float32"), shift - mean * gain


def onnx_net(fold: bool = True, drop: str = "", order: tuple[int, ...] = (0, 1, 2, 3)) -> Program:
    """The file of `torch_net`; `drop` names a value whose node is missing."""
    sketch = Sketch("node")
    value = sketch.input("in", IMAGE)
    for i in order:
        kernel, bias = folded(i) if fold else (KERNELS[i], None)
        weights = [sketch.weight(f"k{i}", kernel)]
        weights += [sketch.weight(f"b{i}", bias.astype("float32"))] if bias is not None else []
        value = sketch.op(f"c{i}", "Conv", IMAGE, [value], weights)
        if not fold and drop != f"n{i}":
            value = sketch.op(
                f"n{i}", "BatchNormalization", IMAGE, [value], norm_weights(sketch, i)
            )
        if i < 3 and drop != f"r{i}":
            value = sketch.op(f"r{i}", "Relu", IMAGE, [value])
    return sketch.program(value)


def pairs(pairing: Pairing) -> dict[str, str]:
    return {m.reference: m.candidate for m in pairing.matches}


def test_a_folded_batch_norm_is_the_value_of_the_convolution():
    found = match(torch_net(), onnx_net())
    assert pairs(found)["bn1"] == "c1"
    assert "conv1" not in pairs(found)
    reason = next(u.reason for u in found.unpaired if u.site == "conv1")
    assert reason == "a step towards 'c1', which the other side makes in one"


def test_an_unfolded_batch_norm_stands_opposite_its_own():
    found = pairs(match(torch_net(), onnx_net(fold=False)))
    assert (found["conv1"], found["bn1"]) == ("c1", "n1")


def test_a_missing_batch_norm_is_not_taken_for_a_folded_one():
    found = pairs(match(torch_net(), onnx_net(fold=False, drop="n1")))
    assert found["conv1"] == "c1"
    assert "bn1" not in found
    assert found["act1"] == "r1"


def test_a_missing_activation_does_not_shift_what_follows():
    found = pairs(match(torch_net(), onnx_net(drop="r1")))
    assert "act1" not in found
    assert found["bn1"] == "c1"
    assert (found["bn2"], found["act2"], found["bn3"]) == ("c2", "r2", "c3")


def test_another_activation_stands_in_the_place_of_the_right_one():
    found = pairs(match(torch_net(activation="gelu"), onnx_net()))
    assert (found["act0"], found["act1"]) == ("r0", "r1")


def test_every_site_is_paired_or_has_a_reason():
    reference, candidate = torch_net(), onnx_net()
    found = match(reference, candidate)
    alone = {(u.side, u.site) for u in found.unpaired}
    for site in reference.sites:
        assert (site.name in pairs(found)) != (("reference", site.name) in alone)
    for site in candidate.sites:
        assert (site.name in pairs(found).values()) != (("candidate", site.name) in alone)


@pytest.mark.parametrize("noise", [0.1, 0.4])
def test_changed_weights_are_found_again(noise):
    kept = KERNELS[0]
    KERNELS[0] = kept + noise * RANDOM.normal(size=kept.shape).astype("float32")
    try:
        reference = torch_net()
    finally:
        KERNELS[0] = kept
    assert pairs(match(reference, onnx_net()))["bn0"] == "c0"


def test_another_checkpoint_is_the_same_network():
    other = Sketch("node")
    value = other.input("in", IMAGE)
    for i in range(4):
        kernel = np.random.default_rng(50 + i).normal(size=(8, 8, 3, 3)).astype("float32")
        value = other.op(f"c{i}", "Conv", IMAGE, [value], [other.weight(f"k{i}", kernel)])
        value = other.op(f"r{i}", "Relu", IMAGE, [value]) if i < 3 else value
    found = match(torch_net(norm=False), other.program(value))
    assert found.unlike == ()
    assert pairs(found)["conv2"] == "c2"


def test_another_architecture_ends_without_pairs_and_with_evidence():
    other = Sketch("node")
    value = other.input("in", IMAGE)
    for i in range(12):
        kernel = np.random.default_rng(i).normal(size=(16, 8 if i == 0 else 16, 1, 1))
        weight = other.weight(f"k{i}", kernel.astype("float32"))
        value = other.op(f"c{i}", "Conv", (1, 16, 6, 6), [value], [weight])
    found = match(torch_net(), other.program(value))
    assert found.matches == ()
    assert found.unlike[0].name == "layers with weights"
    assert (found.unlike[0].reference, found.unlike[0].candidate) == (4, 12)
    assert "does not look like the same network" in found.unpaired[0].reason


def test_two_layers_more_and_no_weight_in_common_is_another_network():
    ours, theirs = Sketch("op"), Sketch("node")
    value, other = ours.input("x", IMAGE), theirs.input("in", IMAGE)
    for i in range(14):
        kernels = np.random.default_rng(i).normal(size=(2, 8, 8, 3, 3)).astype("float32")
        other = theirs.op(f"c{i}", "Conv", IMAGE, [other], [theirs.weight(f"k{i}", kernels[0])])
        other = theirs.op(f"r{i}", "Relu", IMAGE, [other])
        if i < 12:
            weight = ours.weight(f"w{i}", kernels[1])
            value = ours.op(f"conv{i}", "convolution", IMAGE, [value], [weight])
            value = ours.op(f"relu{i}", "relu", IMAGE, [value])
    assert match(ours.program(value), theirs.program(other)).matches == ()


@pytest.mark.parametrize("swapped", [True, False])
def test_other_steps_between_layers_without_a_weight_in_common_are_another_network(swapped):
    ours, theirs = Sketch("op"), Sketch("node")
    value, other = ours.input("x", IMAGE), theirs.input("in", IMAGE)
    for i in range(6):
        kernels = np.random.default_rng(i).normal(size=(2, 8, 8, 3, 3)).astype("float32")
        weight = ours.weight(f"w{i}", kernels[1])
        value = ours.op(f"conv{i}", "convolution", IMAGE, [value], [weight])
        value = ours.op(f"gelu{i}", "gelu", IMAGE, [value])
        other = theirs.op(f"c{i}", "Conv", IMAGE, [other], [theirs.weight(f"k{i}", kernels[0])])
        gelu = theirs.op(f"g{i}", "Gelu", IMAGE, [other])
        other = theirs.op(f"n{i}", "Sin", IMAGE, [gelu])
        other = theirs.op(f"s{i}", "Mul", IMAGE, [gelu, other])
    programs = ours.program(value), theirs.program(other)
    found = match(*reversed(programs)) if swapped else match(*programs)
    assert found.matches == ()
    alone = {e.name: (e.reference, e.candidate) for e in found.unlike}[
        "steps of its own between layers"
    ]
    assert sorted(alone) == [0, 10]


@pytest.mark.parametrize(("alpha", "partner"), [(0.25, "scaled"), (1.0, "product")])
def test_a_product_that_took_in_a_scale_stands_opposite_the_scaled_one(alpha, partner):
    ours, theirs = Sketch("op"), Sketch("node")
    value, other = ours.input("x", (1, 6, 6)), theirs.input("x", (1, 6, 6))
    value = ours.op("product", "bmm", (1, 6, 6), [value, value])
    value = ours.op("scaled", "mul", (1, 6, 6), [value], attributes={"other": 0.25})
    other = theirs.op("v", "FusedMatMul", (1, 6, 6), [other, other], attributes={"alpha": alpha})
    value, other = (
        ours.op("y", "tanh", (1, 6, 6), [value]),
        theirs.op("z", "Tanh", (1, 6, 6), [other]),
    )
    found = pairs(match(ours.program(value), theirs.program(other)))
    assert found == {"x": "x", partner: "v", "y": "z"}


def fused_norm(kind: str) -> Program:
    """A linear layer, the sum with what it read, a norm of it, a product of both."""
    sketch, shape = Sketch(kind), (1, 4, 8)
    generator = np.random.default_rng(5)
    parameters = {
        n: generator.normal(size=s) for n, s in (("w", (8, 8)), ("b", 8), ("g", 8), ("o", 8))
    }
    w, b, g, o = (sketch.weight(f"{kind}.{n}", v.astype("float32")) for n, v in parameters.items())
    x = sketch.op("a", "Tanh", shape, [sketch.input("x", shape)])
    if kind == "op":
        fc = sketch.op("fc", "linear", shape, [x], [w, b])
        total = sketch.op("sum", "add", shape, [x, fc])
        norm = sketch.op("norm", "layer_norm", shape, [total], [g, o])
    else:
        fc = sketch.op("v_product", "MatMul", shape, [x], [sketch.weight("t", parameters["w"].T)])
        made = {"inputs": [fc, x], "weights": [g, o, b], "op": "SkipLayerNormalization"}
        norm = sketch.op("v_norm", shape=shape, attributes={"divergence.output": 0}, **made)
        total = sketch.op("v_sum", shape=shape, attributes={"divergence.output": 3}, **made)
    return sketch.program(sketch.op("y" if kind == "op" else "v_y", "mul", shape, [total, norm]))


def test_a_bias_inside_a_norm_of_a_sum_is_no_value_of_the_product_before_it():
    found = pairs(match(fused_norm("op"), fused_norm("node")))
    assert found == {"x": "x", "a": "a", "sum": "v_sum", "norm": "v_norm", "y": "v_y"}


def test_a_pair_given_by_hand_stands():
    given = Match("conv1", "r0", "by hand", 1.0)
    found = match(torch_net(), onnx_net(), fixed=[given])
    assert pairs(found)["conv1"] == "r0"


def test_a_model_of_constants_only_gives_nothing_to_pair():
    empty = Program((), {}, (), ())
    assert match(empty, empty) == Pairing((), ())


def test_ten_thousand_nodes_in_a_row_do_not_overflow_the_stack():
    def row(kind: str, op: str) -> Program:
        sketch = Sketch(kind)
        value = sketch.input("x", (1, 4))
        for i in range(1500):
            value = sketch.op(f"{kind}{i}", op, (1, 4), [value])
        return sketch.program(value)

    found = match(row("op", "sin"), row("node", "Sin"))
    assert pairs(found)["op700"] == "node700"


def test_an_output_is_one_whatever_makes_it():
    ours, theirs = Sketch("op"), Sketch("node")
    value = ours.op("head", "linear", (1, 6), [ours.input("x", (1, 4))], scope="head")
    x = theirs.input("x", (1, 4))
    quantised = theirs.op("q", "QuantizeLinear", (1, 6), [theirs.op("m", "Mystery", (1, 6), [x])])
    other = theirs.op("y", "DequantizeLinear", (1, 6), [quantised])
    found = match(ours.program(value), theirs.program(other))
    assert pairs(found)["head"] == "y"


def test_calls_of_one_weight_that_the_file_holds_copies_of_are_paired_in_turn():
    def row(kind: str, op: str, copies: bool) -> Program:
        sketch = Sketch(kind)
        value = sketch.input("x", IMAGE)
        for i in range(3):
            weight = sketch.weight(f"w{i if copies else 0}", KERNELS[0])
            value = sketch.op(f"{kind}{i}", op, IMAGE, [value], [weight])
        return sketch.program(value)

    found = pairs(match(row("op", "convolution", copies=False), row("node", "Conv", copies=True)))
    assert [found[f"op{i}"] for i in range(3)] == ["node0", "node1", "node2"]


def test_a_group_norm_used_thrice_is_the_last_step_of_its_lowering():
    gains = [np.ones((8, 1, 1), "float32"), np.zeros((8, 1, 1), "float32")]

    def torch_side() -> Program:
        sketch = Sketch("op")
        value = sketch.input("x", IMAGE)
        kernel = sketch.weight("w", KERNELS[0])
        names = [sketch.weight(f"g{n}", gain) for n, gain in enumerate(gains)]
        for i in range(3):
            value = sketch.op(f"conv{i}", "convolution", IMAGE, [value], [kernel])
            value = sketch.op(f"norm{i}", "group_norm", IMAGE, [value], names)
            value = sketch.op(f"act{i}", "silu", IMAGE, [value])
        return sketch.program(value)

    def file_side() -> Program:
        sketch = Sketch("node")
        value = sketch.input("x", IMAGE)
        kernel = sketch.weight("w", KERNELS[0])
        names = [sketch.weight(f"g{n}", gain) for n, gain in enumerate(gains)]
        for i in range(3):
            value = sketch.op(f"c{i}", "Conv", IMAGE, [value], [kernel])
            value = sketch.op(f"i{i}", "InstanceNormalization", (1, 2, 144), [value])
            value = sketch.op(f"m{i}", "Mul", IMAGE, [value], names[:1])
            value = last = sketch.op(f"a{i}", "Add", IMAGE, [value], names[1:])
            gate = sketch.op(f"s{i}", "Sigmoid", IMAGE, [value])
            value = sketch.op(f"y{i}", "Mul", IMAGE, [last, gate])
        return sketch.program(value)

    found = pairs(match(torch_side(), file_side()))
    assert [found.get(f"norm{i}") for i in range(3)] == ["a0", "a1", "a2"]
    assert [found.get(f"act{i}") for i in range(3)] == ["y0", "y1", "y2"]


def test_an_instance_norm_is_no_gain_of_each_channel():
    sketch = Sketch("node")
    value = sketch.op(
        "c", "Conv", IMAGE, [sketch.input("x", IMAGE)], [sketch.weight("w", KERNELS[0])]
    )
    value = sketch.op("r", "Reshape", (1, 1, 288), [value])
    names = [sketch.weight(n, np.full(1, v, "float32")) for n, v in (("one", 1), ("zero", 0))]
    value = sketch.op("i", "InstanceNormalization", (1, 1, 288), [value], names)
    gain = sketch.weight("g", np.full((8, 1, 1), 2, "float32"))
    last = sketch.op("m", "Mul", IMAGE, [sketch.op("s", "Reshape", IMAGE, [value])], [gain])
    (chain,) = chains(Graph(sketch.program(last)))
    assert len(chain.points) == 1


def test_a_wrong_bias_in_a_step_of_its_own_is_still_the_bias():
    torch_side, file_side = Sketch("op"), Sketch("node")
    kernel, tokens = RANDOM.normal(size=(8, 8)).astype("float32"), (5, 8)
    names = [torch_side.weight("w", kernel), torch_side.weight("b", np.zeros(8, "float32"))]
    value = torch_side.op("linear", "addmm", tokens, [torch_side.input("x", tokens)], names)
    end = torch_side.op("act", "relu", tokens, [value])

    value = file_side.op(
        "m", "MatMul", tokens, [file_side.input("x", tokens)], [file_side.weight("w", kernel.T)]
    )
    wrong = file_side.weight("b", np.full(8, 0.5, "float32"))
    value = file_side.op("a", "Add", tokens, [value], [wrong])
    last = file_side.op("r", "Relu", tokens, [value])
    found = pairs(match(torch_side.program(end), file_side.program(last)))
    assert found["linear"] == "a"


def test_a_recurrent_module_stands_opposite_its_last_layer_and_its_states_apart():
    torch_side = Sketch("op")
    value = torch_side.op("x.tanh", "tanh", (5, 1, 8), [torch_side.input("x", (5, 1, 8))])
    inner = torch_side.op("gru::addmm#0", "addmm", (5, 24), [value], scope="gru")
    torch_side.op("gru::add#0", "add", (1, 8), [inner], scope="gru")
    torch_side.kind = "module"
    steps = torch_side.op("gru", "GRU", (5, 1, 8), [value], scope="gru")
    state = torch_side.op("gru[1]", "GRU", (2, 1, 8), [value], scope="gru")
    torch_side.kind = "op"
    outputs = [torch_side.op(f"r{v}", "relu", s, [v]) for v, s in ((steps, (5, 1, 8)),)]
    outputs.append(torch_side.op("tanh", "tanh", (2, 1, 8), [state]))

    file_side = Sketch("node")
    value = file_side.op("t", "Tanh", (5, 1, 8), [file_side.input("x", (5, 1, 8))])
    states = []
    for layer in range(2):
        read = value
        value = file_side.op(f"Y{layer}", "GRU", (5, 1, 1, 8), [read])
        part = {"divergence.output": 1}
        states.append(file_side.op(f"H{layer}", "GRU", (1, 1, 8), [read], attributes=part))
    state = file_side.op("H", "Concat", (2, 1, 8), states)
    ends = [
        file_side.op("relu", "Relu", (5, 1, 1, 8), [value]),
        file_side.op("end", "Tanh", (2, 1, 8), [state]),
    ]
    found = match(torch_side.program(*outputs), file_side.program(*ends))
    assert (pairs(found)["gru"], pairs(found)["gru[1]"]) == ("Y1", "H")
    reason = next(u.reason for u in found.unpaired if u.site == "gru::add#0")
    assert reason == "a step inside a module that the other side makes in one node"


@pytest.mark.parametrize("kept", [False, True], ids=["dropped", "kept"])
def test_a_division_by_one_is_no_step(kept):
    ours, theirs = Sketch("op"), Sketch("node")
    value = ours.op(
        "conv", "convolution", IMAGE, [ours.input("x", IMAGE)], [ours.weight("w", KERNELS[0])]
    )
    value = ours.op("div", "div", IMAGE, [value], attributes={"other": 1.0})
    value = ours.op("relu", "relu", IMAGE, [value])
    other = theirs.op(
        "c", "Conv", IMAGE, [theirs.input("x", IMAGE)], [theirs.weight("w", KERNELS[0])]
    )
    if kept:
        other = theirs.op("d", "Div", IMAGE, [other], [theirs.weight("one", np.ones(()))])
    other = theirs.op("r", "Relu", IMAGE, [other])
    found = pairs(match(ours.program(value), theirs.program(other)))
    assert found["conv"] == "c"
    assert found["div"] in (("c", "d") if kept else ("c",))


def test_a_roll_is_the_last_of_two_concatenations():
    ours, theirs = Sketch("op"), Sketch("node")
    value = ours.op("tanh", "tanh", IMAGE, [ours.input("x", IMAGE)])
    value = ours.op("roll", "roll", IMAGE, [value], attributes={"shifts": (2, 2), "dims": (2, 3)})
    value = ours.op("relu", "relu", IMAGE, [value])
    other = theirs.op("t", "Tanh", IMAGE, [theirs.input("x", IMAGE)])
    for axis in range(2):
        parts = [theirs.op(f"s{axis}{n}", "Slice", (1, 8, 6, 3), [other]) for n in range(2)]
        other = theirs.op(f"roll{axis}", "Concat", IMAGE, parts)
    other = theirs.op("r", "Relu", IMAGE, [other])
    found = pairs(match(ours.program(value), theirs.program(other)))
    assert (found["roll"], found["relu"]) == ("roll1", "r")


def test_one_element_picked_is_a_slice_whatever_the_file_calls_it():
    ours, theirs = Sketch("op"), Sketch("node")
    value, other = ours.input("x", (3, 4, 5)), theirs.input("x", (3, 4, 5))
    value = ours.op("tanh", "tanh", (3, 4, 5), [value])
    other = theirs.op("t", "Tanh", (3, 4, 5), [other])
    parts = [
        ours.op(f"s{i}", "select", (4, 5), [value], attributes={"dim": 0, "index": i})
        for i in range(3)
    ]
    picked = {
        i: theirs.op(f"g{i}", "Gather", (4, 5), [other], [theirs.weight(f"i{i}", np.array(i))])
        for i in (2, 1, 0)  # a file may have them in another order
    }
    value = ours.op("sum", "add", (4, 5), [parts[0], parts[1]])
    value = ours.op("end", "mul", (4, 5), [value, parts[2]])
    other = theirs.op("a", "Add", (4, 5), [picked[0], picked[1]])
    other = theirs.op("m", "Mul", (4, 5), [other, picked[2]])
    found = pairs(match(ours.program(value), theirs.program(other)))
    assert [found[f"s{i}"] for i in range(3)] == ["g0", "g1", "g2"]


def test_a_kernel_of_few_bits_is_not_taken_for_the_one_before_a_folded_norm():
    given = np.random.default_rng(5)
    kernels = [given.normal(size=(8, 8, 1, 1)).astype("float32") for _ in range(4)]
    ours, theirs = Sketch("op"), Sketch("node")
    value, other = ours.input("x", IMAGE), theirs.input("in", IMAGE)
    for i, kernel in enumerate(kernels):
        scale, shift, *_ = weights = statistics(i)
        gain = scale / np.sqrt(weights[3] + 1e-5)
        value = ours.op(f"conv{i}", "convolution", IMAGE, [value], [ours.weight(f"w{i}", kernel)])
        value = ours.op(f"bn{i}", "batch_norm", IMAGE, [value], norm_weights(ours, i))
        rough = np.round(kernel * gain[:, None, None, None] * 4) / 4
        other = theirs.op(f"c{i}", "Conv", IMAGE, [other], [theirs.weight(f"k{i}", rough)])
        bias = (shift - weights[2] * gain).reshape(1, 8, 1, 1)
        other = theirs.op(f"b{i}", "Add", IMAGE, [other], [theirs.weight(f"a{i}", bias)])
    found = pairs(match(ours.program(value), theirs.program(other)))
    assert [found[f"bn{i}"] for i in range(4)] == [f"b{i}" for i in range(4)]
    assert not any(f"conv{i}" in found for i in range(4))
