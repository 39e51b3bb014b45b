"""What a detector looks at whose cause concerns the whole run, not one segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from divergence.compare.floor import Effect
from divergence.compare.observe import Observed
from divergence.diagnose.culprits import Accused
from divergence.diagnose.edits import Edit
from divergence.diagnose.proof import Bench
from divergence.diagnose.suspects import Scene
from divergence.load.case import Case
from divergence.options import Options
from divergence.records import Array, Finding, Introduced, Match

# Returns the reference's values at the given sites.
Collect = Callable[[set[str]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class Means:
    """How diagnosis gets at values and at other runs.

    collect: the reference's values at the given sites. bench: runs the candidate with edits.
    inputs: the candidate's, by name.
    """

    collect: Collect
    bench: Bench
    inputs: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A whole trace: both sides, what was measured, who is accused."""

    case: Case
    scene: Scene
    observed: Observed
    introduced: Mapping[Match, Introduced]
    accused: Sequence[Accused]
    means: Means
    options: Options


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A finding about the whole run, the edits that undo it, and the accused it answers for.

    effects: of the file's own precision, by output of the candidate.
    """

    finding: Finding
    edits: tuple[Edit, ...] = ()
    answers: frozenset[int] = frozenset()
    effects: Mapping[str, Effect] = field(default_factory=dict)
