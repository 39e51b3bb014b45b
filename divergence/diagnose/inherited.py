"""What outputs inherit where every segment before them only rounds.

In a coarser precision the floor of a free run is scaled up from the reference's own rounding, as
if errors grew in proportion; large ones do not. Where all that leads to the outputs was fed and
adds no more than its rounding, what the outputs are off is rounding that grew, whatever its size.
"""

from __future__ import annotations

from collections.abc import Mapping

from divergence.compare.floor import MULTIPLE, Effect
from divergence.diagnose.inquiry import Inquiry
from divergence.diagnose.segments import live
from divergence.records import Introduced, Match


def inherited(inquiry: Inquiry, introduced: Mapping[Match, Introduced]) -> dict[str, Effect]:
    """Return the errors of outputs that are grown rounding; none where a node was not judged."""
    scene = inquiry.scene
    within = [match.candidate for match, added in introduced.items() if added.multiple <= MULTIPLE]
    judged = {site.name for name in within for site in scene.candidate_segment(name).sites}
    used = live(scene.candidate)
    nodes = {s.name for s in scene.candidate.sites if s.kind == "node" and not s.constant}
    if not (nodes & used) <= judged:
        return {}
    return {
        pair.match.candidate: Effect(pair.metrics.max_abs, pair.metrics.rmse)
        for pair in inquiry.observed.measured
        if pair.match.candidate in scene.candidate.outputs and not pair.metrics.incomparable
    }
