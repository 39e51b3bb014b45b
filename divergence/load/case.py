"""What a trace works on: two runners and what each is called with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.capture.runner import Runner
from divergence.errors import LoadError
from divergence.load.binding import bind
from divergence.load.devices import checked_device, checked_provider
from divergence.load.factory import is_factory_text
from divergence.load.images import Preparations
from divergence.load.inputs import Inputs, read_inputs
from divergence.load.onnx_model import OnnxModel, is_onnx, load_onnx
from divergence.load.torch_model import TorchModel, in_precision_of, load_torch
from divergence.load.values import BoundInput, Maker, Value
from divergence.options import Options
from divergence.records import Call

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Case:
    """Both sides, ready to run.

    candidate_call: what the user asked for. judged_call: the same with the reference's values
    wherever the candidate was given others (`candidate_inputs`, another preparation) that they
    can stand in for: it judges the graph whatever was wrong before it.
    module: the reference where it is a live module, else None. model: the candidate's file.
    inputs: each input with its value, source and preparation on both sides.
    """

    reference: Runner
    candidate: Runner
    reference_call: Call
    candidate_call: Call
    judged_call: Call
    inputs: tuple[BoundInput, ...]
    notes: tuple[str, ...]
    module: nn.Module | None = field(repr=False)
    model: OnnxModel
    described: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def inputs_differ(self) -> bool:
        """Whether the candidate is fed anything else than the reference."""
        return any(item.own for item in self.inputs)

    @property
    def apart(self) -> frozenset[str]:
        """The candidate's inputs that the reference's values cannot stand in for."""
        return frozenset(
            item.candidate.name
            for item in self.inputs
            if item.own and item.candidate is not None and item.shared is None
        )

    def describe_inputs(self) -> dict[str, Any]:
        """Return what `report.json` says under `inputs`, by name."""
        described = {item.name: _describe(item) for item in self.inputs}
        return {**described, "notes": list(self.notes)} if self.notes else described


@dataclass(frozen=True, slots=True)
class Sides:
    """Both models, loaded once; `case` binds them to inputs, as often as there are any."""

    reference: Runner
    candidate: Runner
    loaded: TorchModel | OnnxModel = field(repr=False)
    model: OnnxModel
    options: Options = field(repr=False)

    def case(self, inputs: Any) -> Case:
        """Return what is run for these inputs: INPUT, a tensor, an array, a tuple, a list, a dict.

        Raises:
            InputError: the inputs do not fit.
            SpecError: a preparation is wrong.
        """
        reference = _model_of(self.loaded)
        module = _live_module(reference)
        preparations = Preparations(
            self.options,
            model=module,
            reference=reference.metadata if isinstance(reference, OnnxModel) else {},
            candidate=self.model.metadata,
        )
        given = self.options.candidate_inputs
        own = Inputs() if given is None else read_inputs(given)
        maker = Maker(preparations, self.options.seed)
        binding = bind(reference, self.model, read_inputs(inputs), own, maker)
        return Case(
            reference=self.reference,
            candidate=self.candidate,
            reference_call=binding.reference,
            candidate_call=binding.candidate,
            judged_call=binding.shared,
            inputs=binding.inputs,
            notes=binding.notes,
            module=module,
            model=self.model,
            described={"reference": _source(self.loaded), "candidate": _source(self.model)},
        )


def load_case(model: Any, onnx: Any, inputs: Any, options: Options) -> Case:
    """Load both sides and their inputs; see `load_sides` and `Sides.case`."""
    return load_sides(model, onnx, options).case(inputs)


def load_sides(model: Any, onnx: Any, options: Options) -> Sides:
    """Load both sides.

    model: MODEL as the command line has it, a live module, an exported program, or an ONNX
    model (then both sides are ONNX). onnx: a path or a `ModelProto`.

    Raises:
        LoadError: a model cannot be loaded as asked.
    """
    candidate = load_onnx(onnx)
    loaded = _load_reference(model, options)
    if isinstance(loaded, TorchModel):
        loaded = in_precision_of(loaded, {item.dtype for item in candidate.inputs})
    reference = _runner(_model_of(loaded), options)
    return Sides(reference, _runner(candidate, options), loaded, candidate, options)


def _model_of(loaded: TorchModel | OnnxModel) -> Any:
    return loaded if isinstance(loaded, OnnxModel) else loaded.module


def _load_reference(model: Any, options: Options) -> TorchModel | OnnxModel:
    if _may_be_onnx(model) and is_onnx(model):
        if options.factory is not None or options.weights is not None:
            raise LoadError(
                "MODEL is an ONNX file, which needs no --factory and no --weights; drop them."
            )
        return load_onnx(model)
    return load_torch(model, options)


def _may_be_onnx(model: Any) -> bool:
    return not (isinstance(model, str) and is_factory_text(model))


def _live_module(reference: Any) -> nn.Module | None:
    import torch

    scripted = isinstance(reference, torch.jit.ScriptModule)
    return reference if isinstance(reference, torch.nn.Module) and not scripted else None


def _runner(model: Any, options: Options) -> Runner:
    if isinstance(model, OnnxModel):
        from divergence.capture.onnx_runner import OnnxRunner

        return OnnxRunner(
            model.given,
            provider=checked_provider(options.provider),
            optimization=options.optimization,
            memory=options.memory,
            threads=options.threads,
        )
    from divergence.capture.torch_runner import TorchRunner

    # With a floor the values are needed beside those in float64, which is another run.
    keep = 0 if options.floor else options.memory
    return TorchRunner(model, checked_device(options.device), options.functional, keep)


def _source(loaded: TorchModel | OnnxModel) -> dict[str, Any]:
    notes = list(loaded.notes) if isinstance(loaded, TorchModel) else []
    return {"source": loaded.source} | ({"notes": notes} if notes else {})


def _describe(item: BoundInput) -> dict[str, Any]:
    sides = (("reference", item.reference), ("candidate", item.candidate))
    return {side: _describe_value(value) for side, value in sides if value is not None}


def _describe_value(value: Value) -> dict[str, Any]:
    array = np.asarray(value.value)
    told: dict[str, Any] = {"name": value.name, "dtype": array.dtype.name}
    told |= {"shape": list(array.shape), "source": value.source}
    if value.chosen is not None:
        told |= {"prepared_by": value.chosen.origin, "preparation": value.chosen.describe()}
    return told
