"""What ONNX Runtime says when it refuses or fails, in one sentence that a user can act on."""

from __future__ import annotations

import re

# `/onnxruntime_src/core/graph.cc:46 void onnxruntime::f(int, bool) `, or with a bare name.
_SOURCE = re.compile(r"\S*\.(?:cc|h):\d+ (?:[\w:<>&*,~ ]+\([^)]*\)(?: const)?|\w+) ")


def message(error: BaseException) -> str:
    r"""Return the runtime's message in one line, without its codes.

    >>> message(RuntimeError("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got 3\n  want 4"))
    'Got 3 want 4'
    >>> message(RuntimeError("/src/a.h:46 void f(const std::string&, int) Opset 999 is too new."))
    'Opset 999 is too new'
    """
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", str(error))
    text = _SOURCE.sub("", text)
    return " ".join(text.split()).rstrip(".")


# What the runtime says of a file that is beyond it, and what that means to the user.
_BEYOND = (
    (
        re.compile(r"Opset (\d+) is under development.* for domain (\S+) is till opset (\d+)"),
        (
            r"it is of opset \1 of \2, and this onnxruntime knows \3 and before; update "
            r"onnxruntime, or export with a lower opset"
        ),
    ),
    (
        re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)"),
        (
            r"it is of IR version \1, and this onnxruntime knows \2 and before; update "
            r"onnxruntime, or save the file with a lower ir_version"
        ),
    ),
    (
        re.compile(
            r"In Node, \(\"([^\"]*)\", .*No Op registered for (\S+) with domain_version of (\d+)"
        ),
        r"there is no operator \2 in opset \3 (node '\1'); correct its name, or update onnxruntime",
    ),
    (
        re.compile(r"(?:Fatal error: )?(\S+?):(\w+)\(-?\d+\) is not a registered function/op"),
        r"it has no operator \2 of domain '\1'; that needs a custom library or a newer onnxruntime",
    ),
    (
        re.compile(r"Could not find an implementation for (\w+)\((\d+)\) node with name '([^']*)'"),
        (
            r"this provider has no kernel for \1 of opset \2 with these types (node '\3'); choose "
            r"another provider, or other types"
        ),
    ),
)


def refused(name: str, error: Exception) -> str:
    """Return why the runtime does not load a file, and what to do, in one sentence."""
    text = message(error)
    for pattern, told in _BEYOND:
        if found := pattern.search(text):
            return f"ONNX Runtime cannot load {name}: {found.expand(told)}."
    text = re.sub(r"^Load model from \S+ (?:failed:)?", "", text)
    return f"ONNX Runtime cannot load {name}: {text}; check the file with `divergence inspect`."
