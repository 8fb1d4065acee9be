"""How long to leave Sentry alone after it failed: twice as long each time, up to a minute."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 60.0


@dataclass(slots=True)
class Backoff:
    """Count failures in a row. Each pause is spread by half, so that a hundred processes do not return as one."""

    clock: Callable[[], float] = time.monotonic
    spread: Callable[[], float] = random.random
    failures: int = 0
    _until: float = field(default=0.0)

    def failed(self) -> None:
        """Begin the next pause; several requests that fail together are one failure."""
        if self.left:
            return
        pause = min(FIRST_SECONDS * 2**self.failures, LONGEST_SECONDS)
        self.failures = min(self.failures + 1, 16)
        self._until = self.clock() + pause * (0.5 + self.spread() / 2)

    def succeeded(self) -> None:
        """Forget every failure."""
        self.failures = 0
        self._until = 0.0

    def hurry(self) -> None:
        """End this pause; a failure makes the next one as long as it would have been."""
        self._until = 0.0

    @property
    def left(self) -> float:
        """Seconds until the next attempt; 0 when it may be made now."""
        return max(0.0, self._until - self.clock())
