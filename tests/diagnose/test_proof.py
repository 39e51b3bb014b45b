"""What counts as a proof, and what is written to a fixed file."""

from __future__ import annotations

import numpy as np

from divergence.diagnose.edits import Edit
from divergence.diagnose.proof import Bench, Claim, prove

WRONG, RIGHT = Edit("make it worse", lambda _: None), Edit("heal it", lambda _: None)
EXPECTED = {"out": np.zeros(2)}


def rerun(edits):
    """Run a file that is off by 1; one edit heals it, the other adds 3."""
    off = (0.0 if RIGHT in edits else 1.0) + (3.0 if WRONG in edits else 0.0)
    return {"out": np.full(2, off)}


def test_an_error_that_falls_is_a_proof_at_the_outputs():
    (proof,) = prove([Claim("v", (RIGHT,), 1.0, 0.5)], Bench(rerun, EXPECTED))
    assert (proof.error_before, proof.error_after, proof.where) == (1.0, 0.0, "")


def test_an_error_that_falls_only_in_its_segment_is_a_proof_there():
    (proof,) = prove([Claim("v", (WRONG,), 2.0, 0.1)], Bench(rerun, EXPECTED))
    assert (proof.error_before, proof.error_after, proof.where) == (2.0, 0.1, "v")


def test_an_error_that_rises_is_no_proof():
    claims = [Claim("v", (RIGHT,), 1.0, 0.5), Claim("w", (WRONG,), 0.1, 0.2)]
    healed, worse = prove(claims, Bench(rerun, EXPECTED))
    assert worse is None
    assert healed.holds
