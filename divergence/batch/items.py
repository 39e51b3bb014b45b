"""Which inputs make a set: a folder, a glob, a list file, several files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from divergence.batch.records import Item
from divergence.errors import InputError
from divergence.load.randoms import PREFIX

LIST = "@"
# Names that one message holds.
_SHOWN = 3
# What a folder is looked through for; other files in it (notes, labels) are no inputs.
SUFFIXES = frozenset(
    {
        ".bmp", ".gif", ".jpeg", ".jpg", ".npy", ".npz", ".png", ".ppm", ".pt", ".tif", ".tiff",
        ".webp",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Text:
    """INPUT as written: `NAME=` before it or not."""

    name: str
    value: str

    @property
    def varies(self) -> bool:
        """Whether it stands for several inputs."""
        if self.value.startswith(PREFIX) or Path(self.value).is_file():
            return False
        return self.value.startswith(LIST) or has_magic(self.value) or Path(self.value).is_dir()


def items_of(inputs: Any, takes: int | None = None) -> tuple[Item, ...] | None:
    """Return the items of a set; None where `inputs` are one call.

    inputs: what the command line has, or a sequence of paths. takes: how many inputs the ONNX
    file has; where it is one, several without a name are a set. One INPUT may vary, with
    `NAME=` before it; the others, with names, are the same for each.

    Raises:
        InputError: nothing is found, a file that was named is not there, or two inputs vary.
    """
    texts = _texts(inputs)
    if texts is None:
        return None
    varying = [text for text in texts if text.varies]
    if len(varying) > 1:
        raise InputError(
            f"{varying[0].value!r} and {varying[1].value!r} both stand for several inputs; one may."
        )
    if varying:
        return _varied(varying[0], [text for text in texts if text is not varying[0]])
    if takes == 1 and len(texts) > 1 and not any(text.name for text in texts):
        values = [text.value for text in texts]
        _check_there(values, f"{len(values)} inputs are given")
        return _named_items("", values, [])
    return None


def may_be_many(inputs: Any) -> bool:
    """Whether the number of the file's inputs decides between one call and a set."""
    texts = _texts(inputs)
    return texts is not None and len(texts) > 1 and not any(text.name for text in texts)


def _texts(inputs: Any) -> list[_Text] | None:
    if isinstance(inputs, str | Path):
        inputs = [inputs]
    if not isinstance(inputs, list | tuple) or not inputs:
        return None
    if not all(isinstance(item, str | Path) for item in inputs):
        return None
    return [_split(item) for item in inputs]


def _split(text: str | Path) -> _Text:
    name, equals, rest = str(text).partition("=")
    named = equals and name.replace(".", "_").isidentifier() and not Path(text).exists()
    return _Text(name, rest) if named and isinstance(text, str) else _Text("", str(text))


def _varied(text: _Text, others: Sequence[_Text]) -> tuple[Item, ...]:
    if any(not other.name for other in others):
        raise InputError(
            f"{text.value!r} stands for several inputs, and another has no name; write NAME=INPUT "
            "for what is the same for each."
        )
    found = _expanded(text.value)
    if not found:
        raise InputError(f"{text.value!r} holds no input: {_looked_for(text.value)}.")
    return _named_items(text.name, found, [f"{other.name}={other.value}" for other in others])


def _expanded(value: str) -> list[str]:
    if value.startswith(LIST):
        return _listed(Path(value[1:]))
    path = Path(value)
    if path.is_dir():
        return _in_folder(path)
    # Path.glob takes no absolute pattern.
    return sorted(name for name in glob(value, recursive=True) if Path(name).is_file())  # noqa: PTH207


def _in_folder(folder: Path) -> list[str]:
    inside = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    hidden = (p for p in inside if not any(q.startswith(".") for q in p.relative_to(folder).parts))
    return sorted(str(path) for path in hidden)


def _listed(path: Path) -> list[str]:
    """Return the lines of a list file; paths are relative to where the command runs, else to it."""
    try:
        lines = path.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The list '{path}' cannot be read: {error}.") from error
    named = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    found = [name if _stands(name) else str(_beside(path, name)) for name in named]
    _check_there(found, f"The list '{path}' names {len(found)} inputs")
    return found


def _check_there(names: Sequence[str], what: str) -> None:
    """Refuse a set that was named one by one and is not all there: a slip, and quickly mended."""
    lost = [name for name in names if not _stands(name)]
    if lost:
        shown = ", ".join(repr(name) for name in lost[:_SHOWN])
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        are = "is" if len(lost) == 1 else "are"
        raise InputError(
            f"{what}, and {len(lost)} {are} not there: {shown}{more}; mend the names, or give the "
            "folder to take what is in it."
        )


def _stands(name: str) -> bool:
    return name.startswith(PREFIX) or Path(name).exists()


def _beside(path: Path, name: str) -> Path:
    near = path.parent / name
    return near if near.exists() else Path(name)


def _looked_for(value: str) -> str:
    return "files that end in " + ", ".join(sorted(SUFFIXES)) if Path(value).is_dir() else "no file"


def _named_items(name: str, values: Sequence[str], shared: list[str]) -> tuple[Item, ...]:
    prefix = f"{name}=" if name else ""
    unique = dict.fromkeys(values)
    return tuple(Item(value, [f"{prefix}{value}", *shared]) for value in unique)
