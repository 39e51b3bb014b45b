"""Pairs that a user wrote."""

from __future__ import annotations

import pytest

from divergence.errors import SpecError
from divergence.matching.pairs_file import read_pairs
from tests.matching.test_match import onnx_net, torch_net


def read(tmp_path, text):
    path = tmp_path / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return read_pairs(path, torch_net(), onnx_net())


def test_columns_beside_the_two_and_lines_without_candidate_are_passed_over(tmp_path):
    (pair,) = read(tmp_path, "order,reference,candidate\n0,bn1,c1\n1,conv1,\n")
    assert (pair.reference, pair.candidate, pair.paired_by) == ("bn1", "c1", "by hand")
    assert pair.confidence == 1.0


def test_an_unknown_site_is_an_error_with_the_nearest_names(tmp_path):
    with pytest.raises(
        SpecError, match=r"line 2: the reference has no site 'conv11'. Did you mean"
    ):
        read(tmp_path, "reference,candidate\nconv11,c1\n")


def test_a_missing_column_is_an_error(tmp_path):
    with pytest.raises(
        SpecError, match="the column candidate is missing; columns found: reference"
    ):
        read(tmp_path, "reference\nconv1\n")


def test_a_site_paired_twice_is_an_error(tmp_path):
    with pytest.raises(SpecError, match="'bn1' is paired twice, with 'c1' and with 'c2'"):
        read(tmp_path, "reference,candidate\nbn1,c1\nbn1,c2\n")


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        read_pairs(tmp_path / "none.csv", torch_net(), onnx_net())
