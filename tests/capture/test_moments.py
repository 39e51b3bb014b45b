"""Values are shown as they are at that moment: cases where a reference kept would be wrong."""

import numpy as np
import pytest
import torch
from torch import nn

from divergence.capture.torch_runner import TorchRunner
from divergence.records import Call

X = np.array([[-2.0, -1.0, 1.0, 2.0]], dtype=np.float32)


def both(model, x=X):
    """Return each site's value as copied when it was shown, and as a reference has it later."""
    copies, references = {}, {}

    def probe(site, value, exact=None):
        copies[site], references[site] = value.copy(), value

    TorchRunner(model.eval()).run(Call((x,)), probe)
    return copies, references


def linear():
    layer = nn.Linear(4, 4, bias=False)
    layer.weight.data = torch.eye(4)
    return layer


class ReluAfter(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.act = linear(), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.fc(x))


class AddTo(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = linear()

    def forward(self, x):
        y = self.fc(x)
        y += 10
        return y * 1


class CopyInto(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = linear()

    def forward(self, x):
        y = self.fc(x)
        y.copy_(x * 3)
        return y * 1


class ThroughView(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = linear()

    def forward(self, x):
        y = self.fc(x)
        y.view(2, 2)[0].zero_()
        y[:, 3:] = 5
        return y * 1


class OutArgument(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = linear()

    def forward(self, x):
        y = self.fc(x)
        torch.add(x, 4, out=y)
        return y * 1


class SharedTwice(nn.Module):
    """One activation in place, called on the same memory twice."""

    def __init__(self):
        super().__init__()
        self.fc, self.act = linear(), nn.LeakyReLU(0.5, inplace=True)

    def forward(self, x):
        y = self.act(self.fc(x))
        y -= 1
        return self.act(y) * 1


@pytest.mark.parametrize(
    ("model", "site", "moment"),
    [
        (ReluAfter, "fc", X),
        (AddTo, "fc", X),
        (CopyInto, "fc", X),
        (ThroughView, "fc", X),
        (OutArgument, "fc", X),
        (SharedTwice, "fc", X),
        (SharedTwice, "act", np.array([[-1.0, -0.5, 1.0, 2.0]])),
        (SharedTwice, "<root>::sub#0", np.array([[-2.0, -1.5, 0.0, 1.0]])),
    ],
)
def test_what_changes_later_is_shown_as_it_was(model, site, moment):
    copies, references = both(model())
    np.testing.assert_array_equal(copies[site], moment)
    assert not np.array_equal(references[site], moment), "this case would prove nothing"


def test_what_was_changed_is_shown_as_it_became():
    copies, _ = both(SharedTwice())
    np.testing.assert_array_equal(copies["act#1"], [[-1.0, -0.75, 0.0, 1.0]])
    copies, _ = both(ThroughView())
    np.testing.assert_array_equal(copies["<root>::zero#0"], [0.0, 0.0])
    np.testing.assert_array_equal(copies["<root>::mul#0"], [[0.0, 0.0, 1.0, 5.0]])


def test_an_input_that_the_model_changes_is_shown_unchanged_and_stays_so():
    class Changes(nn.Module):
        def forward(self, x):
            return x.add_(1)

    copies, references = both(Changes())
    np.testing.assert_array_equal(copies["x"], X)
    assert not np.array_equal(references["x"], X)
    np.testing.assert_array_equal(X, [[-2.0, -1.0, 1.0, 2.0]])


def test_views_are_shown_with_their_own_shape():
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.keep = nn.Identity()

        def forward(self, x):
            return x.reshape(2, 2).t()[1] * 1

    copies, _ = both(Views())
    np.testing.assert_array_equal(copies["<root>::t#0"], [[-2.0, 1.0], [-1.0, 2.0]])
    np.testing.assert_array_equal(copies["<root>::select#0"], [-1.0, 2.0])
