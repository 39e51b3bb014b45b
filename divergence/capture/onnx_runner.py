"""An ONNX file in ONNX Runtime, with a hook on every value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Literal

from divergence.capture import observers
from divergence.capture.ahead import ahead
from divergence.capture.blocked_file import blocked_values
from divergence.capture.feeding import FedWindow, windows
from divergence.capture.feeds import feeds_of
from divergence.capture.flattening import HOLDERS, Flat, flattened
from divergence.capture.fusions import with_covers
from divergence.capture.known import Knowledge
from divergence.capture.onnx_file import OnnxFile, read_onnx
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.onnx_tensors import Stored, element_of
from divergence.capture.relinking import relinked
from divergence.capture.runner import Probe
from divergence.capture.sessions import Sessions
from divergence.capture.surgery import declared
from divergence.capture.tracing import Trace, asked
from divergence.capture.turns import Show, Survey, unrolled
from divergence.errors import CaptureError, LoadError
from divergence.records import Array, Call, Program, Unpaired

if TYPE_CHECKING:
    from onnx import ModelProto

Observe = Literal["auto", "observers", "outputs"]


class OnnxRunner:
    """Runs an ONNX file and shows its values by the names that they have in that file.

    A value in the body of a loop is `<node>/body/<value>` at the first turn, then `...#1`, `...#2`.
    """

    def __init__(
        self,
        model: Path | str | ModelProto | OnnxFile,
        provider: str = "CPUExecutionProvider",
        optimization: str = "deployed",
        memory: int = 2 << 30,
        threads: int | None = None,
        observe: Observe = "auto",
        disabled_optimizers: tuple[str, ...] = (),
    ) -> None:
        """Read the file; sessions are made when they are needed.

        optimization: "deployed" is the graph that `InferenceSession(file)` runs; or "none",
            "basic", "extended", "all". memory: bytes that may be held at once where values
            come out as outputs. threads: of one operator. observe: "observers" need
            onnxruntime-extensions; "outputs" does without; "auto" takes what there is.

        Raises:
            LoadError: the file cannot be read.
        """
        if observe == "observers" and not observers.available():
            raise CaptureError(
                "Observers need onnxruntime-extensions, which is not installed; install it or "
                'use observe="outputs".'
            )
        self.file = model if isinstance(model, OnnxFile) else read_onnx(model)
        self.name = self.file.path.name if self.file.path else "the ONNX model"
        self.memory = memory
        folder = self.file.path.parent if self.file.path else None
        self.settings = Settings(provider, optimization, threads, folder, disabled_optimizers)
        self._by_observers = observe != "outputs" and observers.available()
        self._lock = RLock()
        self._known = Knowledge(self.file)
        self._sessions = Sessions(
            self.file,
            self.settings,
            self._known,
            name=self.name,
            memory=memory,
            by_observers=self._by_observers,
        )
        self._laid_out: tuple[Call, Flat | None] | None = None
        self._answer: tuple[Call, tuple[Array, ...]] | None = None

    def program(self, call: Call) -> Program:
        """Return the values of the file as sites, the same at every level of optimisation.

        `unobservable` names the sites that no run shows, and why; the attribute
        `divergence.covers` of a site names the nodes that it computes together with such. A
        model with loops or branches is run once, to know which turns are taken.
        """
        reading = ahead(partial(self._known, self._feeds(call)))
        self._sessions.rewrite()
        self.untouched(call)
        self._sessions.release()
        program = reading.result().program
        trace = self._sessions.trace
        hidden = {**trace.hidden, **_formless(program, trace)}
        listed = tuple(Unpaired("candidate", site, reason) for site, reason in hidden.items())
        program = replace(program, unobservable=listed)
        if any(tap.body for tap in trace.taps) or _is_open(program, trace):
            self.run(call, survey := Survey())
            program = unrolled(program, survey)
        flat = self.flat(call)
        return with_covers(relinked(program, flat) if flat else program)

    def prepare(self) -> None:
        """Make the session whose values are shown."""
        _ = self._sessions.tracer

    def flat(self, call: Call) -> Flat | None:
        """Return the file with its bodies laid out as this call runs through them.

        None where it has none, or where the runtime does not tell what they run through.
        """
        with self._lock:
            if self._laid_out is None or self._laid_out[0] is not call:
                self._laid_out = call, self._flat(call)
            return self._laid_out[1]

    def _flat(self, call: Call) -> Flat | None:
        if not any(node.op_type in HOLDERS for node in self.file.model.graph.node):
            return None
        try:
            return flattened(self.file, partial(self._evaluate, self._feeds(call)))
        except (CaptureError, LoadError):
            return None

    def run(
        self, call: Call, probe: Probe | None = None, sites: Collection[str] | None = None
    ) -> tuple[Array, ...]:
        """Run once; the probe sees the inputs first, then each value as it is made.

        Raises:
            InputError: the call does not fit the model's inputs.
            CaptureError: the runtime fails. What the probe raises comes out as it is.
        """
        feeds = self._feeds(call)
        if probe is None:
            return tuple(self._sessions.plain.run(feeds))
        known = self._known(feeds)
        show = Show(probe, sites, self._sessions.trace.members, known.shapes)
        for name, value in feeds.items():
            show.input(name, value)
        return tuple(self._sessions.tracer.run(feeds, show))

    def untouched(self, call: Call) -> tuple[Array, ...]:
        """Return the outputs of a session of the file as it is, with nothing observed.

        It is run once for a call.
        """
        with self._lock:
            if self._answer is None or self._answer[0] is not call:
                self._answer = call, self.run(call)
            return self._answer[1]

    def fed_windows(
        self, boundaries: Sequence[str], sizes: Mapping[str, int], memory: int | None = None
    ) -> list[FedWindow]:
        """Divide the file at its boundaries into windows that are run from given values.

        boundaries: sites whose values are fed; those in bodies are left out. sizes: bytes of
        the boundaries and inputs. memory: in bytes, that of the runner by default.
        The file's own graph is used, without optimisation.
        """
        from onnx import TensorProto

        known = {site.name: element_of(site.dtype) for site in self._known().program.sites}
        made = [name for name in boundaries if name in known]
        known.update(dict.fromkeys(blocked_values(self.file.model.graph), TensorProto.FLOAT))
        unknown = [name for name in made if not known[name]]
        known.update(asked(self.file.model, self.file.weights, unknown, self._sessions.as_is))
        bound = self.memory if memory is None else memory
        return windows(self.file, made, known, sizes, bound, self._sessions.as_is)

    def evaluate(
        self, model: ModelProto, call: Call, outputs: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Run an edited copy of `runner.file.model`, with the runner's weights, unoptimised.

        outputs: values to return instead of the model's own, which must be at its top.

        Raises:
            LoadError, CaptureError: the runtime refuses the edited model.
        """
        return self._evaluate(self._feeds(call), model, outputs, self.file.weights)

    def _evaluate(
        self,
        feeds: Mapping[str, Array],
        model: ModelProto,
        outputs: Sequence[str] | None,
        weights: Mapping[str, Stored],
    ) -> dict[str, Array]:
        model = model if outputs is None else declared(model, outputs)
        session = Session(model, self._sessions.as_is, weights, name=self.name)
        given = {name: value for name, value in feeds.items() if name in session.inputs}
        return dict(zip(session.outputs, session.run(given), strict=True))

    def describe(self) -> dict[str, object]:
        """Return kind, file, versions, provider, optimisation, threads, and how values are seen."""
        import onnxruntime

        return {
            "kind": "onnx",
            "file": str(self.file.path) if self.file.path else None,
            "onnxruntime": onnxruntime.__version__,
            "producer": f"{self.file.model.producer_name} {self.file.model.producer_version}",
            "opset": {e.domain or "ai.onnx": e.version for e in self.file.model.opset_import},
            "provider": self.settings.provider,
            "optimization": self.settings.optimization,
            "threads": self.settings.threads,
            "observe": "observers" if self._by_observers else "outputs",
        }

    def _feeds(self, call: Call) -> dict[str, Array]:
        return feeds_of(self.file.model, call, self.name)


def _formless(program: Program, trace: Trace) -> dict[str, str]:
    """Return values that exist in another arrangement, but whose own shape is not known."""
    shapes = {site.name: site.shape for site in program.sites}
    return {
        member.site: "ONNX Runtime keeps it in another shape, and its own is not known"
        for members in trace.members.values()
        for member in members
        if any(step.axes is None and shapes.get(step.like) is None for step in member.steps)
    }


def _is_open(program: Program, trace: Trace) -> bool:
    shown = {tap.site for tap in trace.taps}
    return any(s.name in shown and (s.shape is None or s.dtype is None) for s in program.sites)
