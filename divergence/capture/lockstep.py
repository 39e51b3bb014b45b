"""Two models run side by side, so that memory does not grow with the model.

Each pair of values is shown to a callback while both exist, then forgotten. The reference runs
in the caller's thread, the candidate in a thread of its own, and a baton lets one of them compute
at a time. A side whose value has no partner yet keeps a copy and goes on while that is cheap;
else it waits inside its probe, the value still the runtime's own, and lets the other side catch
up. Where both wait (their orders differ) the one that gets the baton keeps a copy after all, in
memory up to a bound and on disk beyond it: so there is always a side that can go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from divergence.capture.baton import OTHER, Baton, Stopped
from divergence.capture.runner import Probe, Run
from divergence.capture.store import Store, Value
from divergence.records import Array, Match, Side

GRAIN = 4 * 2**20  # bytes that the candidate may be ahead: few switches, and the cache still warm

OnPair = Callable[[Match, Array, Array, Array | None], None]
End = tuple[Side, str]  # a site of one side


@dataclass(frozen=True, slots=True)
class Unmet:
    """A match of which at least one side never delivered its value."""

    match: Match
    missing: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Together:
    """What two runs side by side left behind.

    peak_nbytes: copies held in memory at most; spilled_nbytes: copies written to disk in all.
    """

    reference: tuple[Array, ...]
    candidate: tuple[Array, ...]
    unmet: tuple[Unmet, ...]
    peak_nbytes: int
    spilled_nbytes: int


def lockstep(
    reference: Run,
    candidate: Run,
    matches: Sequence[Match],
    on_pair: OnPair,
    memory: int = 2**31,
    grain: int = GRAIN,
) -> Together:
    """Run both sides once and show each pair of values to `on_pair` as soon as both exist.

    reference, candidate: called once with a probe and the sites that are wanted, such as
        `partial(runner.run, call)` or `partial(runner.run, call, exact="free")`.
    on_pair: gets the match, the reference's value, the candidate's and the reference's in float64
        (None where its run gives none), in any order of matches and from either thread, never
        from both at once. Values are valid during the call only.
    memory: bytes of copies held in memory at most; more go to temporary files.
    grain: bytes that the candidate may be ahead before it waits.

    What either run or `on_pair` raises, KeyboardInterrupt too, stops both sides and is raised
    here; what `on_pair` has seen until then stands.
    """
    baton, store = Baton(first="candidate"), Store(memory)
    exchange = _Exchange(matches, on_pair, baton, store, min(grain, memory // 2))
    sites: dict[Side, frozenset[str]] = {side: exchange.sites(side) for side in OTHER}
    outputs: dict[Side, tuple[Array, ...]] = {}

    def play(side: Side, run: Run) -> None:
        try:
            baton.wait(side)
            outputs[side] = run(exchange.probe(side), sites[side])
        except BaseException as error:  # noqa: BLE001 - also Ctrl-C must stop the other side
            baton.fail(error)
        finally:
            baton.finish(side)

    # No daemon: Python that ends while a runtime is about to call back into it ends by a signal.
    worker = threading.Thread(target=play, args=("candidate", candidate))
    worker.start()
    try:
        play("reference", reference)
        _await_candidate(baton)
        worker.join()
    except BaseException as error:  # a second Ctrl-C: the candidate is not waited for here
        baton.fail(error)
        raise
    finally:
        store.close()
    if baton.failure is not None:
        raise baton.failure
    return Together(
        outputs["reference"],
        outputs["candidate"],
        exchange.unmet(matches),
        store.peak_nbytes,
        store.spilled_nbytes,
    )


def _await_candidate(baton: Baton) -> None:
    """Wait for the candidate's end. Not by `Thread.join`: interrupted, it takes it for ended."""
    try:
        baton.wait_finished("candidate")
    except KeyboardInterrupt as interrupt:
        baton.fail(interrupt)
        baton.wait_finished("candidate")


class _Exchange:
    """Where values meet. Only the side that holds the baton is in here."""

    def __init__(
        self, matches: Sequence[Match], on_pair: OnPair, baton: Baton, store: Store, grain: int
    ) -> None:
        self._on_pair, self._baton, self._store, self._grain = on_pair, baton, store, grain
        self._open: dict[End, list[Match]] = {}
        for match in matches:
            for end in _ends(match):
                self._open.setdefault(end, []).append(match)
        self._delivered: set[End] = set()
        self._offered: dict[End, Value] = {}  # by sides that wait inside their probes
        self._ahead = 0  # bytes of the candidate's copies

    def sites(self, side: Side) -> frozenset[str]:
        """Return the sites that this side is asked for."""
        return frozenset(site for of_side, site in self._open if of_side == side)

    def probe(self, side: Side) -> Probe:
        """Return the probe for one side."""

        def deliver(site: str, value: Array, exact: Array | None = None) -> None:
            self._baton.check()
            try:
                self._deliver((side, site), Value(value, exact))
            except Exception as error:  # not the model's: a runner must not take it for its own
                self._baton.fail(error)
                raise Stopped from error

        return deliver

    def unmet(self, matches: Sequence[Match]) -> tuple[Unmet, ...]:
        """Return those of `matches` that have not met."""
        return tuple(
            Unmet(match, tuple(end[0] for end in _ends(match) if end not in self._delivered))
            for match in matches
            if match in self._open.get(("reference", match.reference), ())
        )

    def _deliver(self, end: End, value: Value) -> None:
        if end in self._delivered:
            return
        self._delivered.add(end)
        self._meet(end, value)
        if self._waits(end) and not self._may_go_ahead(end[0], value):
            self._offer(end, value)
        if self._waits(end):
            self._keep(end, value)

    def _waits(self, end: End) -> bool:
        """Whether a partner is still to come."""
        return bool(self._open.get(end)) and not self._baton.finished(OTHER[end[0]])

    def _may_go_ahead(self, side: Side, value: Value) -> bool:
        """Whether to copy a value rather than to wait.

        The reference never is ahead of its own will: its copies may hold float64 as well. The
        candidate goes further while the reference waits for it, until it has copied about as
        much as copying the value that the reference waits with would take.
        """
        waiting = sum(offer.nbytes for end, offer in self._offered.items() if self._open.get(end))
        allowed = self._grain + 2 * waiting
        return side == "candidate" and self._ahead + value.nbytes <= allowed

    def _offer(self, end: End, value: Value) -> None:
        """Let the other side run while this one waits with its value."""
        self._offered[end] = value
        try:
            self._baton.hand_over(end[0])
        finally:
            del self._offered[end]

    def _keep(self, end: End, value: Value) -> None:
        self._store.put(end, value)
        if end[0] == "candidate":
            self._ahead += value.nbytes

    def _meet(self, end: End, value: Value) -> None:
        """Show all pairs of this value with partners that are there."""
        for match in tuple(self._open.get(end, ())):
            other = next(other for other in _ends(match) if other != end)
            partner = self._present(other)
            if partner is None:
                continue
            reference, candidate = (value, partner) if end[0] == "reference" else (partner, value)
            self._on_pair(match, reference.array, candidate.array, reference.exact)
            self._close(match)

    def _present(self, end: End) -> Value | None:
        if end in self._offered:
            return self._offered[end]
        return self._store.get(end) if end in self._store else None

    def _close(self, match: Match) -> None:
        for end in _ends(match):
            self._open[end].remove(match)
            if not self._open[end]:
                nbytes = self._store.drop(end)
                self._ahead -= nbytes if end[0] == "candidate" else 0


def _ends(match: Match) -> tuple[End, End]:
    return ("reference", match.reference), ("candidate", match.candidate)
