"""The compiled loops against whole-array numpy, and where nothing can be kept on disk."""

import numpy as np
import pytest
from numba.core import caching

from divergence.compare import compiled

PAIRS = [("f4", "f4"), ("f8", "f4"), ("f8", "f8")]


def pair(types, size=5000):
    draw = np.random.default_rng(3)
    reference = draw.standard_normal(size).astype(types[0])
    reference[::7] = 0
    return reference, (reference + 1e-3 * draw.standard_normal(size)).astype(types[1])


def exact(reference, candidate):
    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    return r, c, np.abs(r - c)


@pytest.mark.parametrize("types", PAIRS)
@pytest.mark.parametrize("given", [False, True], ids=["subtracted", "given errors"])
def test_each_figure_is_that_of_whole_arrays(types, given):
    reference, candidate = pair(types)
    r, c, e = exact(reference, candidate)
    operands = (r, c, e) if given else (reference, candidate, None)
    wanted = ((r * r).sum(), (c * c).sum(), (e * e).sum(), (r * c).sum(), e.sum())
    found = compiled.sums(*operands)
    np.testing.assert_allclose(found[:5], wanted, rtol=1e-13)
    place = int(e.argmax()) // compiled.STRETCH * compiled.STRETCH
    assert found[5:] == (e.max(), np.count_nonzero(r != c), place)
    some = r != 0
    relative, count, *found = compiled.relations(*operands, 1e-3, 1e-4, (1e-4, 1e-3, 10.0))
    assert relative == (e[some] / np.abs(r[some])).max()
    assert count == (e > 1e-4 + 1e-3 * np.abs(r)).sum()
    excesses = [(e - rtol * np.abs(r)).max() for rtol in (1e-4, 1e-3, 10.0)]
    np.testing.assert_allclose(found, np.maximum(excesses, 0), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 511, 4096, 4097, 20_000])
@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_the_first_of_several_is_found_wherever_it_stands(size, place):
    reference, candidate = np.zeros(size, "f4"), np.zeros(size, "f4")
    at = round(place * (size - 1))
    candidate[at::3] = 2
    start = compiled.sums(reference, candidate, None)[-1]
    assert compiled.first_of(reference, candidate, None, start, 2.0) == at
    assert compiled.first_of(reference, candidate, None, 0, 3.0) == -1


def test_a_reference_of_zeros_alone_has_no_relative_error():
    zeros = np.zeros(3, "f4")
    assert np.isnan(compiled.relations(zeros, zeros + 1, None, 0.0, 0.0, (0.0, 0.0, 0.0))[0])


def test_where_nothing_may_be_kept_it_is_compiled_all_the_same(monkeypatch):
    def nowhere(*args):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(caching.CacheImpl, "__init__", nowhere)
    loop = compiled.compiled(lambda values: values.sum())
    assert loop(np.arange(4.0)) == 6
