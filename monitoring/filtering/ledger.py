"""Every suppression is counted by the rule that made it: nothing disappears unaccounted for."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Final

from monitoring.forks import call_after_fork

logger = logging.getLogger(__name__)

SUMMARY_SECONDS: Final = 3600.0


class Ledger:
    """Count suppressions by rule, for a metric and for a line in the log an hour after the first, and at the end.

    A process that suppresses nothing has no line, and no timer. A forked process starts from zero: its parent reports
    its own counts.
    """

    def __init__(self, summary_seconds: float = SUMMARY_SECONDS) -> None:
        self._summary_seconds = summary_seconds
        self._renew()
        call_after_fork(self._renew)

    def _renew(self) -> None:
        # Re-entrant: the garbage collector may run code that logs, and so counts, in the middle of a count.
        self._lock = threading.RLock()
        self._undrained: Counter[str] = Counter()
        self._unsummed: Counter[str] = Counter()
        self._timer: threading.Timer | None = None

    def count(self, rule: str) -> None:
        """Count one event that this rule has suppressed."""
        with self._lock:
            self._undrained[rule] += 1
            self._unsummed[rule] += 1
            if self._timer is None:
                self._timer = threading.Timer(self._summary_seconds, self.sum_up)
                self._timer.daemon = True
                self._timer.start()

    def drain(self) -> dict[str, int]:
        """Return the counts since the last call, by rule."""
        if not self._undrained:
            return {}
        with self._lock:
            drained, self._undrained = self._undrained, Counter()
        return dict(drained)

    def sum_up(self) -> None:
        """Say in the log what was suppressed since the last time, if anything was."""
        with self._lock:
            counts, self._unsummed = self._unsummed, Counter()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if counts:
            told = ", ".join(f"{rule} {quantity}" for rule, quantity in counts.most_common())
            logger.info("suppressed %d events that are noise: %s", counts.total(), told)
