"""PyTorch programs as runners: module calls and operators, shown as they happen."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch.export import ExportedProgram

from divergence.capture.exact import Shadows
from divergence.capture.hooks import ROOT, Scopes
from divergence.capture.kept import Kept
from divergence.capture.ops import Listener
from divergence.capture.runner import Held
from divergence.capture.show import Show
from divergence.capture.state import Attributes, RandomState, same_state
from divergence.capture.subject import subject_of
from divergence.capture.survey import Survey, indexed
from divergence.capture.tensors import convert, dtype_name, leaves, to_array, to_tensor
from divergence.errors import CaptureError, DivergenceError, InputError
from divergence.records import Array, Call, Program, Weight

if TYPE_CHECKING:
    from torch import Tensor, nn

    from divergence.capture.runner import Exact, Probe


class TorchRunner:
    """A PyTorch program as a runner: `nn.Module`, TorchScript module or exported program.

    device: where it runs; by default where its weights are. Elsewhere it runs as a copy.
    ops: whether operators are sites beside module calls. keep: bytes of values that `program`
    may hold on to, which `kept` then has.
    fallbacks: operators that could not run in float64 so far, with the reason.
    """

    def __init__(
        self,
        model: nn.Module | ExportedProgram,
        device: str | None = None,
        ops: bool = True,
        keep: int = 0,
    ) -> None:
        self._subject = subject_of(_placed(model, device))
        self._module = self._subject.module
        self._ops = ops
        _refuse_fake(self._module)
        self._device = _device(self._module)
        self._dtype = _float_dtype(self._module)
        self._names = {name for name, _ in self._module.named_modules()}
        self._start = RandomState.now()
        self._notes: set[str] = set()
        self.fallbacks: dict[str, str] = {}
        self._keep = keep
        self._kept: Held | None = None
        self._last: tuple[Call, Program] | None = None

    def program(self, call: Call) -> Program:
        """Return the sites of one run and what each reads."""
        if self._last and self._last[0] is call:
            return self._last[1]
        weights = _weights(self._module)
        survey = Survey(weights.items())
        args, kwargs = self._arguments(call)
        names = self._input_names(args, kwargs)
        kept = Kept(survey, weights.values(), self._keep) if self._keep else None
        for name, tensor in names.items():
            survey.take_input(name, tensor)
            if kept:
                kept.value(name, tensor)
        output = self._forward(args, kwargs, kept or survey, thorough=True)
        self._kept = Held(kept.values, _outputs(output)) if kept and kept.complete else None
        found = [path for path, leaf in leaves(output) if isinstance(leaf, torch.Tensor)]
        program = Program(
            sites=survey.sites(ops=self._ops),
            weights={name: _weight(name, tensor) for name, tensor in weights.items()},
            outputs=tuple(indexed(ROOT, i) for i in range(len(found))),
            output_names=tuple(path or "0" for path in found),
        )
        self._last = (call, program)
        return program

    def kept(self, call: Call, sites: Collection[str]) -> Held | None:
        """Return the values that the last survey kept, once; None where some of `sites` lack."""
        held, self._kept = self._kept, None
        same = self._last is not None and self._last[0] is call
        return held if held and same and held.values.keys() >= set(sites) else None

    def run(
        self,
        call: Call,
        probe: Probe | None = None,
        sites: Collection[str] | None = None,
        exact: Exact = "none",
    ) -> tuple[Array, ...]:
        """Run once and return the outputs; `probe` sees the values of `sites` as they appear.

        Without `sites` it sees all but aliases. `exact` as `ExactRunner` says.

        Raises:
            InputError: the call does not fit the model.
            CaptureError: the model fails.
        """
        if probe is not None and sites is None:
            sites = [site.name for site in self.program(call).sites if site.alias_of is None]
        shadows = None if exact == "none" else Shadows(Attributes(self._module).tensors.values())
        show = Show(probe, frozenset(sites or ()), shadows, fed=exact == "fed")
        args, kwargs = self._arguments(call)
        for name, tensor in self._input_names(args, kwargs).items():
            show.value(name, tensor)
        output = self._forward(args, kwargs, show, shadows=shadows)
        self.fallbacks |= shadows.fallbacks if shadows else {}
        return _outputs(output)

    def describe(self) -> dict[str, object]:
        """Return what the report says about this side."""
        parameters = list(self._module.parameters())
        return {
            "kind": self._subject.kind,
            "class": self._subject.name,
            "torch": str(torch.__version__),
            "device": str(self._device),
            "dtypes": sorted({dtype_name(p) for p in parameters}),
            "parameters": sum(p.numel() for p in parameters),
            "training": getattr(self._module, "training", False),  # a frozen script has none
            "threads": torch.get_num_threads(),
            "state": sorted(self._notes),
            "notes": list(self._subject.notes),
        }

    def _forward(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        listener: Listener,
        *,
        thorough: bool = False,
        shadows: Shadows | None = None,
    ) -> Any:
        scopes = Scopes(listener)
        execute = shadows.execute if shadows else None
        with ExitStack() as stack:
            originals = stack.enter_context(same_state(self._module, self._start, self._notes))
            run = stack.enter_context(self._subject.follow(scopes, thorough=thorough))
            stack.enter_context(self._subject.mode(scopes, listener, originals.keep, execute))
            try:
                output = run(*args, **kwargs)
            except DivergenceError:
                raise
            except Exception as error:
                if listener.raised is None:
                    raise _failure(self._subject.name, scopes, error) from error
            # Also where the model caught what the probe raised, or raised another error for it.
            if listener.raised is not None:
                raise listener.raised from None
            return output

    def _arguments(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def change(leaf: Any) -> Any:
            if not hasattr(leaf, "dtype"):
                return leaf
            tensor = to_tensor(leaf).to(self._device)
            floating = self._dtype and tensor.is_floating_point()
            return tensor.to(self._dtype) if floating else tensor

        return convert(tuple(call.args), change), convert(dict(call.kwargs), change)

    def _input_names(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Tensor]:
        """Return the input tensors by the names of the parameters that take them."""
        signature = self._subject.signature
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            wanted = ", ".join(str(p) for p in signature.parameters.values())
            given = ", ".join([f"{len(args)} positional", *kwargs])
            raise InputError(
                f"The model's forward({wanted}) cannot be called with {given}: {error}."
            ) from error
        found = [(path, leaf) for path, leaf in leaves(bound) if isinstance(leaf, torch.Tensor)]
        return {f"<input>.{path}" if path in self._names else path: leaf for path, leaf in found}


def _outputs(output: Any) -> tuple[Array, ...]:
    return tuple(
        to_array(leaf).copy() for _, leaf in leaves(output) if isinstance(leaf, torch.Tensor)
    )


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers, tied ones under each name, and other tensors held."""
    registered = {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
    known = set(map(id, registered.values()))
    held = Attributes(model).tensors.items()
    return registered | {name: tensor for name, tensor in held if id(tensor) not in known}


def _refuse_fake(module: nn.Module) -> None:
    """Refuse a model in which an export left tensors without values (`torch.export` does)."""
    from torch._subclasses.fake_tensor import FakeTensor

    held = Attributes(module).tensors
    name = next((name for name, tensor in held.items() if isinstance(tensor, FakeTensor)), None)
    if name is not None:
        raise InputError(
            f"{name} of the model is a fake tensor without values, left there by an export of "
            f"the same object; build the model again, or export a copy of it (`copy.deepcopy`)."
        )


def _weight(name: str, tensor: Tensor) -> Weight:
    return Weight(name, tuple(tensor.shape), dtype_name(tensor), lambda: to_array(tensor))


def _failure(name: str, scopes: Scopes, error: Exception) -> CaptureError:
    where = f" in {scopes.failed_in}" if scopes.failed_in else ""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return CaptureError(
        f"{name} fails{where}: {type(error).__name__}: {first}. "
        "Check that the inputs have the shapes and dtypes the model expects."
    )


def _placed(model: Any, device: str | None) -> Any:
    """Return the model on `device`: itself where it is there, else a copy."""
    if device is None:
        return model
    if isinstance(model, ExportedProgram):
        from torch.export.passes import move_to_device_pass

        here = next(iter(model.state_dict.values()), torch.empty(0)).device
        return model if here == torch.device(device) else move_to_device_pass(model, device)
    if torch.device(device) == _device(model):
        return model
    return copy.deepcopy(model).to(device)


def _device(model: nn.Module) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def _float_dtype(model: nn.Module) -> torch.dtype | None:
    """Return the one floating dtype of all parameters; None where they differ."""
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()}
    return dtypes.pop() if len(dtypes) == 1 else None
