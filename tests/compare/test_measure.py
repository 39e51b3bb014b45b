"""Each row of the table of edge cases, and every figure against whole-array numpy."""

import math

import ml_dtypes
import numpy as np
import pytest

from divergence.compare.block import BLOCK
from divergence.compare.measure import measure
from divergence.compare.tolerance import Tolerance
from divergence.records import Alignment

NAN, INF = math.nan, math.inf


def array(values, dtype="float32"):
    return np.array(values, getattr(ml_dtypes, dtype, dtype))


def pair(reference, candidate, dtype="float32", **options):
    return measure(array(reference, dtype), array(candidate, dtype), **options)


# --- the table ----------------------------------------------------------------------------


def test_nan_on_one_side_is_nonfinite_counted_and_never_close():
    metrics = pair([1, NAN, 3], [1, 2, 3], tolerance=Tolerance(1e9, 1e9))
    assert (metrics.nonfinite, metrics.mismatched, metrics.violations) == (1, 1, 1)
    assert metrics.worst_index == (1,)


def test_nan_at_the_same_places_is_equal_there_and_the_rest_is_judged():
    metrics = pair([NAN, 1, 3], [NAN, 1, 3.5])
    assert (metrics.nonfinite, metrics.both_nonfinite, metrics.mismatched) == (0, 1, 1)
    assert (metrics.max_abs, metrics.mean_abs, metrics.worst_index) == (0.5, 0.25, (2,))


def test_nan_everywhere_on_both_sides_is_equal():
    metrics = pair([NAN, NAN], [NAN, NAN])
    assert (metrics.mismatched, metrics.both_nonfinite, metrics.max_abs) == (0, 2, 0)


def test_negative_infinity_at_the_same_places_is_equal_there():
    metrics = pair([-INF, 1, -INF], [-INF, 1, -INF])
    assert (metrics.mismatched, metrics.both_nonfinite, metrics.max_abs) == (0, 2, 0)
    metrics = pair([-INF, 1, -INF], [-INF, 2, -INF])
    assert (metrics.mismatched, metrics.both_nonfinite, metrics.max_abs) == (1, 2, 1)


def test_infinities_of_opposite_sign_and_nan_against_infinity_are_nonfinite():
    metrics = pair([INF, NAN, 1], [-INF, INF, 1])
    assert (metrics.nonfinite, metrics.both_nonfinite, metrics.worst_index) == (2, 0, (0,))


def test_half_greatest_against_infinity_is_nonfinite():
    metrics = pair([65504, 1], [INF, 1], "float16")
    assert (metrics.nonfinite, metrics.mismatched, metrics.max_abs) == (1, 1, 0)
    alone = pair([65504], [INF], "float16")
    assert alone.nonfinite == 1
    assert math.isnan(alone.max_abs)


def test_uint8_does_not_wrap_around():
    assert pair([1], [2], "uint8").max_abs == 1
    assert pair([0], [255], "uint8").max_abs == 255


def test_bool_mismatches_are_counted():
    metrics = pair([True, True, False], [False, True, False], "bool")
    assert (metrics.mismatched, metrics.max_abs) == (1, 1)


def test_other_shapes_are_never_broadcast():
    metrics = measure(np.ones((1, 3)), np.ones((3, 1)))
    assert metrics.incomparable == "shape (1, 3) against (3, 1)"
    assert math.isnan(metrics.max_abs)
    assert metrics.mismatched == metrics.total == 3


def test_same_flat_data_in_another_shape_is_not_equal_unless_aligned():
    flat = np.arange(6.0)
    assert measure(flat.reshape(2, 3), flat.reshape(3, 2)).incomparable
    aligned = measure(flat.reshape(2, 3), flat.reshape(3, 2), Alignment(reshape=(2, 3)))
    assert (aligned.incomparable, aligned.mismatched) == ("", 0)


def test_both_empty_are_identical():
    metrics = pair([], [])
    assert (metrics.total, metrics.mismatched, metrics.max_abs) == (0, 0, 0)
    assert (metrics.cosine, metrics.sqnr_db, metrics.worst_index) == (1, INF, None)


@pytest.mark.parametrize(
    ("reference", "candidate", "dtype", "distance"),
    [
        (2**53, 2**53 + 1, "int64", 1),
        (-(2**53) - 1, -(2**53), "int64", 1),
        (2**64 - 1, 2**64 - 2, "uint64", 1),
        (-(2**63), 2**63 - 1, "int64", 2**64 - 1),
    ],
)
def test_64_bit_integers_are_subtracted_as_such(reference, candidate, dtype, distance):
    metrics = pair([reference], [candidate], dtype)
    assert metrics.max_abs == metrics.max_ulp == float(distance)
    assert metrics.mismatched == 1


def test_integers_of_several_widths_meet_without_rounding():
    assert measure(array([2**53 + 1], "int64"), array([5], "int32")).max_abs == float(2**53 - 4)
    assert measure(array([2**64 - 1], "uint64"), array([-1], "int64")).max_abs == 2.0**64


def test_same_values_in_other_types_are_equal():
    metrics = measure(array([1, 2, 3], "float32"), array([1, 2, 3], "int64"))
    assert (metrics.mismatched, metrics.max_abs, metrics.max_ulp) == (0, 0, 0)


def test_half_against_single_is_judged_by_the_half():
    metrics = measure(array([1.0001, 3.0], "float32"), array([1.0, 3.0], "float16"))
    assert metrics.max_ulp == 0
    assert metrics.max_abs == pytest.approx(1e-4, rel=1e-3)
    beyond = measure(array([1e6], "float32"), array([65504], "float16"))
    assert beyond.max_ulp == 1  # infinity is the next half


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_zeros_are_one_number_and_distances_count_across_it(dtype):
    smallest = float(ml_dtypes.finfo(array([], dtype).dtype).smallest_subnormal)
    assert pair([0.0, -0.0], [-0.0, 0.0], dtype).mismatched == 0
    metrics = pair([-0.0, smallest], [smallest, -2 * smallest], dtype)
    assert (metrics.max_ulp, metrics.mismatched) == (3, 2)
    assert metrics.max_abs == 3 * smallest
    assert metrics.rmse > 0


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float16", "bfloat16", "float32", "float64"])
def test_neighbours_are_one_unit_apart(dtype):
    kind = array([], dtype).dtype
    step = float(ml_dtypes.finfo(kind).eps)
    metrics = pair([1.0, -1.0], [1.0 + step, -1.0 - 2 * step], dtype)
    assert metrics.max_ulp == 2
    assert metrics.max_abs == 2 * step


# --- types without a row ------------------------------------------------------------------


def test_float64_beyond_the_range_of_its_squares():
    metrics = pair([1e300, -1e300], [1e300, -1.1e300], "float64")
    assert metrics.rmse == pytest.approx(1e299 / math.sqrt(2))
    assert metrics.cosine == pytest.approx(2.1 / math.sqrt(2 * 2.21))
    assert metrics.nonfinite == 0


def test_complex_numbers_are_pairs_of_real_ones():
    metrics = pair([1 + 1j, 2], [1 - 1j, 2], "complex64")
    assert (metrics.total, metrics.max_abs, metrics.worst_index) == (4, 2, (0, 1))
    assert measure(array([1 + 2j], "complex64"), array([[1, 2]])).mismatched == 0


def test_four_bit_integers():
    assert pair([7, -8], [7, 7], "int4").max_abs == 15


@pytest.mark.parametrize("values", [np.array(["a"]), np.array([None]), np.array([b"a"])])
def test_what_is_no_number_is_not_comparable(values):
    assert "no numbers" in measure(values, values).incomparable


def test_scalars_have_an_empty_index():
    assert measure(np.float32(1.5), np.float32(1)).worst_index == ()


def test_an_alignment_that_does_not_fit_is_not_comparable():
    metrics = measure(np.ones((2, 2)), np.ones((2, 2)), Alignment(permutation=(0, 2, 1)))
    assert metrics.incomparable == "the axes (0, 2, 1) are no permutation of those of shape (2, 2)"


def test_a_cast_holds_for_both_sides():
    metrics = measure(array([1.4, 2.0]), array([1.0, 2.0]), Alignment(cast="int64"))
    assert metrics.mismatched == 0


# --- figures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "candidate", "name", "expected"),
    [
        ([0, 0], [0, 1], "max_rel", NAN),
        ([0, 2], [5, 3], "max_rel", 0.5),
        ([0, 2], [0, 3], "max_rel", 0.5),
        ([-2, 4], [-3, 4], "max_rel", 0.5),
        ([0, 0], [0, 1], "cosine", NAN),
        ([0, 0], [0, 0], "cosine", 1),
        ([1, 0], [0, 1], "cosine", 0),
        ([1, 1], [-1, -1], "cosine", -1),
        ([0, 0], [0, 1], "sqnr_db", -INF),
        ([10, 0], [9, 0], "sqnr_db", 20),
        ([3, 4], [3, 4], "sqnr_db", INF),
        ([1, 2, 3], [1, 2, 5], "rmse", 2 / math.sqrt(3)),
    ],
)
def test_figures_by_hand(reference, candidate, name, expected):
    assert getattr(pair(reference, candidate), name) == pytest.approx(expected, nan_ok=True)


def by_numpy(reference, candidate):
    r, c = reference.astype(np.longdouble), candidate.astype(np.longdouble)
    error = np.abs(r - c)
    with np.errstate(all="ignore"):
        relative = (error / np.abs(r))[r != 0].max(initial=0)
    return {
        "max_abs": error.max(),
        "mean_abs": error.mean(),
        "rmse": np.sqrt((error**2).mean()),
        "max_rel": relative,
        "cosine": (r * c).sum() / np.sqrt((r**2).sum() * (c**2).sum()),
        "sqnr_db": 10 * np.log10((r**2).sum() / (error**2).sum()),
        "mismatched": (r != c).sum(),
        "total": r.size,
        "worst_index": tuple(np.unravel_index(error.argmax(), error.shape)),
    }


@pytest.mark.parametrize("size", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 5])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int32", "uint8"])
def test_all_figures_against_whole_arrays(size, dtype):
    rng = np.random.default_rng(size)
    kind = array([], dtype).dtype
    reference = (rng.standard_normal((size, 1)) * 20 + 40).astype(kind)
    candidate = reference.copy()
    where = rng.random((size, 1)) < 0.3
    where[-1] = True
    candidate[where] = (candidate[where].astype(float) + 2 * rng.random(where.sum()) + 1).astype(
        kind
    )
    found = measure(reference, candidate)
    for name, expected in by_numpy(reference, candidate).items():
        assert getattr(found, name) == pytest.approx(expected, rel=1e-12), name


def test_several_runs_of_blocks_give_the_figures_of_the_whole():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((3, 40 * BLOCK // 3), dtype=np.float32)
    candidate = reference + rng.standard_normal(reference.shape, dtype=np.float32) * 1e-5
    candidate[1, 5] = reference[1, 5] + 1
    expected = by_numpy(reference, candidate)
    candidate[2, 77] = np.inf
    found = measure(reference, candidate)
    assert found.worst_index == (2, 77)
    assert found.max_abs == expected["max_abs"]
    assert found.nonfinite == 1


def test_blocks_that_are_equal_still_count_for_norms():
    reference = np.ones(2 * BLOCK, np.float32)
    candidate = reference.copy()
    candidate[-1] = 2
    found = measure(reference, candidate)
    assert found.sqnr_db == pytest.approx(10 * math.log10(2 * BLOCK))
    assert found.cosine < 1


def test_the_first_of_equally_bad_elements_is_the_worst():
    reference = np.zeros(20 * BLOCK, np.float32)
    candidate = reference.copy()
    candidate[[9 * BLOCK + 5, 10 * BLOCK + 5, 17 * BLOCK]] = -1
    assert measure(reference, candidate).worst_index == (9 * BLOCK + 5,)


def test_permuted_and_strided_values_are_read_where_they_are():
    values = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    nhwc = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
    assert measure(values, nhwc, Alignment(permutation=(0, 3, 1, 2))).mismatched == 0
    assert measure(values[:, ::2], values[:, ::2].copy()).mismatched == 0


def test_read_only_values_are_left_alone():
    reference, candidate = np.ones(5, np.float32), np.zeros(5, np.float32)
    reference.flags.writeable = candidate.flags.writeable = False
    assert measure(reference, candidate).max_abs == 1
    assert reference.sum() == 5


def test_violations_are_counted_element_by_element():
    reference, candidate = [1.0, 100.0, -100.0, 0.0], [1.2, 101.0, -103.0, 0.05]
    metrics = pair(reference, candidate, "float64", tolerance=Tolerance(rtol=0.02, atol=0.1))
    assert metrics.violations == 2
    assert pair(reference, candidate).violations is None
    assert pair([1], [1], tolerance=Tolerance(0, 0)).violations == 0


@pytest.mark.parametrize("axes", [(0, 3, 1, 2), (2, 1, 0, 3), (3, 2, 1, 0)])
def test_values_that_are_transposed_alike_are_measured_as_their_copies(axes):
    random = np.random.default_rng(0)
    reference = random.standard_normal((2, 5, 1, 7)).astype(np.float32)
    candidate = reference + random.standard_normal((2, 5, 1, 7)).astype(np.float32) * 1e-3
    turned = reference.transpose(axes), candidate.transpose(axes)

    found = measure(*turned)

    plain = measure(*map(np.ascontiguousarray, turned))
    assert found.worst_index == plain.worst_index
    assert found.max_abs == plain.max_abs
    assert found.rmse == pytest.approx(plain.rmse, rel=1e-12)


def test_values_transposed_alike_and_equal_have_their_first_place_as_the_worst():
    value = np.arange(6.0).reshape(2, 3).T
    assert measure(value, value.copy("K")).worst_index == (0, 0)
