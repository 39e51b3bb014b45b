"""The measured suite: every perturbed output, several seeds, with and without noise."""

import pytest

from tests.postprocess import suite


@pytest.mark.zoo
@pytest.mark.timeout(3600)
def test_perturbed_outputs_are_named():
    found = suite.outcomes()
    print(f"\n{suite.table(found)}")
    changed = [one for one in found if one.group in ("single", "other", "double")]
    assert sum(one.right for one in changed) >= 0.95 * len(changed)
    assert sum(one.parameters for one in changed) >= 0.9 * len(changed)
    assert all(one.right for one in found if one.group == "none")
    assert not any(one.said for one in found if one.group == "unknown")
