"""Accused segments with what the detectors say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType

from divergence.compare.floor import MULTIPLE
from divergence.compare.profile import profile
from divergence.diagnose.causes import SEARCHES, SEGMENT_CAUSES
from divergence.diagnose.culprits import Accused
from divergence.diagnose.distance import Bound
from divergence.diagnose.examine import Examination, examine
from divergence.diagnose.inquiry import Inquiry
from divergence.diagnose.suspect import Suspect
from divergence.diagnose.suspects import Scene, needed, suspect
from divergence.records import Introduced


@dataclass(frozen=True)
class Examined:
    """An accused segment, set up to be tried (None where it cannot be), and what was found."""

    accused: Accused
    suspect: Suspect | None
    examination: Examination

    @property
    def explained(self) -> bool:
        """Whether a cause was found."""
        return bool(self.examination.explained)

    @property
    def clean(self) -> bool:
        """Whether the segment adds no more than rounding."""
        return self.accused.introduced.multiple <= MULTIPLE


def look(
    inquiry: Inquiry,
    scene: Scene,
    accused: Sequence[Accused],
    causes: Sequence[ModuleType] = SEGMENT_CAUSES,
    searches: Sequence[ModuleType] = SEARCHES,
) -> list[Examined]:
    """Ask every detector, or those given, about each of these segments of a scene."""
    if not accused:
        return []
    values = inquiry.means.collect(needed(scene, [each.match for each in accused]))
    found = []
    for each in accused:
        place = suspect(scene, each.match, values, inquiry.means.inputs, bound_of(each.introduced))
        if place is None:
            found.append(Examined(each, None, Examination((), ())))
            continue
        shown = replace(each, profile=profile(place.expected, place.produced))
        found.append(Examined(shown, place, examine(place, causes, searches)))
    return found


def bound_of(introduced: Introduced) -> Bound:
    """Return the errors up to which a segment is healed: the limit of rounding."""
    if not introduced.floor_rmse:
        return Bound(MULTIPLE * introduced.floor)
    return Bound(MULTIPLE * introduced.floor, MULTIPLE * introduced.floor_rmse)
