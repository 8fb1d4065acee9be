"""The two times of every attempt, as metrics: its run and its waiting."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from monitoring import metrics

if TYPE_CHECKING:
    from monitoring.signals.received import Received

RUN_TIME: Final = "task.run_time"
QUEUE_WAIT: Final = "task.queue_wait"


def ready(
    received: Received, outcome: str, run_time: float, place: metrics.Place, around: metrics.Ambient
) -> list[metrics.Ready]:
    """Make the metrics of an attempt that nobody looked at, with the attributes that its scopes would have had."""
    return metrics.distributions(times(received, run_time), place, around, received.words(outcome))


def times(received: Received, run_time: float) -> list[tuple[str, float]]:
    """Return the two times by their names, in milliseconds; the latter only when somebody said since when it waited."""
    wait = received.queue_wait
    return [(RUN_TIME, run_time), *([(QUEUE_WAIT, wait)] if wait is not None else [])]


@lru_cache(maxsize=2048)
def excluded(task: str, globs: tuple[str, ...]) -> bool:
    """Say whether a task's metrics are switched off by `MONITORING_METRICS_EXCLUDE`."""
    return any(fnmatchcase(task, glob) for glob in globs)
