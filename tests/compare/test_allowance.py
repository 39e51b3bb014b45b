"""What a pair needs is what an elementwise judgement of its values would find."""

import numpy as np
import pytest

from divergence.compare.allowance import needed_atol
from divergence.compare.measure import measure
from divergence.compare.tolerance import RTOLS


def exact(reference, candidate, rtol):
    reference = reference.astype(np.float64)
    return max(0.0, float((np.abs(reference - candidate) - rtol * np.abs(reference)).max()))


def arrays(kind):
    draw = np.random.default_rng(7)
    reference = (10 * draw.standard_normal((3, 40_000))).astype(np.float32)
    noise = draw.standard_normal(reference.shape).astype(np.float32)
    if kind == "relative":
        return reference, reference * (1 + np.float32(5e-4) * noise)
    return reference, reference + np.float32(1e-3 if kind == "small" else 3) * noise


@pytest.mark.parametrize("kind", ["small", "relative", "gross"])
def test_at_the_kept_tolerances_it_is_exact(kind):
    reference, candidate = arrays(kind)
    found = measure(reference, candidate)
    for rtol in (0.0, *RTOLS):
        needed = needed_atol(rtol, found.max_abs, found.needed_atol)
        wanted = exact(reference, candidate, rtol)
        assert needed == pytest.approx(wanted, abs=1e-6 * found.max_abs)


@pytest.mark.parametrize("kind", ["small", "relative", "gross"])
@pytest.mark.parametrize("rtol", [3e-6, 5e-4, 4e-3, 0.3])
def test_elsewhere_it_is_never_too_small(kind, rtol):
    reference, candidate = arrays(kind)
    found = measure(reference, candidate)
    needed = needed_atol(rtol, found.max_abs, found.needed_atol)
    assert exact(reference, candidate, rtol) <= needed + 1e-6 * found.max_abs
    assert needed <= found.max_abs


def test_values_that_are_not_finite_are_left_out():
    reference = np.array([np.nan, 1.0, np.inf], np.float32)
    found = measure(reference, np.array([np.nan, 1.5, np.inf], np.float32))
    assert found.needed_atol == pytest.approx((0.4999, 0.499, 0.49))


def test_beyond_the_range_of_float32_the_answer_is_as_exact():
    reference = np.array([1e300, -1e300])
    found = measure(reference, reference * 1.5)
    assert found.needed_atol == pytest.approx((0.4999e300, 0.499e300, 0.49e300))


def test_equal_values_need_nothing():
    value = np.arange(5.0)
    found = measure(value, value.copy())
    assert needed_atol(0.0, found.max_abs, found.needed_atol) == 0.0
