"""Count what is not told: nothing disappears uncounted."""

from __future__ import annotations

from typing import Final

import sentry_sdk

LOST: Final = "monitoring.lost"
SUPPRESSED: Final = "monitoring.suppressed"


def count_lost(reason: str, quantity: int = 1) -> None:
    """Count something that monitoring should have told and could not, by its reason."""
    sentry_sdk.metrics.count(LOST, quantity, attributes={"reason": reason})


def count_suppressed(rule: str, quantity: int = 1) -> None:
    """Count events that a rule of the noise filter held back."""
    sentry_sdk.metrics.count(SUPPRESSED, quantity, attributes={"rule": rule})
