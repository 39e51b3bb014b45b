"""What is made once of a file: the graph that is traced, the plan of its taps, the sessions."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from threading import RLock

from divergence.capture.batches import Batches
from divergence.capture.deployed import Deployed, Saved, as_given, deployed, save
from divergence.capture.known import Knowledge
from divergence.capture.observed import Observed
from divergence.capture.onnx_file import OnnxFile
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.tracing import Trace, plan, retyped
from divergence.errors import LoadError


class Sessions:
    """Makes each thing when it is first asked for, and once."""

    def __init__(
        self,
        file: OnnxFile,
        settings: Settings,
        known: Knowledge,
        *,
        name: str,
        memory: int,
        by_observers: bool,
    ) -> None:
        """Make nothing yet."""
        self._file, self._settings, self._known = file, settings, known
        self._name, self._memory, self._by_observers = name, memory, by_observers
        self._lock = RLock()
        self._untouched: Session | None = None

    def rewrite(self) -> None:
        """Let ONNX Runtime rewrite the file, where that will be needed in any case."""
        with self._lock:
            if self._settings.optimization != "none":
                _ = self._saved

    @property
    def plain(self) -> Session:
        """A session of the file as it is."""
        with self._lock:
            if self._untouched is None and self._is_rewritten:
                _ = self._saved  # leaves one where it is the first
            if self._untouched is None:
                source, weights = self._file.source, self._file.weights
                self._untouched = Session(source, self._settings, weights, name=self._name)
            return self._untouched

    def release(self) -> None:
        """Drop the session of the file as it is: the next one is made in its memory."""
        with self._lock:
            self._untouched = None

    @property
    def trace(self) -> Trace:
        """What is tapped where; of a file without float16 known before its session is made."""
        with self._lock:
            return self._made[0] if self._known().half else self._planned

    @property
    def tracer(self) -> Observed | Batches:
        """What shows the taps' values."""
        with self._lock:
            return self._made[1]

    @property
    def as_is(self) -> Settings:
        """Settings for a graph that needs no further optimisation."""
        return replace(self._settings, optimization="none", disabled=())

    @cached_property
    def _saved(self) -> Saved:
        session, saved = save(self._file, self._settings, self._name)
        if not self._file.changed:
            self._untouched = session
        return saved

    @property
    def _is_rewritten(self) -> bool:
        # Where a provider has no float16 kernel the runtime puts casts around the node, at every
        # level; only the graph that it saves shows them.
        return self._settings.optimization != "none" or self._known().half

    @cached_property
    def _graph(self) -> Deployed:
        if not self._is_rewritten:
            return as_given(self._file)
        return deployed(self._file, self._saved, self._known().types)

    @cached_property
    def _planned(self) -> Trace:
        program = self._known().program
        return plan(self._file.model, program, self._graph, self.as_is, self._by_observers)

    @cached_property
    def _made(self) -> tuple[Trace, Observed | Batches]:
        try:
            return self._planned, self._tapped(self._planned)
        except LoadError:
            # The runtime changed the type of a value that kept its name.
            trace = retyped(self._planned, self._graph, self.as_is)
            return trace, self._tapped(trace)

    def _tapped(self, trace: Trace) -> Observed | Batches:
        graph = self._graph
        common = (graph.model, graph.weights, trace.taps, self.as_is, self._name)
        known = self._known
        if self._by_observers:
            return Observed(*common)
        return Batches(*common, self._memory, lambda feeds: known(feeds).shapes)
