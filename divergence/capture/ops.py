"""ATen operators: what a report calls them, what they change, and the mode that sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tag, Tensor, strided
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from divergence.capture.hooks import Frame, Scopes
from divergence.capture.tensors import convert

if TYPE_CHECKING:
    from torch._ops import OpOverload

# What users call an operator, where the kernel that runs has another name.
_COMMON = {
    "mkldnn_rnn_layer": "lstm_layer",
    "convolution_overrideable": "convolution",
    "mkldnn_convolution": "convolution",
    "unsafe_view": "view",
    "unsafe_split": "split",
    "unsafe_split_with_sizes": "split_with_sizes",
    "reshape_alias": "view",
    "native_batch_norm_legit": "batch_norm",
    "native_batch_norm_legit_no_training": "batch_norm",
    "batch_norm_with_update": "batch_norm",
    "batch_norm_no_update": "batch_norm",
    "cudnn_batch_norm": "batch_norm",
    "max_pool2d_with_indices": "max_pool2d",
    "max_pool3d_with_indices": "max_pool3d",
    "fused_rms_norm": "rms_norm",
}

# Layout and copies alone: the values stay what they are.
_SAME_VALUES = frozenset({"clone", "contiguous", "view", "alias", "detach", "lift_fresh"})

# With some arguments they give back what they got. Then they are no step of the program:
# eager PyTorch leaves a slice of everything out, TorchScript does not.
_MAY_DO_NOTHING = frozenset(
    {"alias", "detach", "expand", "permute", "slice", "squeeze", "transpose", "view"}
)

# Operators that write to an argument although their schema does not say so: name of the flag
# that switches this on, and the arguments written to.
_UNDECLARED = {
    "native_batch_norm": ("training", ("running_mean", "running_var")),
    "cudnn_batch_norm": ("training", ("running_mean", "running_var")),
    "miopen_batch_norm": ("training", ("running_mean", "running_var")),
}


@dataclass(frozen=True, slots=True)
class Op:
    """What is known of an operator before it runs.

    name: without overload, leading and trailing underscores. parameters: argument names in
    schema order. defaults: of those that have one; a call leaves them out. written: those
    that it writes to; where `when` is set, only if that argument is true. random: draws from
    a generator.
    """

    name: str
    parameters: tuple[str, ...]
    defaults: dict[str, Any]
    written: tuple[str, ...]
    when: str | None
    random: bool

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, in schema order."""
        return dict(zip(self.parameters, args, strict=False)) | dict(kwargs)

    def mutated(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
        """Return the tensors that a call with these arguments writes to."""
        if not self.written:
            return []
        given = self.arguments(args, kwargs)
        if self.when is not None and not given.get(self.when):
            return []
        return list(_tensors(given.get(name) for name in self.written))

    def draws(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Return whether a call with these arguments gives random values."""
        if not self.random:
            return False
        given = self.defaults | self.arguments(args, kwargs)
        return bool(given.get("dropout_p", 1)) and bool(given.get("train", True))

    def attributes(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that are no tensors, by schema name, as plain values."""
        given = self.arguments(args, kwargs)
        given = {name: given.get(name, self.defaults.get(name)) for name in self.parameters}
        return {name: plain(value) for name, value in given.items() if not _holds_tensor(value)}

    def operands(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
        """Yield the tensors among the arguments, in schema order, lists flattened."""
        return _tensors((*args, *kwargs.values()))

    @property
    def keeps_values(self) -> bool:
        """Whether the result holds the operand's values, in another layout at most."""
        return self.name in _SAME_VALUES


@cache
def op_of(func: OpOverload) -> Op:
    """Return what is known of an ATen (or custom) operator."""
    schema = func._schema  # noqa: SLF001  the only way to an operator's schema
    packet = schema.name.split("::")[-1]
    written = tuple(a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write)
    when, undeclared = _UNDECLARED.get(packet, (None, ()))
    return Op(
        name=common_name(packet),
        parameters=tuple(a.name for a in schema.arguments),
        defaults={a.name: a.default_value for a in schema.arguments if a.has_default_value()},
        written=written or undeclared,
        when=None if written else when,
        random=Tag.nondeterministic_seeded in func.tags,
    )


def common_name(packet: str) -> str:
    """Return an operator's name as users know it.

    >>> common_name("_scaled_dot_product_flash_attention_for_cpu"), common_name("add_")
    ('scaled_dot_product_attention', 'add')
    """
    name = packet.strip("_")
    if name.startswith("scaled_dot_product_"):
        return "scaled_dot_product_attention"
    name = _COMMON.get(name, name)
    return name.removeprefix("native_")


def plain(value: Any) -> Any:
    """Return an argument as a value that can be compared and written down.

    >>> plain([1, 2])
    (1, 2)
    """
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if value is None or type(value) in {bool, int, float, str, complex}:
        return value
    return str(value).removeprefix("torch.")


@dataclass(frozen=True, slots=True)
class Ran:
    """An operator that ran in a module call; `number` counts those of its name in that call."""

    frame: Frame
    op: Op
    number: int
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any

    @property
    def name(self) -> str:
        """What the site of its first result is called."""
        return f"{self.frame.label}::{self.op.name}#{self.number}"

    @property
    def written(self) -> list[Tensor]:
        """The arguments that it wrote to."""
        return self.op.mutated(self.args, self.kwargs)


class Listener(Protocol):
    """What is told of module calls and operators while a model runs.

    raised: what came out of it; that is not the model's failure.
    """

    raised: BaseException | None

    def enter(self, frame: Frame, arguments: Any) -> None:
        """Learn that a module call begins, with any structure that holds its tensors."""

    def leave(self, frame: Frame, output: Any) -> None:
        """Learn that it ended, and what it returned."""

    def before_write(self, written: list[Tensor]) -> None:
        """Learn which tensors an operator is about to change."""

    def op(self, ran: Ran) -> None:
        """Learn that an operator ran."""


Execute = Callable[["OpOverload", Op, tuple[Any, ...], Mapping[str, Any]], Any]


class OpMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells a listener of every operator, with the module call that it happens in.

    before_write: is shown the tensors that an operator is about to change.
    execute: runs an operator; by default as it is.
    """

    supports_higher_order_operators = True

    def __init__(
        self,
        scopes: Scopes,
        listener: Listener,
        before_write: Callable[[list[Tensor]], None],
        execute: Execute | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.scopes = scopes
        self._listener = listener
        self._before_write = before_write
        self._execute = execute

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the wrapper against torch.compile, which imports Dynamo for two seconds."""
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload | HigherOrderOperator,
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self.scopes.paused:
            return func(*args, **kwargs)
        if isinstance(func, HigherOrderOperator):
            return func(*self._followed(args), **self._followed(kwargs))
        op = op_of(func)
        if op.written:
            written = op.mutated(args, kwargs)
            self._before_write(written)
            self._listener.before_write(written)
        execute = self._execute
        result = execute(func, op, args, kwargs) if execute else func(*args, **kwargs)
        frame = self.scopes.top
        # In place (`transpose_`) the argument is the result: that something happened all the same.
        idle = op.name in _MAY_DO_NOTHING and not op.written and _same(args[0], result)
        if frame is not None and not idle:
            number = frame.count(op.name)
            self._listener.op(Ran(frame, op, number, args, kwargs, result))
        return result

    def _followed(self, arguments: Any) -> Any:
        """Let the branches and bodies of `cond`, `while_loop` and the like run in this mode."""

        def follow(value: Any) -> Any:
            if not callable(value) or isinstance(value, Tensor):
                return value

            def inside(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return value(*args, **kwargs)

            return inside

        return convert(arguments, follow)


def _same(tensor: Any, result: Any) -> bool:
    return (
        isinstance(result, Tensor)
        and tensor.layout is result.layout is strided
        and tensor.data_ptr() == result.data_ptr()
        and tensor.shape == result.shape
        and tensor.stride() == result.stride()
        and tensor.dtype == result.dtype
        and tensor.numel() > 0
    )


def _holds_tensor(value: Any) -> bool:
    return next(_tensors((value,)), None) is not None


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
