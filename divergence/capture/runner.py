"""The one contract that every runtime fulfils: run a model and show each value to a probe."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, runtime_checkable

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


@dataclass(frozen=True, slots=True)
class Held:
    """What a run left: the values by site, and its outputs."""

    values: dict[str, Array]
    outputs: tuple[Array, ...]


@runtime_checkable
class KeepingRunner(Runner, Protocol):
    """A runner whose `program` may hold on to the values of its run."""

    def kept(self, call: Call, sites: Collection[str]) -> Held | None:
        """Return the values that the last survey kept, once; None where some of `sites` lack."""


@runtime_checkable
class PreparingRunner(Runner, Protocol):
    """A runner that takes time to make ready what `program` was asked about."""

    def prepare(self) -> None:
        """Make what a run with a probe will need."""


Exact = Literal["none", "free", "fed"]


@runtime_checkable
class ExactRunner(Runner, Protocol):
    """A runner that also knows what exact arithmetic (float64) gives at each of its sites.

    The program runs as it is and decides all branches and indices; the float64 run follows.
    fallbacks: operators that could not run in float64 in the runs so far, with the reason:
    there the float64 run went on from the program's own values.
    """

    fallbacks: dict[str, str]

    def run(
        self,
        call: Call,
        probe: Probe | None = None,
        sites: Collection[str] | None = None,
        exact: Exact = "none",
    ) -> tuple[Array, ...]:
        """Run once, as `Runner.run`; `exact` says what the probe receives as exact value.

        "none": nothing. "free": the value of a float64 run from the same input. "fed": what
        this site is in float64 when computed from the program's own values of the sites
        shown before it; `value - exact` is then the rounding of that segment alone. Ask for
        no aliases in that mode: a value shown twice is exact the second time. Sites that
        hold no floating values have no exact value (None).
        """


Run = Callable[[Probe, Collection[str]], tuple[Array, ...]]


def exact_run(runner: Runner, call: Call, exact: Exact) -> Run:
    """Return a run of `call` that shows exact values too where the runner knows them."""
    if exact != "none" and isinstance(runner, ExactRunner):
        return partial(runner.run, call, exact=exact)
    return partial(runner.run, call)
