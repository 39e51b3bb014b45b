"""What is done to a candidate before it is subtracted."""

import numpy as np
import pytest

from divergence.compare.alignment import AlignmentError, align
from divergence.records import Alignment

VALUE = np.arange(24.0).reshape(2, 3, 4)


def test_nothing_is_done_without_an_alignment():
    assert align(VALUE, None) is VALUE
    assert align(VALUE, Alignment()) is VALUE


def test_a_permutation_is_a_view():
    aligned = align(VALUE, Alignment(permutation=(2, 0, 1)))
    assert aligned.shape == (4, 2, 3)
    assert np.shares_memory(aligned, VALUE)


def test_steps_are_taken_in_their_order():
    alignment = Alignment(cast="int32", permutation=(1, 0, 2), reshape=(3, 8))
    aligned = align(VALUE, alignment)
    assert aligned.dtype == np.int32
    np.testing.assert_array_equal(aligned, VALUE.transpose(1, 0, 2).reshape(3, 8))


def test_a_blocked_value_is_unblocked_and_loses_its_padding():
    plain = np.arange(2 * 16 * 3 * 3.0).reshape(2, 16, 3, 3)
    blocked = plain.reshape(2, 2, 8, 3, 3).transpose(0, 1, 3, 4, 2)
    np.testing.assert_array_equal(align(blocked, Alignment(unblock=13)), plain[:, :13])
    np.testing.assert_array_equal(align(plain, Alignment(unblock=13)), plain[:, :13])


@pytest.mark.parametrize(
    ("alignment", "words"),
    [
        (Alignment(permutation=(0, 1)), r"axes \(0, 1\) are no permutation .* shape \(2, 3, 4\)"),
        (Alignment(permutation=(0, 1, 1)), "no permutation"),
        (Alignment(reshape=(5, 5)), r"shape \(2, 3, 4\) cannot become \(5, 5\)"),
        (Alignment(unblock=9), "holds no 9 blocked channels"),
    ],
)
def test_what_does_not_fit_says_so(alignment, words):
    with pytest.raises(AlignmentError, match=words):
        align(VALUE, alignment)


def test_a_bfloat16_cast_rounds():
    assert align(np.array([1.001]), Alignment(cast="bfloat16")).dtype.name == "bfloat16"
