"""Every suppression is counted by the rule that made it: nothing disappears unaccounted for."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from monitoring.forks import call_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

SUMMARY_SECONDS: Final = 3600.0


class Ledger:
    """Count suppressions by rule, for a metric and for a line in the log once an hour (only while there are any).

    `clock` is monotonic, in seconds. A forked process starts from zero: its parent reports its own counts.
    """

    def __init__(self, summary_seconds: float = SUMMARY_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._summary_seconds = summary_seconds
        self._clock = clock
        self._renew()
        call_after_fork(self._renew)

    def _renew(self) -> None:
        # Re-entrant: the garbage collector may run code that logs, and so counts, in the middle of a count.
        self._lock = threading.RLock()
        self._undrained: Counter[str] = Counter()
        self._unsummed: Counter[str] = Counter()
        self._summed_at = self._clock()

    def count(self, rule: str) -> None:
        """Count one event that this rule has suppressed."""
        with self._lock:
            self._undrained[rule] += 1
            self._unsummed[rule] += 1
            due = self._clock() - self._summed_at >= self._summary_seconds
        if due:
            self._sum_up()

    def drain(self) -> dict[str, int]:
        """Return the counts since the last call, by rule."""
        if not self._undrained:
            return {}
        with self._lock:
            drained, self._undrained = self._undrained, Counter()
        return dict(drained)

    def _sum_up(self) -> None:
        with self._lock:
            counts, self._unsummed = self._unsummed, Counter()
            seconds, self._summed_at = self._clock() - self._summed_at, self._clock()
        if counts:
            told = ", ".join(f"{rule} {quantity}" for rule, quantity in counts.most_common())
            logger.info("suppressed %d events in %.0f min: %s", counts.total(), seconds / 60, told)
