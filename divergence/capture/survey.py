"""The survey of a PyTorch program: its sites and what each reads, without any value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from divergence.capture.dataflow import Dataflow, storage_key
from divergence.capture.tensors import dtype_name, is_plain, tensors
from divergence.records import Site, SiteKind

if TYPE_CHECKING:
    from torch import Tensor

    from divergence.capture.hooks import Frame
    from divergence.capture.ops import Ran


# Of a module without children that takes several steps: what the last of them reads.
OPERANDS = "divergence.operands"


def indexed(name: str, index: int) -> str:
    """Return the name of one of several tensors; the first has the bare name.

    >>> indexed("lstm", 0), indexed("lstm", 2)
    ('lstm', 'lstm[2]')
    """
    return f"{name}[{index}]" if index else name


@dataclass(eq=False, slots=True)
class Draft:
    """A site while the program runs, when what becomes of it is not known yet.

    keeps_values: an op that gives its one operand's values in another layout at most.
    operands: what the op reads that a module site stands for.
    merged: the module site that stands for this op; turned: which holds its values in another
    layout, or others that were made from them. readers: how many sites read it.
    auxiliary: a further result of an op, listed only where something reads it.
    """

    name: str
    kind: SiteKind
    op: str
    scope: str
    frame: Frame | None
    shape: tuple[int, ...]
    dtype: str
    inputs: list[Draft] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    operands: list[Draft] = field(default_factory=list)
    alias: Draft | None = None
    merged: Draft | None = None
    turned: bool = False
    constant: bool = False
    keeps_values: bool = False
    auxiliary: bool = False
    readers: int = 0

    def shown(self) -> Draft:
        """Return the site that stands for this value in the program."""
        draft = self
        while (further := draft.merged or draft.alias) is not None:
            draft = further
        return draft


# They give memory without a value.
_UNINITIALISED = frozenset({"empty", "empty_like", "empty_strided", "new_empty"})


class _Weight(str):
    """The name of a weight, as maker of the values that it holds; empty: no value yet."""

    __slots__ = ()


class Survey:
    """A listener that drafts every site of one run and joins them by who made which value."""

    def __init__(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        self.raised: BaseException | None = None
        self._flow: Dataflow[Draft | _Weight] = Dataflow()
        self._drafts: list[Draft] = []
        self._arguments: dict[Frame, tuple[list[Draft], list[str]]] = {}
        self._weights: dict[Frame, dict[str, None]] = {}
        for name, tensor in weights:
            if not self._flow.maker(tensor):
                self._flow.wrote(tensor, _Weight(name))

    def take_input(self, name: str, tensor: Tensor) -> None:
        """Draft the site of a model input."""
        draft = self._draft(name, "input", "input", None, tensor)
        self._flow.made(tensor, draft)

    def enter(self, frame: Frame, arguments: Any) -> None:
        """Note what a module call is given."""
        self._arguments[frame] = _parted(map(self._flow.maker, tensors(arguments)))
        self._weights[frame] = {}

    def before_write(self, written: list[Tensor]) -> None:
        """No values are looked at."""

    def op(self, ran: Ran) -> None:
        """Draft the sites of an operator that ran."""
        frame, op, args, kwargs = ran.frame, ran.op, ran.args, ran.kwargs
        outputs = tensors(ran.result)
        operands = list(op.operands(args, kwargs))
        written = ran.written
        makers = [self._flow.maker(tensor) for tensor in operands]
        sources, weights = _parted(makers)
        for source in sources:
            source.readers += 1
        self._weights[frame].update(dict.fromkeys(weights))
        attributes = op.attributes(args, kwargs)
        fixed = op.name == "lift_fresh" or None not in makers
        constant = fixed and not op.draws(args, kwargs) and all(s.constant for s in sources)
        targets = outputs or written
        for index, tensor in enumerate(targets):
            if not is_plain(tensor):
                continue
            if op.name in _UNINITIALISED:
                self._flow.made(tensor, _Weight())
                continue
            layout = op.keeps_values or (not written and _shares(tensor, operands))
            if layout and not sources and len(weights) == 1:
                self._flow.made(tensor, _Weight(weights[0]))
                continue
            draft = self._draft(indexed(ran.name, index), "op", op.name, frame, tensor)
            draft.inputs, draft.weights, draft.attributes = sources, weights, attributes
            draft.constant = constant
            draft.auxiliary = index > 0
            draft.keeps_values = layout
            known = layout and not written and self._flow.knows(tensor)
            back = self._flow.maker(tensor) if known else None
            if isinstance(back, Draft) and not back.turned:
                draft.alias = back  # a view of a view that is the first value again
                back.readers += 1
            else:
                self._flow.made(tensor, draft)
            if index == 0:
                self._change(written, draft)

    def leave(self, frame: Frame, output: Any) -> None:
        """Draft the sites of a module call that ended."""
        arguments, _ = self._arguments.pop(frame)
        weights = list(self._weights.pop(frame))
        kind, settings, leaf = frame.callee.kind, frame.callee.settings(), frame.callee.leaf
        for index, tensor in enumerate(tensors(output)):
            if not is_plain(tensor):
                continue
            maker = self._flow.maker(tensor)
            site = self._draft(indexed(frame.label, index), "module", kind, frame, tensor)
            site.inputs, site.weights = arguments, weights
            site.attributes = dict(settings)
            if not isinstance(maker, Draft):
                site.constant = True
                continue
            site.constant = maker.constant
            if leaf and maker.frame is frame and self._absorb(site, maker):
                self._flow.made(tensor, site)
            else:
                site.alias = maker
                maker.readers += 1

    def sites(self, *, ops: bool = True) -> tuple[Site, ...]:
        """Return the sites in execution order; without `ops`, what they read in their place."""
        kept = [
            draft
            for draft in self._drafts
            if not draft.merged
            and (draft.readers or not draft.auxiliary)
            and (ops or draft.kind != "op")
        ]
        return tuple(_site(draft, order, ops) for order, draft in enumerate(kept))

    def _absorb(self, site: Draft, last: Draft) -> bool:
        """Let a childless module's site stand for the op that made its output.

        Back from the output through ops that only change the layout, up to the one that
        computes; an op that is read elsewhere too stays a site of its own.
        """
        chain: list[Draft] = []
        draft: Draft | None = last
        while draft is not None and draft.frame is site.frame and draft.kind == "op":
            if draft.readers > (1 if chain else 0) or draft.merged:
                break
            chain.append(draft)
            draft = draft.inputs[0] if draft.keeps_values and len(draft.inputs) == 1 else None
        for number, draft in enumerate(chain):
            draft.merged, draft.turned = site, number > 0
        if chain:
            work = chain[-1]
            site.operands = work.inputs
            site.attributes = work.attributes | {"aten": work.op} | site.attributes
            _hide_layout(work, site)
        return bool(chain)

    def _draft(
        self, name: str, kind: SiteKind, op: str, frame: Frame | None, tensor: Tensor
    ) -> Draft:
        scope = frame.scope if frame else ""
        draft = Draft(name, kind, op, scope, frame, tuple(tensor.shape), dtype_name(tensor))
        self._drafts.append(draft)
        return draft

    def _change(self, written: list[Tensor], draft: Draft) -> None:
        for tensor in written:
            self._flow.wrote(tensor, draft)


def _parted(makers: Iterable[Draft | _Weight | None]) -> tuple[list[Draft], list[str]]:
    """Return the sites and the weights among those who made some values."""
    sources: list[Draft] = []
    weights: list[str] = []
    for maker in makers:
        if isinstance(maker, Draft):
            sources.append(maker)
        elif maker:
            weights.append(str(maker))
    return sources, weights


def _shares(tensor: Tensor, operands: list[Tensor]) -> bool:
    key = storage_key(tensor)
    return key is not None and any(storage_key(t) == key for t in operands)


def _hide_layout(work: Draft, site: Draft) -> None:
    """Let the module's site stand also for ops that only lay out what its last op reads."""
    for source in work.inputs:
        inside = source.frame is site.frame and source.keeps_values and not source.merged
        if inside and source.readers == 1:
            source.merged, source.turned = site, True
            _hide_layout(source, site)


def _site(draft: Draft, order: int, ops: bool) -> Site:
    alias = draft.alias.shown() if draft.alias else None
    if alias is draft or (alias and alias.kind == "op" and not ops):
        alias = None
    inputs, operands = (tuple(_names(of, ops)) for of in (draft.inputs, draft.operands))
    inner = {OPERANDS: operands} if set(operands) - set(inputs) else {}
    return Site(
        name=draft.name,
        kind=draft.kind,
        op=draft.op,
        scope=draft.scope,
        order=order,
        shape=draft.shape,
        dtype=draft.dtype,
        inputs=inputs,
        weights=tuple(draft.weights),
        attributes=draft.attributes | inner,
        alias_of=alias.name if alias else None,
        constant=draft.constant,
    )


def _names(sources: Iterable[Draft], ops: bool) -> Iterator[str]:
    for source in sources:
        shown = source.shown()
        if ops or shown.kind != "op":
            yield shown.name
        else:
            yield from _names(shown.inputs, ops)
