"""Boundaries whose value the candidate's type can hold.

A float16 file may run without an overflow although its values leave the range of float16: the
runtime computes through in float32 what stands between two casts. Fed and read in between, such a
value becomes infinite, which says nothing of the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from divergence.diagnose.mispairs import Added, Remeasure
from divergence.diagnose.suspects import Scene
from divergence.records import Measured

# Values beyond the range that follow each other show one by one.
ROUNDS = 4


def within_range(
    scene: Scene, remeasure: Remeasure, measured: Sequence[Measured]
) -> tuple[Scene, Added]:
    """Return the scene without boundaries that only feeding makes infinite, and what is added.

    measured: in the free run. Where that shows a value that is not finite, the overflow is real.
    """
    added = remeasure(scene)
    half = any(site.dtype == "float16" for site in scene.candidate.sites)
    if not half or any(pair.metrics.nonfinite for pair in measured):
        return scene, added
    for _ in range(ROUNDS):
        infinite = {match.candidate for match, a in added.items() if math.isinf(a.multiple)}
        first = [
            match
            for match in scene.matches
            if match.candidate in infinite
            and not infinite.intersection(scene.candidate_segment(match.candidate).inputs)
        ]
        if not first:
            break
        scene = scene.without(first)
        added = remeasure(scene)
    return scene, added
