"""Count in Redis while it answers in time, in this process while it does not. No task fails or waits because of it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, TypeVar

import redis

from monitoring.filtering.local_window import LocalWindow
from monitoring.filtering.shared_window import BUDGET_SECONDS, SCHEMES, SharedWindow
from monitoring.forks import call_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.filtering.window import Failure, Outage, OutageKey, Success, Verdict, Window

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: After a failure Redis is left alone for so long, doubled with every further one, up to a minute.
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 60.0

#: A server that is away, too slow, full, read-only, too old, or written by another version.
_FAILURES: Final = (redis.RedisError, OSError, ValueError, KeyError, TypeError)


class FailoverWindow:
    """Ask the shared window; when it fails, the local one, and leave the shared one alone for a while.

    Counts do not move between the two: what was counted in Redis is counted on there when it is back, and an outage
    that is told locally meanwhile may be told again, by every process. `clock` is monotonic, in seconds.
    """

    def __init__(self, shared: Window, local: Window, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._local = local
        self._clock = clock
        self._renew()
        call_after_fork(self._renew)

    def _renew(self) -> None:
        self._suspect = False
        self._closed_until = 0.0
        self._pause = FIRST_PAUSE_SECONDS

    def failed(self, failure: Failure, *, dry: bool = False) -> Verdict:
        """Count a failure where that is possible now."""
        return self._ask(lambda: self._shared.failed(failure, dry=dry), lambda: self._local.failed(failure, dry=dry))

    def worked(self, key: OutageKey) -> Success:
        """Note a success in both; an outage that only this process has counted ends here."""
        own = self._local.worked(key)
        if own.ended is not None or own.ask_again_in is not None:
            return own
        return self._ask(lambda: self._shared.worked(key), lambda: own)

    def outages(self) -> tuple[Outage, ...]:
        """Return what is open, in Redis and here."""
        own = self._local.outages()
        return own + self._ask(self._shared.outages, tuple)

    def _ask(self, shared: Callable[[], T], local: Callable[[], T]) -> T:
        now = self._clock()
        if now < self._closed_until:
            return local()
        if self._suspect:
            # Other threads of this process go on locally while this one finds out whether it is back.
            self._closed_until = now + self._pause
        try:
            answer = shared()
        except _FAILURES as error:
            logger.warning(
                "persistence is counted in this process alone for %.0f s: %s", self._pause, type(error).__name__
            )
            self._suspect, self._closed_until = True, self._clock() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            return local()
        if self._suspect:
            self._renew()
        return answer


def shared_window(*urls: str | None, budget_seconds: float = BUDGET_SECONDS) -> Window:
    """Return a window for the first of these URLs that is Redis', with this process as the way out, else this process.

    A URL may be a list of some, separated by ';', as Celery takes it: the first counts. Nothing is connected before the
    first failure. `budget_seconds` holds for connecting and for each answer.
    """
    local = LocalWindow()
    known = (url.partition(";")[0] for url in urls if url is not None)
    url = next((url for url in known if url.startswith(SCHEMES)), None)
    if url is None:
        return local
    try:
        return FailoverWindow(SharedWindow.from_url(url, budget_seconds), local)
    except ValueError as error:
        # The URL may hold a password, and redis-py quotes parts of it.
        logger.warning(
            "the broker's URL is none that redis-py reads (%s); persistence is counted per process",
            type(error).__name__,
        )
        return local
