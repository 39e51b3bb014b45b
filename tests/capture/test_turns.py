"""What a run tells of a program: shapes and turns, not the order of the file."""

from __future__ import annotations

import numpy as np

from divergence.capture.onnx_runner import OnnxRunner
from divergence.capture.turns import Survey, unrolled
from divergence.records import Program, Site
from tests.capture.onnx_graphs import LOOP, X, call, graph


def test_sites_keep_the_order_of_the_file_where_the_runtime_shows_them_in_another():
    sites = [Site("x", "input", "input", "", 0)]
    sites += [
        Site(name, "node", "Neg", "", order, inputs=(source,))
        for order, (name, source) in enumerate([("a", "x"), ("b", "a"), ("c", "a")], start=1)
    ]
    survey = Survey()
    for name in ("x", "c", "b", "a"):
        survey(name, np.zeros((2, 3), np.float32))
    found = unrolled(Program(tuple(sites), {}, ("c",), ("c",)), survey)
    assert [(site.name, site.order) for site in found.sites] == [
        ("x", 0),
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]
    assert {site.shape for site in found.sites} == {(2, 3)}


def test_turns_of_a_loop_follow_each_other_before_what_stands_behind_it():
    program = OnnxRunner(graph(LOOP)).program(call(x=X, n=np.int64(2)))
    names = [site.name for site in program.sites if not site.constant]
    turned = [name for name in names if name.endswith(("/t", "/u", "/t#1", "/u#1"))]
    assert [name.rpartition("/")[2] for name in turned] == ["t", "u", "t#1", "u#1"]
