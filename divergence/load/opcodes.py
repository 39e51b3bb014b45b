"""The pickle protocol without its power: a stack, a memo, and notes instead of calls.

Where Python would import or call something, a note of that is kept instead. Tensors become their
shape and dtype, so that nothing but the pickle itself is read.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class Global:
    """Something that the pickle would import."""

    path: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A storage beside the pickle; dtype in PyTorch's words."""

    dtype: str


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor, without its values."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(eq=False, slots=True)
class Instance:
    """What the pickle would make by calling `made_by`; state and content as it would be set."""

    made_by: str
    args: Any = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    values: list[Any] = field(default_factory=list)


_MARK = object()
_STORAGES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}


def read_one(stream: IO[bytes]) -> Any:
    """Read one pickle of a stream, up to its end.

    Dicts, lists and numbers are themselves; the rest is `Instance`, `StoredTensor`, `Global`.

    Raises:
        ValueError, IndexError, KeyError, TypeError, EOFError: it is damaged.
    """
    return _Machine().run(stream)


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: IO[bytes]) -> Any:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return self.stack[-1]
            handler = _HANDLERS.get(opcode.name)
            if handler is not None:
                handler(self, argument)
            elif opcode.stack_after and not opcode.stack_before:
                self.stack.append(argument)  # a number or a string
            elif opcode.name not in ("PROTO", "FRAME", "READONLY_BUFFER"):
                raise ValueError(f"opcode {opcode.name}")
        raise EOFError("it has no end")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        """Take what was pushed since the last mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
        taken = self.stack[at + 1 :]
        del self.stack[at:]
        return taken

    def pop(self, count: int) -> list[Any]:
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def drop(self) -> None:
        self.stack.pop()

    def drop_mark(self) -> None:
        self.pop_mark()

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        content = target.items if isinstance(target, Instance) else target
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            content[key if _hashable(key) else repr(key)] = value

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        (target.values if isinstance(target, Instance) else target).extend(values)

    def build(self) -> None:
        (state,) = self.pop(1)
        target = self.stack[-1]
        if isinstance(target, Instance):
            target.state = state[0] if isinstance(state, tuple) and state else state

    def reduce(self) -> None:
        function, args = self.pop(2)
        self.push(_call(function, args))

    def stack_global(self) -> None:
        module, name = self.pop(2)
        self.push(Global(f"{module}.{name}"))


def _hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _call(function: Any, args: Any) -> Any:
    """Return what a call would make: known tensor builders by their arguments, else a note."""
    path = _path(function)
    name = path.rpartition(".")[2]
    if path == "collections.OrderedDict":
        return dict(args[0]) if args else {}
    if name in ("_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_tensor_v3", "_rebuild_qtensor"):
        # A storage pickled without torch.save is an opaque block of bytes.
        dtype = args[0].dtype if isinstance(args[0], Stored) else "unknown"
        return StoredTensor(tuple(args[2]), dtype)
    if name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
        return args[0]
    if name == "_rebuild_from_type_v2":
        return _call(args[0], args[2])
    if path.startswith("torch.jit._pickle."):
        return args[0] if isinstance(args, tuple) else args
    return Instance(path, args)


def _path(function: Any) -> str:
    """Return the dotted name of what would be called; methods come through `getattr`."""
    if isinstance(function, Global):
        return function.path
    if isinstance(function, Instance):
        if function.made_by.endswith(".getattr") and len(function.args) == 2:
            return f"{_path(function.args[0])}.{function.args[1]}"
        return f"{function.made_by}()"
    return type(function).__name__


def _persistent(identity: Any) -> Any:
    """Read torch's persistent ids: ("storage", type, key, place, numel), ("module", class)."""
    if isinstance(identity, tuple) and identity and identity[0] == "module":
        return identity[1]  # the old format keeps a class beside its source text
    if isinstance(identity, tuple) and identity and identity[0] == "storage":
        kind = identity[1].path.rpartition(".")[2] if isinstance(identity[1], Global) else ""
        return Stored(_STORAGES.get(kind.removesuffix("Storage"), kind))
    return Instance("persistent", identity)


_Handler = Callable[[_Machine, Any], None]


def _made(count: int, make: Callable[[list[Any]], Any]) -> _Handler:
    return lambda machine, _: machine.push(make(machine.pop(count)))


def _gathered(make: Callable[[list[Any]], Any]) -> _Handler:
    return lambda machine, _: machine.push(make(machine.pop_mark()))


def _dict(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


_HANDLERS: dict[str, _Handler] = {
    "MARK": lambda machine, _: machine.push(_MARK),
    "POP": lambda machine, _: machine.drop(),
    "POP_MARK": lambda machine, _: machine.drop_mark(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"), lambda machine, key: machine.push(machine.memo[int(key)])
    ),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda machine, key: machine.put(int(key))),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "LIST": _gathered(list),
    "TUPLE": _gathered(tuple),
    "FROZENSET": _gathered(tuple),
    "DICT": _gathered(_dict),
    "TUPLE1": _made(1, tuple),
    "TUPLE2": _made(2, tuple),
    "TUPLE3": _made(3, tuple),
    "APPEND": lambda machine, _: machine.append(machine.pop(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.append(machine.pop_mark())),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "GLOBAL": lambda machine, path: machine.push(Global(path.replace(" ", "."))),
    "STACK_GLOBAL": lambda machine, _: machine.stack_global(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "NEWOBJ": lambda machine, _: machine.reduce(),
    "NEWOBJ_EX": _made(3, lambda made: Instance(made[0].path, made[1])),
    "OBJ": _gathered(lambda made: Instance(made[0].path, tuple(made[1:]))),
    "INST": lambda machine, path: machine.push(
        Instance(path.replace(" ", "."), tuple(machine.pop_mark()))
    ),
    "BUILD": lambda machine, _: machine.build(),
    "PERSID": lambda machine, identity: machine.push(_persistent(identity)),
    "BINPERSID": _made(1, lambda made: _persistent(made[0])),
    **dict.fromkeys(
        ("EXT1", "EXT2", "EXT4"), lambda machine, code: machine.push(Global(f"copyreg.{code}"))
    ),
}
