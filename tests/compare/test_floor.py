"""The floor: what a correct implementation may be off, and no more than that."""

import math

import ml_dtypes
import numpy as np
import pytest

from divergence.compare.floor import LUCK, MULTIPLE, PER_TRACE, deviation, floor_of, inherit, luck
from divergence.compare.lineage import Lineage, lineages, own_step, step_of, summation_growth
from divergence.records import Alignment, Match, Measured, Metrics, Program, Site, Weight

EPS = 2.0**-23
RNG = np.random.default_rng(0)


def noisy(exact, size, dtype=np.float32, rng=RNG):
    """`exact` with an error of about `size`, as another order of the same operations leaves."""
    return (exact + size * rng.standard_normal(exact.shape)).astype(dtype)


def test_errors_of_both_sides_and_their_ratio():
    exact = np.array([1.0, 2.0, 3.0])
    reference, candidate = np.array([1.0, 2.001, 3.0]), np.array([1.004, 2.0, 3.0])
    floor = floor_of(reference.astype("f4"), candidate.astype("f4"), exact)
    assert floor.reference_max_abs == pytest.approx(1e-3, rel=1e-3)
    assert floor.candidate_max_abs == pytest.approx(4e-3, rel=1e-3)
    assert floor.bound == pytest.approx(1e-3 * luck(3), rel=1e-3)
    assert not floor.estimated


def test_rounding_that_grew_is_rounding_however_large():
    exact = RNG.standard_normal(10_000)
    floor = floor_of(noisy(exact, 0.02), noisy(exact, 0.02), exact)
    assert floor.multiple < 1.5


def test_an_error_beyond_is_found_however_small():
    exact = RNG.standard_normal(10_000)
    floor = floor_of(noisy(exact, 1e-7), noisy(exact, 2e-5), exact)
    assert floor.multiple > 5 * MULTIPLE


def test_a_reference_that_is_exact_by_chance_is_taken_as_one_unit_off():
    exact = np.array([1.0, 2.0, 4.0, 8.0] * 100)
    one_unit = (exact + np.where(exact == 8, 8 * EPS, 0)).astype("f4")
    assert floor_of(exact.astype("f4"), one_unit, exact).multiple <= 1
    assert floor_of(exact.astype("f4"), exact.astype("f4"), exact).multiple == 0


def test_one_wrong_element_of_many_is_found():
    exact = RNG.standard_normal(100_000)
    candidate = noisy(exact, 1e-6)
    candidate[777] += 1e-4
    assert floor_of(noisy(exact, 1e-6), candidate, exact).multiple > MULTIPLE


def test_a_broad_error_below_a_few_bad_elements_is_found():
    exact = RNG.standard_normal(100_000)
    reference, candidate = noisy(exact, 1e-6), noisy(exact, 3e-5)
    reference[:3] += 2e-4  # ill-conditioned there, on both sides
    candidate[:3] += 2e-4
    floor = floor_of(reference, candidate, exact)
    assert floor.candidate_max_abs < 2 * floor.reference_max_abs
    assert floor.multiple > MULTIPLE


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 8, 100])
def test_few_elements_are_not_called_divergent_for_luck(count):
    rng = np.random.default_rng(count)
    exact = np.ones(count)
    alarms = sum(
        floor_of(noisy(exact, 1e-3, rng=rng), noisy(exact, 1e-3, rng=rng), exact).multiple
        > MULTIPLE
        for _ in range(1000)
    )
    assert alarms <= 3 * 1000 / LUCK


def saturated(rng, count):
    """Return a tanh of a sum and what two roundings of that sum make of it, most of it flat."""
    # As deep chains have them: hardly one element of eight is where a tanh still rises.
    sums = rng.standard_normal(count) * 12
    error = 3e-6
    sides = [np.tanh(sums + error * rng.standard_normal(count)).astype("f4") for _ in range(2)]
    return np.tanh(sums), *sides


def test_elements_that_an_activation_saturates_do_not_count():
    rng, plain, known = np.random.default_rng(1), 0, 0
    lineage = Lineage(activation="tanh", alike=6000)
    for _ in range(3000):
        exact, reference, candidate = saturated(rng, 8)
        plain += floor_of(reference, candidate, exact).multiple > MULTIPLE
        known += floor_of(reference, candidate, exact, lineage=lineage).multiple > MULTIPLE
    assert plain > 20
    assert known == 0


def test_a_wrong_element_behind_an_activation_is_still_found():
    exact, reference, candidate = saturated(np.random.default_rng(2), 8)
    candidate[np.argmin(np.abs(exact))] += np.float32(0.01)
    lineage = Lineage(activation="tanh", alike=6000)
    assert floor_of(reference, candidate, exact, lineage=lineage).multiple > MULTIPLE


def test_many_pairs_of_few_elements_are_more_luck():
    assert luck(8, PER_TRACE * 6000) > 1 == luck(8)


def test_the_example_of_a_scalar_output():
    floor = floor_of(np.float32(0.7 + 1e-8), np.float32(0.7 + 5e-7), np.array(0.7))
    assert floor.multiple < MULTIPLE


def test_positions_that_are_not_finite_do_not_count():
    exact = np.array([1.0, -np.inf, np.nan, 1e39, 2.0] * 10)
    reference = exact.copy()
    reference[3::5] = np.inf
    floor = floor_of(reference, reference + 1e-9, exact)
    assert 0 < floor.candidate_max_abs < 1e-8
    assert floor_of(reference[2:3], reference[2:3], exact[2:3]).multiple == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_is_judged_by_its_own_precision(dtype):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    exact = RNG.standard_normal(10_000)
    reference, candidate = exact.astype("f4"), exact.astype(kind)
    floor = floor_of(reference, candidate, exact)
    assert floor.estimated
    assert floor.multiple <= 1
    wrong = (exact * (1 + 30 * step_of(kind))).astype(kind)
    assert floor_of(reference, wrong, exact).multiple > MULTIPLE


def test_a_single_precision_output_of_a_half_precision_file():
    exact = RNG.standard_normal(1000)
    reference, candidate = exact.astype("f4"), exact.astype("f2").astype("f4")
    assert floor_of(reference, candidate, exact).multiple > MULTIPLE
    known = floor_of(reference, candidate, exact, lineage=Lineage(step=2.0**-10))
    assert known.estimated
    assert known.multiple <= 1


def test_the_candidate_is_aligned_first():
    exact = RNG.standard_normal((1, 3, 4, 5))
    candidate = exact.transpose(0, 2, 3, 1).astype("f4")
    floor = floor_of(exact.astype("f4"), candidate, exact, Alignment(permutation=(0, 3, 1, 2)))
    assert floor.multiple <= 1


def test_deviation_of_blocks_is_that_of_the_whole():
    exact = RNG.standard_normal((7, 30_001))
    values = noisy(exact, 1e-5)
    found = deviation(exact, values)
    error = np.abs(values - exact)
    assert found.max_abs == error.max()
    assert found.rmse == pytest.approx(math.sqrt((error**2).mean()))
    assert found.peak == np.abs(exact).max()
    assert found.count == exact.size


# --- what lies between values -------------------------------------------------------------


def site(name, order, shape, inputs=(), op="add", kind="op", scope="", **attributes):
    return Site(name, kind, op, scope, order, shape, "float32", inputs, attributes=attributes)


def match(name):
    return Match(name, f"onnx_{name}", "test", 1.0)


def program(*sites, weights=None):
    return Program(sites, weights or {}, (), ())


CHAIN = (
    site("x", 0, (1, 8, 64, 64), kind="input", op="input"),
    site("mean", 1, (1, 8, 1, 1), ("x",), op="mean"),
    site("gate", 2, (1, 8, 1, 1), ("mean",), op="sigmoid"),
    site("out", 3, (1, 8, 64, 64), ("x", "gate"), op="mul"),
)


def test_a_sum_counts_until_the_next_value_that_is_compared():
    everything = lineages(program(*CHAIN), program(), [match(s.name) for s in CHAIN])
    assert [lineage.growth for lineage in everything.values()] == [1, 16, 1, 1]
    (last,) = lineages(program(*CHAIN), program(), [match("out")]).values()
    assert last.growth == 16


def test_a_module_answers_for_what_is_inside_and_not_compared():
    sites = (
        site("x", 0, (1, 4096), kind="input", op="input"),
        site("norm::mean#0", 1, (1, 1), ("x",), op="mean", scope="norm"),
        site("norm", 2, (1, 4096), ("x",), op="RMSNorm", kind="module", scope="norm", aten="mul"),
        site("fc", 3, (1, 10), ("norm",), op="Linear", kind="module", scope="fc"),
    )
    without = lineages(program(*sites), program(), [match("norm"), match("fc")])
    assert [lineage.growth for lineage in without.values()] == [16, 1]
    names = ["norm::mean#0", "norm", "fc"]
    within = lineages(program(*sites), program(), list(map(match, names)))
    assert [lineage.growth for lineage in within.values()] == [16, 1, 1]


@pytest.mark.parametrize(
    ("op", "shape", "attributes", "growth"),
    [
        ("mean", (1, 8, 1, 1), {}, 16),
        ("AdaptiveAvgPool2d", (1, 8, 1, 1), {"aten": "mean"}, 16),
        ("GlobalAveragePool", (1, 8, 1, 1), {}, 16),
        ("mean", (1, 8, 64, 64), {}, 1),
        ("GroupNorm", (1, 8, 64, 64), {"aten": "group_norm", "group": 2}, 8),
        ("InstanceNorm2d", (1, 8, 64, 64), {"aten": "batch_norm", "running_mean": None}, 4),
        ("BatchNorm2d", (1, 8, 64, 64), {"aten": "batch_norm"}, 1),
        ("LayerNorm", (1, 8, 64, 64), {"aten": "layer_norm", "normalized_shape": (64, 64)}, 4),
        ("LayerNormalization", (1, 8, 64, 64), {"axis": -2}, 4),
        ("conv2d", (1, 8, 64, 64), {}, 1),
        ("fft_r2c", (1, 8, 64, 33), {"dim": (-1,)}, 3),
        ("fft_c2c", (1, 8, 64, 64), {"dim": (2, 3)}, 6),
        ("mean", None, {}, 1),
    ],
)
def test_how_much_sums_may_be_off(op, shape, attributes, growth):
    operand = {"x": (1, 8, 64, 64)}
    assert summation_growth(site("s", 1, shape, ("x",), op, **attributes), operand) == growth


def test_a_transform_of_a_length_that_is_no_power_of_two_may_be_off_that_many_roundings():
    own = site("s", 1, (1, 201), ("x",), "fft_r2c", dim=(1,))
    assert summation_growth(own, {"x": (1, 400)}) == 400


def test_a_small_sigmoid_rounds_at_the_size_of_a_half():
    matches = [match(s.name) for s in CHAIN]
    known = lineages(program(*CHAIN), program(), matches)
    assert [known[m].size for m in matches] == [0, 0, 0.5, 0]
    exact = np.linspace(1e-6, 2e-6, 1000)
    made = exact + EPS * np.tile([0.4, -0.4], 500)
    assert floor_of(exact.astype("f4"), made, exact).multiple > 1000
    assert floor_of(exact.astype("f4"), made, exact, lineage=known[matches[2]]).multiple <= 1


def test_an_alias_is_the_value_that_it_stands_for():
    alias = Site(
        "block", "module", "Block", "block", 4, (1, 8, 1, 1), inputs=("x",), alias_of="mean"
    )
    sites = (*CHAIN[:2], alias, *CHAIN[2:])
    first, last = lineages(program(*sites), program(), [match("block"), match("out")]).values()
    assert (first.growth, last.growth) == (16, 1)


def measured(name, reference, candidate, bound=None):
    exact = np.linspace(1, 2, 1000)
    metrics = Metrics(candidate, 0, 0, 0, 1, 0, 0, 1, 0, 1000, None)
    lineage = Lineage(growth=bound / EPS) if bound else None
    floor = floor_of(exact + reference, exact.astype("f8") + candidate, exact, lineage=lineage)
    return Measured(match(name), (1000,), ("float32", "float32"), metrics, floor)


def test_what_follows_a_long_sum_may_be_off_as_much_more():
    pairs = [
        measured("x", 1e-6, 1e-6),
        measured("mean", 1e-6, 4e-5, bound=16 * EPS),
        measured("gate", 1e-6, 4e-5),
        measured("out", 1e-6, 4e-5),
    ]
    known = lineages(program(*CHAIN), program(), [pair.match for pair in pairs])
    before = [pair.floor.multiple for pair in pairs]
    after = [pair.floor.multiple for pair in inherit(pairs, known, program(*CHAIN))]
    assert before[0] == after[0]
    assert before[2] == before[3] > MULTIPLE
    assert after[2] == after[3] < MULTIPLE


def weight(name, shape, dtype):
    return Weight(name, shape, dtype, load=lambda: None)


@pytest.mark.parametrize(
    ("dtypes", "step"),
    [
        (["float16"] * 4, 2.0**-10),
        (["int8"] * 3 + ["float32"], 2.0**-7),
        (["int8"] * 3 + ["float32"] * 2, 2.0**-7),
        (["float32"] * 3 + ["float16"], EPS),
        (["float32", "float16"], 0),
        ([], 0),
    ],
)
def test_a_files_own_precision_is_that_of_most_matrices(dtypes, step):
    weights = {str(i): weight(str(i), (3, 3), dtype) for i, dtype in enumerate(dtypes)}
    biases = {f"b{i}": weight(f"b{i}", (1, 64, 1, 1), "float32") for i in range(9)}
    assert own_step(program(weights=weights | biases)) == step


@pytest.mark.parametrize(("given", "step"), [({}, 2.0**-4), ({"bits": 8}, 2.0**-8)])
def test_weights_of_a_few_bits_count_by_those_and_their_scales_do_not(given, step):
    names = [(f"w{i}", f"s{i}") for i in range(2)]
    weights = {w: weight(w, (8, 2, 16), "uint8") for w, _ in names}
    weights |= {s: weight(s, (8, 2), "float32") for _, s in names}
    sites = [
        Site(f"v{i}", "node", "com.microsoft::MatMulNBits", "", i, weights=read, attributes=given)
        for i, read in enumerate(names)
    ]
    assert own_step(program(*sites, weights=weights)) == step


def test_masked_logits_say_nothing_of_the_others():
    exact = np.array([[0.5, 1.5, -2.5, -3.4e38, -1e9], [2.0, 0.1, -0.3, -3.4e38, -1e9]])
    other = np.where(exact > -1e4, 2 * exact, exact).astype("f4")
    assert floor_of(exact.astype("f4"), other, exact).multiple < 1
    logits = Lineage(logits=True)
    assert floor_of(exact.astype("f4"), other, exact, lineage=logits).multiple > 1e6
    assert floor_of(exact.astype("f4"), exact.astype("f4"), exact, lineage=logits).multiple <= 1
    missing = np.where(exact > -1e4, exact, 0).astype("f4")
    assert floor_of(exact.astype("f4"), missing, exact, lineage=logits).multiple > 1e6
