"""Module scopes that exporters leave in a graph."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Mapping

NAME_SCOPES = "pkg.torch.onnx.name_scopes"
CLASS_HIERARCHY = "pkg.torch.onnx.class_hierarchy"
# torch.export calls the second call of a module `conv@1`.
_CALL_NUMBER = re.compile(r"@\d+$")
_VALUE_SUFFIX = re.compile(r"_output_\d+$")


def metadata_scope(metadata: Mapping[str, str]) -> str | None:
    """Return the scope that the dynamo exporter wrote, or None where it wrote none.

    >>> metadata_scope({"pkg.torch.onnx.name_scopes": "['', 'blocks', 'blocks.0', 'linear']"})
    'blocks.0'
    """
    scopes = listed(metadata.get(NAME_SCOPES, ""))
    if not scopes:
        return None
    # The last entry is the FX node itself.
    return _CALL_NUMBER.sub("", scopes[-2]) if len(scopes) > 1 else ""


def name_scope(name: str, op: str) -> str | None:
    """Return the scope in a name that the TorchScript exporter gave, or None.

    A container repeats its own name in front of its child's: `layer1.0` after `layer1`. What
    was inlined by the runtime has a prefix that ends in two underscores.

    >>> name_scope("/blocks/blocks.0/attn/qkv/MatMul", "MatMul")
    'blocks.0.attn.qkv'
    >>> name_scope("/layer1/layer1.0/downsample/downsample.0/Conv_output_0", "Conv")
    'layer1.0.downsample.0'
    >>> name_scope("If_0_then_branch__Inline_0__/stft/Conv_output_0", "Conv")
    'stft'
    >>> name_scope("/Relu_1", "Relu")
    ''
    >>> name_scope("node_conv2d", "Conv") is None
    True
    """
    parts = _VALUE_SUFFIX.sub("", name).split("/")
    if len(parts) < 2 or (parts[0] and not parts[0].endswith("__")):
        return None
    if not re.fullmatch(re.escape(op) + r"(_\d+)?", parts[-1]):
        return None
    scope: list[str] = []
    for part in parts[1:-1]:
        if scope and part.startswith(scope[-1] + "."):
            scope[-1] = part
        else:
            scope.append(part)
    return ".".join(scope)


def listed(text: str) -> tuple[str, ...]:
    """Return the strings of a Python list literal as the exporter writes it, or ().

    >>> listed("['', 'patch_embed']"), listed("not a list")
    (('', 'patch_embed'), ())
    """
    try:
        value = literal_eval(text)
    except (ValueError, SyntaxError):
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()
