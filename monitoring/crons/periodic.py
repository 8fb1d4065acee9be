"""What a periodic task's message says of itself: its entry in the schedule, when it was due, and Sentry's monitor.

Beat writes it, every attempt of the task reads it, and so does the worker's main process when the task is killed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sentry_sdk.crons import MonitorStatus, capture_checkin

from monitoring.crons.monitor import Config, slug_of
from monitoring.delivery.losses import count_lost
from monitoring.latency import is_moment

HEADER: Final = "worker-monitoring-periodic"

_VERSION: Final = 1
MAX_ENTRY: Final = 200
#: A header that is longer than anything we write is not ours.
_MAX_READ: Final = 4096

#: How an attempt ended -> what its run is to Sentry. What is missing goes on: a retry, a message that comes again.
ENDS: Final = {
    "success": MonitorStatus.OK,
    "ignored": MonitorStatus.OK,
    "failure": MonitorStatus.ERROR,
    "rejected": MonitorStatus.ERROR,
    "time_limit": MonitorStatus.ERROR,
    "worker_lost": MonitorStatus.ERROR,
    "terminated": MonitorStatus.ERROR,
    "revoked": MonitorStatus.ERROR,
    "expired": MonitorStatus.ERROR,
}


@dataclass(frozen=True, slots=True)
class Periodic:
    """Hold one run of an entry: due when (wall clock, seconds), and its check-in's id, the same for all attempts.

    Without a `monitor` Sentry cannot watch the entry, and nothing is checked in.
    """

    entry: str
    due: float
    check_in: str
    monitor: Config | None = None

    @classmethod
    def new(cls, entry: str, due: float, monitor: Config | None) -> Periodic:
        """Return a run with a check-in of its own."""
        return cls(entry[:MAX_ENTRY], due, uuid4().hex, monitor)

    def encoded(self) -> str:
        """Return the header's text (ASCII)."""
        values = {"v": _VERSION, "e": self.entry, "d": self.due, "i": self.check_in}
        if self.monitor is not None:
            values["m"] = self.monitor
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def carried(cls, text: object) -> Periodic | None:
        """Read a message's header; one that is not ours is ignored and counted. Never raises."""
        try:
            return _decoded(text)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            count_lost("malformed_header")
            return None

    def begin(self) -> None:
        """Check in as in progress. Each attempt does: at Sentry the run's time limit starts anew."""
        self._check_in(MonitorStatus.IN_PROGRESS, None)

    def end(self, outcome: str, seconds: float | None = None) -> None:
        """Check in by an attempt's outcome, unless the run goes on. Without `seconds` Sentry counts from the start."""
        status = ENDS.get(outcome)
        if status is not None:
            self._check_in(status, seconds)

    def _check_in(self, status: str, seconds: float | None) -> None:
        if self.monitor is not None:
            capture_checkin(slug_of(self.entry), self.check_in, status, seconds, self.monitor)  # type: ignore[arg-type]  # our Config is their TypedDict


def _decoded(text: object) -> Periodic:
    if not isinstance(text, str) or len(text) > _MAX_READ:
        raise ValueError("not a text of ours")
    values = json.loads(text)
    entry, due, monitor = values["e"], values["d"], values.get("m")
    if values["v"] != _VERSION or not isinstance(entry, str) or not 0 < len(entry) <= MAX_ENTRY:
        raise ValueError("another version")
    if not is_moment(due):
        raise ValueError("no moment")
    if monitor is not None and not _is_config(monitor):
        raise ValueError("no monitor")
    return Periodic(entry, float(due), UUID(values["i"]).hex, monitor)


def _is_config(monitor: Any) -> bool:
    """Say whether this is a monitor as we write it: whoever forges one could change another's schedule."""
    schedule = monitor["schedule"]
    return (
        set(monitor) == {"schedule", "timezone", "checkin_margin", "max_runtime"}
        and set(schedule) <= {"type", "value", "unit"}
        and schedule["type"] in {"crontab", "interval"}
        and all(isinstance(value, str | int) for value in (*schedule.values(), monitor["timezone"]))
        and all(type(monitor[name]) is int for name in ("checkin_margin", "max_runtime"))
    )
