"""Who made the value that a tensor holds, where several views share memory."""

from __future__ import annotations

import pytest
import torch

from divergence.capture.dataflow import Dataflow


@pytest.mark.parametrize(
    ("written", "read", "maker"),
    [
        (lambda x: x[:, :2], lambda x: x[:, 2:], "source"),  # columns lie between each other
        (lambda x: x[:, :3], lambda x: x[:, 2:], "writer"),
        (lambda x: x[:2], lambda x: x[2:], "source"),
        (lambda x: x[1:3], lambda x: x[2:], "writer"),
        (lambda x: x[:2, :2], lambda x: x[2:, 2:], "source"),
        (lambda x: x.t()[:2], lambda x: x.t()[2:], "source"),
        (lambda x: x[:, :2], lambda x: x.view(-1)[3:5], "writer"),
        (lambda x: x[:, :2], lambda x: x[:, 2:].view(torch.int32), "writer"),  # not known
    ],
)
def test_a_write_changes_what_overlaps_it(written, read, maker):
    x = torch.zeros(4, 4)
    flow = Dataflow()
    for made in (x, read(x)):
        flow.made(made, "source")
    flow.wrote(written(x), "writer")
    assert flow.maker(read(x)) == maker
    assert flow.maker(x) == "writer"


def test_rows_that_reach_into_the_next_are_no_grid():
    x = torch.zeros(16)
    first, second = x.as_strided((2, 6), (4, 1)), x.as_strided((2, 2), (4, 1), 8)
    flow = Dataflow()
    flow.made(second, "source")
    flow.wrote(first, "writer")
    assert flow.maker(second) == "writer"
