"""Which values a run showed: sites of loop turns, branches not taken, sizes known only then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from divergence.capture.movements import arranged
from divergence.capture.onnx_program import BODY
from divergence.capture.runner import Probe
from divergence.capture.surgery import Tap
from divergence.capture.tracing import Member
from divergence.records import Array, Program, Site, Unpaired


class Show:
    """Passes the values of one run on to a probe under the names that were asked for.

    A site in a body is shown once a turn: `<site>`, `<site>#1`, `<site>#2`; the turns of a loop
    within a loop are counted through.
    """

    def __init__(
        self,
        probe: Probe,
        sites: Collection[str] | None,
        members: Mapping[str, Sequence[Member]],
        shapes: Mapping[str, tuple[int, ...] | None],
    ) -> None:
        """Prepare; members: as in `Trace`; shapes: of the sites, for this call's inputs."""
        self._probe = probe
        self._wanted = None if sites is None else frozenset(sites)
        self._members, self._shapes = members, shapes
        self._turns: Counter[str] = Counter()

    def input(self, name: str, value: Array) -> None:
        """Show a model input."""
        view = value.view()
        view.flags.writeable = False
        self._pass(name, "", view)

    def __call__(self, tap: Tap, value: Array) -> None:
        """Show the value of a tap."""
        turn = self._turns[tap.site]
        if tap.body:
            self._turns[tap.site] += 1
        self._pass(tap.site, f"#{turn}" if turn else "", value)

    def _pass(self, site: str, suffix: str, value: Array) -> None:
        for member in self._members[site]:
            name = member.site + suffix
            if not member.alias if self._wanted is None else name in self._wanted:
                arrangement = arranged(value, member.steps, self._shapes)
                if arrangement is not None:
                    self._probe(name, arrangement)


class Survey:
    """A probe that notes what is shown, in order."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[tuple[int, ...], str]] = {}

    def __call__(self, site: str, value: Array, exact: Array | None = None) -> None:  # noqa: ARG002 - a probe's signature
        """Note one value."""
        self.seen[site] = (value.shape, "str" if value.dtype == object else value.dtype.name)


def unrolled(program: Program, survey: Survey) -> Program:
    """Return the program as a run showed it: its turns, its shapes and dtypes.

    The order is the file's, which the runtime's need not be; in bodies the turns follow each
    other. Values of branches that were not taken are no sites of this call; they are listed as
    unobservable.
    """
    seen = dict(survey.seen)
    bodies = _entered(program, seen)
    idle = tuple(body for body, taken in bodies.items() if not taken)
    gone = [site for site in program.sites if _is_inside(site, idle)]
    dropped = {site.name for site in gone}
    home = {site.name: str(site.attributes[BODY]) for site in program.sites if _in_body(site)}
    place = {name: number for number, name in enumerate(seen)}
    ordered: list[tuple[int, int, Site]] = []  # by place at the top of the file, then in the run
    top, last = 0, -1
    for site in program.sites:
        if site.name not in dropped:
            kept = replace(site, inputs=tuple(i for i in site.inputs if i not in dropped))
            kept = replace(kept, alias_of=kept.alias_of or _passed_on(kept, bodies, home, seen))
            if kept.alias_of in seen:  # shown once, under the other name
                seen.setdefault(site.name, seen[kept.alias_of])
            top, last = (top, place.get(site.name, last)) if _in_body(site) else (top + 1, -1)
            ordered.append((top, last, _measured(kept, seen)))
            ordered.extend((top, place[turn.name], turn) for turn in _turns(kept, seen))
    ordered.sort(key=lambda entry: entry[:2])
    sites = tuple(replace(site, order=order) for order, (*_, site) in enumerate(ordered))
    hidden = {entry.site: entry for entry in program.unobservable}
    for site in gone:
        if not site.constant:
            hidden[site.name] = Unpaired("candidate", site.name, _IDLE)
    return replace(program, sites=sites, unobservable=tuple(hidden.values()))


_IDLE = "it is in a branch that is not taken, or a loop that makes no turn, for this input"


def _entered(program: Program, seen: Collection[str]) -> dict[str, bool]:
    """Tell of each body whether anything was seen of it; those that cannot show are left out.

    A branch that shows nothing, as it hands on what is outside, is taken where the other is not.
    """
    hidden = {entry.site for entry in program.unobservable}
    bodies: dict[str, bool] = {}
    for site in program.sites:
        if _in_body(site) and not (site.constant or site.alias_of or site.name in hidden):
            body = site.attributes[BODY]
            bodies[body] = bodies.get(body, False) or site.name in seen
    for node in [site.node for site in program.sites if site.op == "If"]:
        branches = [f"{node}/{branch}/" for branch in ("then_branch", "else_branch")]
        for body, other in (branches, branches[::-1]):
            if other in bodies:
                bodies.setdefault(body, not bodies[other])
    return bodies


def _passed_on(
    site: Site, bodies: Mapping[str, bool], home: Mapping[str, str], seen: Collection[str]
) -> str | None:
    """Return the value that an `If` hands out as it is: that of the one branch it took.

    In a loop another turn may take the other branch: there nothing is said.
    """
    if site.op != "If" or f"{site.name}#1" in seen:
        return None
    own = f"{site.node}/"
    results = [i for i in site.inputs if home.get(i, "").startswith(own)]
    taken = {home[i] for i in results if bodies.get(home[i])}
    return results[0] if len(results) == len(taken) == 1 else None


def _is_inside(site: Site, bodies: tuple[str, ...]) -> bool:
    return _in_body(site) and str(site.attributes[BODY]).startswith(bodies)


def _turns(site: Site, seen: Mapping[str, tuple[tuple[int, ...], str]]) -> list[Site]:
    turns: list[Site] = []
    while (name := f"{site.name}#{len(turns) + 1}") in seen and _in_body(site):
        suffix = f"#{len(turns) + 1}"
        inputs = tuple(i + suffix if i + suffix in seen else i for i in site.inputs)
        turns.append(_measured(replace(site, name=name, inputs=inputs), seen))
    return turns


def _measured(site: Site, seen: Mapping[str, tuple[tuple[int, ...], str]]) -> Site:
    if site.name not in seen:
        return site
    shape, dtype = seen[site.name]
    # The runtime may have computed it in a wider type than the file says.
    return replace(site, shape=shape, dtype=site.dtype or dtype)


def _in_body(site: Site) -> bool:
    return BODY in site.attributes
