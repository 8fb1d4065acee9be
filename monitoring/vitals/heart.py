"""A thread that does something every few seconds, harms nobody when it cannot, and counts that."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from monitoring.delivery.losses import count_lost

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Heart:
    """Call `beat` every `interval` seconds until stopped. A daemon: no process lives on because of it."""

    def __init__(self, name: str, interval: float, beat: Callable[[], None]) -> None:
        self._interval = interval
        self._beat = beat
        self._stopped = threading.Event()
        self._failing = False
        self._last: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"worker-monitoring-{name}", daemon=True)

    def start(self) -> None:
        """Beat for the first time at once."""
        self._thread.start()

    def stop(self, seconds: float, last: Callable[[], None]) -> None:
        """Stop beating, with one `last` deed unless the beats have been failing; wait at most `seconds` for it."""
        self._last = last
        self._stopped.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._attempt(self._beat)
            if self._stopped.wait(self._interval):
                break
        if self._last is not None and not self._failing:
            self._attempt(self._last)

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something that may fail; count it, and log the first of a row. Never raises."""
        try:
            action()
            self._failing = False
        except Exception as error:  # noqa: BLE001  # whatever Redis or the broker raise: it is retried by itself
            count_lost("vitals")
            if not self._failing:
                # The text may hold an address with a password.
                logger.warning("vitals cannot be kept at the moment: %s", type(error).__name__)
            self._failing = True
