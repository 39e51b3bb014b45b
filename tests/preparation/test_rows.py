"""Inputs that are no pictures: rows missing, padded, reordered, exchanged."""

from __future__ import annotations

import numpy as np
import pytest

from divergence.preparation.explain import explain, explain_inputs
from divergence.preparation.rows import explain_rows

GENERATOR = np.random.default_rng(0)
TEXT = GENERATOR.normal(size=(1, 81, 32)).astype(np.float32)
TEXT[:, -1] = 0
TOKENS = np.array([[5, 9, 2, 7, 0, 0]])


def test_a_missing_padding_row():
    finding = explain_rows(TEXT, TEXT[:, :-1])
    assert finding.cause == "inputs.other"
    assert finding.parameters["rows"] == [80]
    assert finding.parameters["missing"] is True
    assert "(each element 0); all other rows are equal" in finding.explanation
    assert "padding rows included" in finding.remedy


def test_rows_too_many():
    finding = explain_rows(TOKENS[:, :4], TOKENS)
    assert finding.parameters["rows"] == [4, 5]
    assert finding.parameters["missing"] is False


def test_rows_in_another_order():
    finding = explain_rows(TEXT[0], TEXT[0, ::-1])
    assert finding.parameters["order"][:2] == [80, 79]
    assert "same rows along axis 0 in another order" in finding.explanation


def test_rows_with_other_values():
    changed = TEXT.copy()
    changed[0, 7] = 0
    finding = explain_rows(TEXT, changed, "txt")
    assert finding.parameters == {"axis": 1, "rows": [7], "input": "txt"}
    assert finding.explanation.startswith(
        "Input 'txt': 1 of 81 rows along axis 1 have other values"
    )


def test_another_shape_of_the_same_values():
    finding = explain_rows(TEXT, TEXT[0])
    assert "with the same values in the same order" in finding.explanation
    assert finding.parameters["shape"] == [81, 32]


def test_lengths_that_share_no_rows():
    finding = explain_rows(TEXT, GENERATOR.normal(size=(1, 40, 32)))
    assert "the rows that both have are not the same" in finding.explanation
    assert finding.confidence < 0.9


@pytest.mark.parametrize("value", [np.array(3), np.array([[1.5]]), TOKENS, TEXT])
def test_equal_inputs(value):
    assert explain_rows(value, value.copy()) is None


def test_scalars_differ():
    assert explain_rows(np.array(3), np.array(4)).cause == "inputs.other"


def test_named_inputs():
    picture = GENERATOR.random((1, 3, 32, 32)).astype(np.float32)
    reference = {"image": picture, "txt": TEXT, "mask": TOKENS}
    candidate = {"image": picture * 255, "txt": TEXT[:, :-1], "other": TOKENS}
    explanation = explain(reference, candidate)
    assert sorted(f.cause for f in explanation.findings) == [
        "inputs.other",
        "inputs.other",
        "inputs.other",
        "preprocess.range",
    ]
    sentences = " ".join(f.explanation for f in explanation.findings)
    assert "The candidate has no input 'mask'." in sentences
    assert "The reference has no input 'other'." in sentences
    assert not explanation.same


def test_exchanged_names():
    first, second = GENERATOR.random((2, 1, 9))
    (finding,) = explain_inputs({"h": first, "c": second}, {"h": second, "c": first})
    assert finding.parameters["swapped"] == ["h", "c"]


def test_values_that_are_not_finite():
    picture = GENERATOR.random((1, 3, 32, 32)).astype(np.float32)
    broken = picture.copy()
    broken[0, 1, 5, 6] = np.nan
    (finding,) = explain_inputs(picture, broken)
    assert finding.cause == "inputs.other"
    assert "1 of 3,072 values are NaN or infinite" in finding.explanation


def test_an_input_of_one_value():
    picture = GENERATOR.random((1, 3, 32, 32)).astype(np.float32)
    (finding,) = explain_inputs(picture, np.zeros_like(picture))
    assert "(each element 0)" in finding.explanation


def test_batches_of_other_lengths():
    pictures = GENERATOR.random((4, 3, 32, 32)).astype(np.float32)
    (finding,) = explain_inputs(pictures, pictures[:3])
    assert finding.parameters["rows"] == [3]
