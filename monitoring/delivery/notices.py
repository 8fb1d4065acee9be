"""Say in the log what goes wrong on the way to Sentry: once, not once per event."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

#: The same is said again after this long, if it still goes wrong.
AGAIN_SECONDS: Final = 600.0


@dataclass(slots=True)
class Notices:
    """Remember what was said, by its reason, in this process."""

    clock: Callable[[], float] = time.monotonic
    _said: dict[str, float] = field(default_factory=dict)

    def tell(self, reason: str, line: str, *values: object) -> None:
        """Log a warning, unless the same reason was told within ten minutes."""
        now = self.clock()
        if now - self._said.get(reason, -AGAIN_SECONDS) >= AGAIN_SECONDS:
            self._said[reason] = now
            logger.warning(line, *values)
