"""One side's values are there: the other runs alone and is shown against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from divergence.capture.lockstep import OnPair, Together, Unmet
from divergence.capture.runner import Held, Run
from divergence.records import Array, Match


def replay(held: Held, candidate: Run, matches: Sequence[Match], on_pair: OnPair) -> Together:
    """Run the candidate once and show each of its values to `on_pair` with its partner.

    As `lockstep`, but without a second run, a thread, or a copy. A value of the reference is
    let go when its last pair was shown.
    """
    waiting: dict[str, list[Match]] = {}
    for match in matches:
        waiting.setdefault(match.candidate, []).append(match)
    left = Counter(match.reference for match in matches)

    def probe(site: str, value: Array, exact: Array | None = None) -> None:  # noqa: ARG001 - a probe's signature
        for match in waiting.pop(site, ()):
            on_pair(match, held.values[match.reference], value, None)
            left[match.reference] -= 1
            if not left[match.reference]:
                del held.values[match.reference]

    outputs = candidate(probe, frozenset(waiting))
    unmet = tuple(Unmet(match, ("candidate",)) for match in matches if match.candidate in waiting)
    return Together(held.outputs, outputs, unmet, 0, 0)
