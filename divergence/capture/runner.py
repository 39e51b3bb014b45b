"""The one contract that every runtime fulfils: run a model and show each value to a probe."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from divergence.records import Array, Call, Program


class Probe(Protocol):
    """What a run shows its values to, in execution order.

    A probe that must stop the run raises; the runner undoes what it set up and passes the
    exception on.
    """

    def __call__(self, site: str, value: Array, exact: Array | None = None) -> None:
        """See one value.

        value: shares the runtime's memory: valid during the call only, read-only; copy to keep.
        exact: the same value computed in float64, where the run was asked for it.
        """


class Runner(Protocol):
    """A model in a runtime. Every run starts from the same state and leaves none behind."""

    def program(self, call: Call) -> Program:
        """Return what this side computes for `call`, without keeping values."""

    def run(
        self, call: Call, probe: Probe | None = None, sites: Collection[str] | None = None
    ) -> tuple[Array, ...]:
        """Run once and return the outputs in the order of `Program.outputs`.

        probe: sees the values of `sites`, or of all sites where that is None; a site that is
        an alias of another is shown under its own name too when it is asked for.
        """

    def describe(self) -> dict[str, object]:
        """Return what the report says about this side: kind, file, versions, device, threads."""
