"""Which site made the value that a tensor holds now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch.multiprocessing.reductions import StorageWeakRef

if TYPE_CHECKING:
    from torch import Tensor

Maker = TypeVar("Maker")
Window = tuple[int, tuple[int, ...], tuple[int, ...], Any]  # offset, shape, strides, dtype


@dataclass(slots=True)
class _Write(Generic[Maker]):
    """A maker's write to a window of a storage, at a time."""

    window: Window
    maker: Maker
    time: int


@dataclass(slots=True)
class _Memory(Generic[Maker]):
    """What is known of one storage. The weak reference keeps its identity from being reused."""

    reference: StorageWeakRef
    views: dict[Window, tuple[Maker, int]] = field(default_factory=dict)
    writes: list[_Write[Maker]] = field(default_factory=list)


class Dataflow(Generic[Maker]):
    """Remembers for each view of each storage who made what it holds.

    Tensors come and go as Python objects, and their ids are reused; a storage with an offset,
    a shape and strides says what a tensor is. An operator that writes in place becomes the
    maker of every view that overlaps what it wrote. Nothing here keeps a value alive.
    """

    def __init__(self) -> None:
        self._memories: dict[int, _Memory[Maker]] = {}
        self._time = 0

    def maker(self, tensor: Tensor) -> Maker | None:
        """Return who made the value that `tensor` holds now; None where that is not known."""
        memory = self._memory(tensor, create=False)
        if memory is None:
            return None
        window = _window(tensor)
        found, time = memory.views.get(window, (None, -1))
        if time < 0 and (turned := _turned(memory, tensor)) is not None:
            found, time = turned
        for write in reversed(memory.writes):
            if write.time <= time:  # at the same time: this very view was written
                break
            if _overlap(write.window, window):
                return write.maker
        return found

    def knows(self, tensor: Tensor) -> bool:
        """Return whether this very view was made before and holds the same value still."""
        memory = self._memory(tensor, create=False)
        if memory is None or _window(tensor) not in memory.views:
            return False
        maker, _ = memory.views[_window(tensor)]
        return self.maker(tensor) is maker

    def made(self, tensor: Tensor, maker: Maker) -> None:
        """Note that `maker` gave `tensor`, as a new value or as a view of one."""
        memory = self._memory(tensor, create=True)
        if memory is not None:
            self._time += 1
            memory.views[_window(tensor)] = (maker, self._time)

    def wrote(self, tensor: Tensor, maker: Maker) -> None:
        """Note that `maker` changed what `tensor` holds, and every view over the same bytes."""
        self.made(tensor, maker)
        memory = self._memory(tensor, create=True)
        if memory is not None:
            memory.writes.append(_Write(_window(tensor), maker, self._time))

    def _memory(self, tensor: Tensor, *, create: bool) -> _Memory[Maker] | None:
        key = storage_key(tensor)
        if key is None:
            return None
        memory = self._memories.get(key)
        if memory is None and create:
            reference = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
            memory = _Memory(reference)
            self._memories[key] = memory
        return memory


def _turned(memory: _Memory[Maker], tensor: Tensor) -> tuple[Maker, int] | None:
    """Return who last made the same bytes under another shape: `transpose_` tells nobody."""
    extent = _span(_window(tensor))
    same = [
        made
        for window, made in memory.views.items()
        if window[-1] == tensor.dtype and _span(window) == extent
    ]
    return max(same, key=lambda made: made[1], default=None)


def storage_key(tensor: Tensor) -> int | None:
    """Return what identifies the tensor's memory; None for tensors without plain memory."""
    try:
        return int(tensor.untyped_storage()._cdata)  # noqa: SLF001  the storage's identity
    except (NotImplementedError, RuntimeError):
        return None


def _window(tensor: Tensor) -> Window:
    offset = int(tensor.storage_offset())
    return offset, tuple(tensor.shape), tensor.stride(), tensor.dtype


def _overlap(written: Window, read: Window) -> bool:
    """Return whether two windows share a byte.

    Where nothing tells otherwise, those do whose first and last bytes reach into each other.
    """
    if _apart(written, read):
        return False
    (low, high), (first, last) = _span(written), _span(read)
    return low < last and first < high


def _apart(a: Window, b: Window) -> bool:
    """Return whether two windows with the same strides are boxes of one grid without a common cell.

    So are the columns of a matrix, whose bytes lie between each other's.

    >>> _apart((0, (4, 2), (6, 1), "f"), (2, (4, 2), (6, 1), "f"))
    True
    """
    if a[2:] != b[2:] or 0 in a[2]:
        return False
    apart, limit, rest = False, None, [a[0], b[0]]
    for axis in sorted(range(len(a[2])), key=lambda axis: -a[2][axis]):
        step, lengths = a[2][axis], (a[1][axis], b[1][axis])
        starts = [offset // step for offset in rest]
        rest = [offset % step for offset in rest]
        ends = [start + length for start, length in zip(starts, lengths, strict=True)]
        if limit is not None and (limit % step or max(ends) > limit // step):
            return False  # rows reach into the next: no grid
        apart = apart or starts[0] >= ends[1] or starts[1] >= ends[0]
        limit = step
    return apart


def _span(window: Window) -> tuple[int, int]:
    """Return the bytes [low, high) of the storage between the first and the last element."""
    offset, shape, strides, dtype = window
    if 0 in shape:
        return 0, 0
    last = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    return offset * dtype.itemsize, (offset + last + 1) * dtype.itemsize
