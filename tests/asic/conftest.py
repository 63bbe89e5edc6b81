"""What the tests of pimsim.asic share."""

from __future__ import annotations

from pimsim.asic.operations import OPERATIONS

KINDS = sorted(f"{kind}:3" if operation.counted else kind for kind, operation in OPERATIONS.items())
"""Every kind of operation, those with a count three times."""
