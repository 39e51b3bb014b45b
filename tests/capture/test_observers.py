"""Observers of several element types in one process."""

import subprocess
import sys

# In a process of its own: what went wrong ended it.
TYPES_ONE_AFTER_THE_OTHER = """
import numpy as np, onnx
from divergence.capture.onnx_runner import OnnxRunner
from divergence.records import Call

def made(element, dtype):
    text = f'<ir_version: 10, opset_import: ["" : 20]>' + (
        f"g ({element}[2] x) => ({element}[2] y) {{ a = Abs(x) y = Neg(a) }}"
    )
    runner = OnnxRunner(onnx.parser.parse_model(text), optimization="none", observe="observers")
    return runner, Call((), {"x": np.ones(2, dtype)})

def shown(runner, call):
    values = {}
    runner.run(call, lambda site, value, exact=None: values.update({site: value.tolist()}))
    return values

types = [("float", "f4"), ("int64", "i8"), ("int32", "i4"), ("double", "f8"), ("int8", "i1")]
runners = [made(element, dtype) for element, dtype in types]
for turn in range(2):
    for runner, call in runners:
        assert shown(runner, call) == {"x": [1, 1], "a": [1, 1], "y": [-1, -1]}
"""


def test_a_session_is_still_good_after_others_of_other_types():
    command = [sys.executable, "-c", TYPES_ONE_AFTER_THE_OTHER]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
