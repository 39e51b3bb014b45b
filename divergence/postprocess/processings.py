"""What stands behind the model on each side."""

from __future__ import annotations

from dataclasses import dataclass

from divergence.options import Options
from divergence.postprocess.spec import Declared, Processing, resolve


@dataclass(frozen=True, slots=True)
class Processings:
    """The post-processing of both sides; the candidate's defaults to the reference's."""

    reference: Processing
    candidate: Processing

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return any(one != Declared() for one in (self.reference, self.candidate))

    def of(self, side: str) -> Processing:
        """Return that of `reference` or `candidate`."""
        return self.reference if side == "reference" else self.candidate


def read_processings(options: Options) -> Processings:
    """Read what the user gave, before anything runs.

    Raises:
        SpecError: a document is wrong, or a callable cannot be imported.
    """
    ours = resolve(options.postprocess)
    given = options.candidate_postprocess
    return Processings(ours, ours if given is None else resolve(given))
