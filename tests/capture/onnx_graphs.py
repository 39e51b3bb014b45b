"""Small ONNX graphs in ONNX's own text form, and what a runner shows of them."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, parser

from divergence.capture.onnx_runner import OnnxRunner
from divergence.records import Call

X = np.linspace(-2, 3, 6, dtype=np.float32).reshape(2, 3)


def graph(text: str, opset: int = 21, domains: str = "") -> ModelProto:
    return parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}{domains}]>\n{text}')


BRANCHES = """branches (float[2,3] x, bool c) => (float[2,3] y) {
  t = Abs(x)
  y0 = If <then_branch = yes () => (float[2,3] a) { a0 = Add(t, x)  a = Neg(a0) },
           else_branch = no () => (float[2,3] b) { b = Exp(t) }> (c)
  y = Relu(y0)
}"""

LOOP = """loop (float[2,3] x, int64 n) => (float[2,3] y, float[k,2,3] ys) {
  go = Constant<value = bool {1}>()
  start = Constant<value = float[2,3] {0, 0, 0, 0, 0, 0}>()
  y, ys = Loop <body = turn (int64 i, bool c, float[2,3] s) => (bool d, float[2,3] t, float[2,3] u)
    { d = Identity(c)  one = Constant<value = float {1}>()  t = Add(s, one)  u = Mul(t, x) }>
    (n, go, start)
}"""

SCAN = """scan (float[2,3] x) => (float[3] y, float[2,3] ys) {
  zero = Constant<value = float[3] {0, 0, 0}>()
  y, ys = Scan <num_scan_inputs = 1, body = row (float[3] s, float[3] r) => (float[3] t, float[3] u)
    { t = Add(s, r)  u = Neg(t) }> (zero, x)
}"""

FUNCTION = """outer (float[2,3] x) => (float[2,3] y) { t = my.f(x)  u = my.f(t)  y = Neg(u) }
<domain: "my", opset_import: ["" : 21]> f (a) => (b) { k = Abs(a)  b = Relu(k) }"""


def shown(runner: OnnxRunner, call: Call, sites=None) -> dict[str, np.ndarray]:
    """Return copies of what a run shows, in order."""
    values: dict[str, np.ndarray] = {}

    def probe(site, value, exact=None):
        assert site not in values
        assert not value.flags.writeable
        values[site] = np.array(value)

    runner.run(call, probe, sites)
    return values


def call(**arrays) -> Call:
    return Call(kwargs={name: np.asarray(value) for name, value in arrays.items()})
