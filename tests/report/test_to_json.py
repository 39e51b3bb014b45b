"""report.json says what the interface promises, and gives the report back."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from divergence.errors import LoadError
from divergence.records import Alignment
from divergence.report import Report, from_json, to_json
from divergence.report.to_json import plain
from tests.report import samples

KINDS = ["clean_vit", "divergent_vit", "nonfinite", "partial", "empty", "hostile"]


def document(report):
    def refuse(word):
        pytest.fail(f"{word} is not standard JSON")

    return json.loads(to_json.render(report), parse_constant=refuse)


def test_the_names_that_scripts_rely_on_are_there():
    found = document(samples.divergent_vit())
    assert set(found) >= {
        "schema", "verdict", "partial", "culprits", "findings", "ruled_out", "outputs", "pairs",
        "unpaired", "coverage", "stages", "observer_effect", "reference", "candidate", "inputs",
        "environment", "options", "timing",
    }  # fmt: skip
    assert found["schema"] == "divergence.report/1"
    assert set(found["verdict"]) == {"status", "sentence"}
    assert set(found["pairs"][0]) >= {
        "reference", "candidate", "reference_scope", "stage", "order", "paired_by", "confidence",
        "shape", "dtypes", "alignment", "metrics", "floor", "introduced", "verdict",
    }  # fmt: skip
    assert set(found["pairs"][0]["metrics"]) >= {
        "max_abs", "mean_abs", "rmse", "max_rel", "cosine", "sqnr_db", "max_ulp", "mismatched",
        "total", "worst_index",
    }  # fmt: skip
    assert set(found["pairs"][0]["floor"]) >= {
        "reference_max_abs", "candidate_max_abs", "multiple",
    }  # fmt: skip
    assert set(found["culprits"][0]) >= {
        "reference", "reference_scope", "candidate", "candidate_nodes", "stage", "introduced",
        "pair",
    }  # fmt: skip
    assert set(found["findings"][0]) >= {
        "cause", "culprit", "confidence", "explanation", "evidence", "remedy", "parameters",
        "proof",
    }  # fmt: skip
    assert set(found["findings"][0]["proof"]) >= {"action", "error_before", "error_after"}
    assert set(found["ruled_out"][0]) == {"cause", "reason"}
    assert set(found["unpaired"][0]) == {"side", "site", "reason"}
    assert set(found["coverage"]) == {
        "reference_sites", "reference_paired", "candidate_sites", "candidate_paired",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_comes_back_as_it_was(kind):
    report = getattr(samples, kind)()
    text = to_json.render(report)
    back = from_json.parse(text, "report.json", Report)
    assert isinstance(back, Report)
    assert to_json.render(back) == text
    assert repr(back.pairs) == repr(from_json.parse(text, "again", Report).pairs)  # NaN is in some
    assert isinstance(back.pairs, tuple)
    assert back.verdict == report.verdict


def test_tuples_enumerations_and_numbers_are_restored():
    back = from_json.parse(to_json.render(samples.nonfinite()), "", Report)
    last = back.pairs[-1]
    assert last.metrics.worst_index == (0, 17, 233)
    assert last.verdict.value == "nonfinite"
    assert math.isnan(last.metrics.max_abs)
    assert last.floor.candidate_max_abs == math.inf
    assert last.dtypes == ("float32", "float16")


def test_numbers_that_json_lacks_are_words():
    assert plain([math.nan, math.inf, -math.inf]) == ["NaN", "Infinity", "-Infinity"]
    assert plain(np.float32("nan")) == "NaN"


def test_foreign_types_become_json():
    given = {"array": np.arange(3), "count": np.int64(2), "path": Path("a/b"), 1: (True, None)}
    assert plain(given) == {"array": [0, 1, 2], "count": 2, "path": "a/b", "1": [True, None]}


def test_an_alignment_names_only_what_was_done():
    first, *rest = samples.clean_vit().pairs
    moved = replace(first, alignment=Alignment(permutation=(0, 2, 1)))
    found = document(replace(samples.clean_vit(), pairs=(moved, *rest)))
    assert found["pairs"][0]["alignment"] == {"permutation": [0, 2, 1]}
    assert found["pairs"][1]["alignment"] is None


def test_fields_added_by_a_later_version_are_passed_over():
    held = document(samples.clean_vit()) | {"added": 1}
    assert from_json.parse(json.dumps(held), "", Report).pairs


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not valid JSON"),
        ("[1]", "has the schema None, expected 'divergence.report/1'"),
        ('{"schema": "divergence.report/9"}', "has the schema 'divergence.report/9'"),
        ('{"schema": "divergence.report/1"}', "not a complete report .*lacks verdict"),
    ],
)
def test_what_is_no_report_is_refused_in_one_sentence(text, told):
    with pytest.raises(LoadError, match=told):
        from_json.parse(text, "run/report.json", Report)


def test_a_figure_of_the_wrong_type_is_refused():
    held = document(samples.clean_vit())
    held["pairs"][3]["order"] = "third"
    with pytest.raises(LoadError, match="expected int, got 'third'"):
        from_json.parse(json.dumps(held), "run/report.json", Report)
