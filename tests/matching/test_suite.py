"""The targets of the suite, held on its smallest networks; the tables have the others."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.matching.suite.__main__ import run
from tests.matching.suite.architectures import ARCHITECTURES
from tests.matching.suite.measure import Result, Score
from tests.matching.suite.rewrites import REWRITES

pytestmark = pytest.mark.zoo

SMALL = ("mobilenetv3_small_050", "lstm", "states", "repeated", "swinir")
AS_EXPORTED, SIMPLIFIED, OTHERS = 0.97, 0.95, 0.90
LEAST = {
    "exported": AS_EXPORTED,
    **dict.fromkeys(("onnxsim", "onnxslim", "ort basic", "ort extended", "ort all"), SIMPLIFIED),
}


@pytest.fixture(scope="module", params=SMALL)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list:
    chosen = tuple(a for a in ARCHITECTURES if a.name == request.param)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what exporters and converters say about themselves
        return run(tmp_path_factory.mktemp("suite"), chosen)


def total(results: list[Result], rewrite: str, perturbed: bool) -> Score:
    score = Score()
    for result in results:
        if result.rewrite == rewrite and result.perturbed == perturbed:
            score += result.modules
    return score


def test_most_rewrites_are_measured(results):
    assert len({result.rewrite for result in results}) >= len(REWRITES) - 2


@pytest.mark.parametrize("perturbed", [False, True], ids=["plain", "perturbed"])
@pytest.mark.parametrize("rewrite", REWRITES)
def test_precision_and_recall_reach_their_targets(results, rewrite, perturbed):
    score = total(results, rewrite, perturbed)
    if not score.possible:
        pytest.skip("the rewriter cannot do it")
    least = OTHERS if perturbed else LEAST.get(rewrite, OTHERS)
    assert score.precision >= 0.99
    assert score.recall >= least


def test_confident_pairs_are_right(results):
    sure = [right for result in results for chance, right in result.certainty if chance >= 0.9]
    assert sum(sure) >= 0.99 * len(sure)
    assert sure


def test_files_are_kept_between_runs(tmp_path: Path):
    chosen = tuple(a for a in ARCHITECTURES if a.name == "lstm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(tmp_path, chosen, ("torchscript",), ("exported",))
        kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.onnx")}
        run(tmp_path, chosen, ("torchscript",), ("exported",))
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.onnx")}
