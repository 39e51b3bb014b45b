"""How shapes, counts and trees are written in what `inspect` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def tensor(dtype: str | None, shape: Iterable[Any] | None) -> str:
    """Return `float32 [1, 3, ?, ?]`; an unknown size is `?`, an unknown rank `[...]`.

    >>> tensor("float32", (1, None, "width"))
    'float32 [1, ?, width]'
    """
    if shape is None:
        return f"{dtype} [...]"
    return f"{dtype} [{', '.join('?' if size is None else str(size) for size in shape)}]"


def counted(words: Iterable[str]) -> dict[str, int]:
    """Return how often each word comes, the most frequent first."""
    return dict(Counter(words).most_common())


def tree(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys as a tree.

    >>> tree({"fc.weight": 1, "fc.bias": 2, "scale": 3})
    {'fc': {'weight': 1, 'bias': 2}, 'scale': 3}
    """
    root: dict[str, Any] = {}
    for key, value in entries.items():
        *parents, last = key.split(".")
        branch = root
        for part in parents:
            step = branch.setdefault(part, {})
            if not isinstance(step, dict):  # a key that is a value and a parent at once
                step = branch[part] = {"": step}
            branch = step
        branch[last] = value
    return root
