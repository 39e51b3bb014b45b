"""Tell what a .pt, .pt2 or .onnx file holds, without running or unpickling it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from divergence.cli.console import reader_may_leave


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("file", metavar="FILE", help="the file to look into")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what the file holds."""
    from divergence.load.inspect import inspect_file
    from divergence.report.to_json import plain

    held = plain(inspect_file(arguments.file))
    with reader_may_leave():
        if arguments.json:
            print(json.dumps(held, ensure_ascii=False, indent=1))
        else:
            print("\n".join(_lines(held)))
    return 0


def _lines(value: Any) -> Iterator[str]:
    """Yield a tree of keys and values, one a line."""
    from divergence.report import words

    if not isinstance(value, Mapping):
        for item in value:
            first, *rest = _lines(item)
            yield from (f"- {first}", *(f"  {line}" for line in rest))
        return
    for key, item in value.items():
        name = words.printable(str(key))
        if _is_leaf(item):
            yield f"{name}: {words.value(item, limit=64)}"
        else:
            yield from (f"{name}:", *(f"  {line}" for line in _lines(item)))


def _is_leaf(item: Any) -> bool:
    """Whether a value stands in one line: it holds no mapping that has keys of its own."""
    if isinstance(item, Mapping):
        return not item
    if isinstance(item, Sequence) and not isinstance(item, str):
        return not (item and all(isinstance(part, Mapping) and part for part in item))
    return True
