"""Values fetched as outputs, in batches: where there are no observers.

A batch holds as many consecutive values as the memory bound allows, and runs no more of the
graph than they need; so the values come in the order of the graph, and no batch is larger than
the bound unless one value alone is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from divergence.capture.observed import Show
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.onnx_tensors import Stored, item_bytes
from divergence.capture.surgery import Tap, exposed, measured
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import ModelProto


class Batches:
    """A model whose values come out as outputs, some at a time."""

    def __init__(
        self,
        model: ModelProto,
        weights: Mapping[str, Stored],
        taps: Sequence[Tap],
        settings: Settings,
        name: str,
        memory: int,
        shapes: Callable[[Mapping[str, Array]], Mapping[str, tuple[int, ...] | None]],
    ) -> None:
        """Prepare.

        taps: at the top of the graph. memory: in bytes. shapes: of the sites, for given inputs;
        those that are not known are found by a run that yields shapes alone.
        """
        self._model, self._weights, self._taps = model, weights, tuple(taps)
        # What the runtime keeps for a next run would come on top of the bound.
        self._settings, self._name = replace(settings, arena=False), name
        self._memory, self._shapes = memory, shapes
        self._outputs = [value.name for value in model.graph.output]
        self._whole: tuple[Session, list[str]] | None = None

    def run(self, feeds: Mapping[str, Array], show: Show) -> list[Array]:
        """Run once for each batch, show each tap's value, and return the model's outputs."""
        batches = list(planned(self._taps, self._sizes(feeds), self._memory)) or [()]
        for batch in batches:
            last = batch is batches[-1]
            session, names = self._session(batch, last)
            wanted = [*names, *self._outputs] if last else names
            fetched = list(dict.fromkeys(wanted))
            values = session.run(_needed(session, feeds), fetched)
            del session
            by_name = dict(zip(fetched, values, strict=True))
            values.clear()
            for tap, name in zip(batch, names, strict=True):
                value = by_name[name] if name in self._outputs else by_name.pop(name)
                value.flags.writeable = False
                show(tap, value)
        return [by_name[name] for name in self._outputs]

    def _session(self, batch: Sequence[Tap], last: bool) -> tuple[Session, list[str]]:
        """Make the session of a batch; one that holds everything is kept for the next run."""
        whole = len(batch) == len(self._taps)
        if whole and self._whole is not None:
            return self._whole
        model, names = exposed(self._model, batch, keep=last)
        made = self._made(model), names
        if whole:
            self._whole = made
        return made

    def _sizes(self, feeds: Mapping[str, Array]) -> list[int]:
        """Return the bytes of each tap's value."""
        known = self._shapes(feeds)
        unknown = [tap for tap in self._taps if known.get(tap.site) is None]
        shapes = {**known, **self._measured(unknown, feeds)}
        return [prod(shapes[tap.site] or ()) * item_bytes(tap.element) for tap in self._taps]

    def _measured(
        self, taps: Sequence[Tap], feeds: Mapping[str, Array]
    ) -> dict[str, tuple[int, ...]]:
        if not taps:
            return {}
        model, names = measured(self._model, taps)
        session = self._made(model)
        shapes = session.run(_needed(session, feeds), names)
        return {tap.site: tuple(s.tolist()) for tap, s in zip(taps, shapes, strict=True)}

    def _made(self, model: ModelProto) -> Session:
        return Session(model, self._settings, self._weights, name=self._name)


def planned(taps: Sequence[Tap], sizes: Sequence[int], memory: int) -> Iterator[tuple[Tap, ...]]:
    """Yield consecutive taps whose values fit into `memory` together.

    >>> [len(b) for b in planned(["a", "b", "c"], [4, 4, 4], 8)]
    [2, 1]
    """
    batch: list[Tap] = []
    held = 0
    for tap, size in zip(taps, sizes, strict=True):
        if batch and held + size > memory:
            yield tuple(batch)
            batch, held = [], 0
        batch.append(tap)
        held += size
    if batch:
        yield tuple(batch)


def _needed(session: Session, feeds: Mapping[str, Array]) -> dict[str, Array]:
    return {name: value for name, value in feeds.items() if name in session.inputs}
