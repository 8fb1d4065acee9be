"""Clocks and the arithmetic of waiting: `queue_wait`, `end_to_end`, and the budget of a slow task. Knows nobody.

Two clocks for two questions. What happened between machines is told by the wall clock (seconds since the epoch, and
never below zero, because machines disagree); what happened within a process by the monotonic one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MILLISECONDS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Tell both times; tests pass their own."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.perf_counter


def timestamp(moment: object) -> float | None:
    """Return an ISO 8601 moment (Celery's `eta`) as seconds since the epoch, UTC without a zone. Never raises."""
    try:
        parsed = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


#: The year 5138, in seconds: what is later was not told by a clock.
_LATEST: Final = 1e11


def is_moment(value: object) -> bool:
    """Say whether a value from outside can be seconds since the epoch. Never raises."""
    # By the exact type: True is an int. NaN and infinity are JSON to Python.
    return type(value) in {int, float} and 0 <= value <= _LATEST  # type: ignore[operator]  # so it is a number


def iso_time(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def iso_moment(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC, to the microsecond, as Sentry's SDK spells it."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1e6):06d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def queue_wait_ms(started: float, published: float | None, eta: object = None) -> float | None:
    """Return how long a task waited although it was due, or None when nobody said when it was published.

    A countdown, an ETA or a retry's back-off is not waiting: the clock starts at the later of publish and ETA.
    All three are wall clock, in seconds since the epoch; clocks that disagree give 0, not a negative wait.
    """
    if published is None:
        return None
    due = timestamp(eta) if eta else None
    return max(0.0, started - (published if due is None else max(published, due))) * MILLISECONDS


def elapsed_ms(since: float | None, now: float) -> float | None:
    """Return the milliseconds from `since` to `now`, never below 0; None stays None."""
    return None if since is None else max(0.0, now - since) * MILLISECONDS


def rounded(value: float | None) -> float | None:
    """Cut a number to what is worth reading; None stays None."""
    return None if value is None else round(value, 3)


@dataclass(slots=True)
class SlowTasks:
    """Say which slow run is worth a warning: the first of a task in each window. Per process, monotonic seconds."""

    default_seconds: float
    window_seconds: float
    _since: dict[str, float] = field(default_factory=dict)
    _held_back: dict[str, int] = field(default_factory=dict)

    def warning_due(self, task: str, run_seconds: float, budget: float | None, now: float) -> int | None:
        """Return how many slow runs were held back since the last warning if one is due now, else None."""
        if run_seconds <= (self.default_seconds if budget is None else budget):
            return None
        since = self._since.get(task)
        if since is not None and now - since < self.window_seconds:
            self._held_back[task] = self._held_back.get(task, 0) + 1
            return None
        self._since[task] = now
        return self._held_back.pop(task, 0)
