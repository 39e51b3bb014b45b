"""How far a correct implementation in this precision may be off at one place."""

from __future__ import annotations

# The greatest multiple of the reference's own error that is still rounding.
MULTIPLE = 10.0
