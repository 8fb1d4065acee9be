"""How punctual beat is: when a run was due, how late it is, and how many were never published. Knows nobody.

Beat publishes an entry once, however long it was away: the runs in between are gone without a trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from celery.schedules import schedule

if TYPE_CHECKING:
    from datetime import datetime

#: Runs of a crontab are counted one by one, up to here.
MAX_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """Tell one run: when it was due (the last moment that it was), how late it is (seconds), and how many it skips."""

    due: datetime
    late: float
    missed: int


def run_of(periodic: Any, last_run: datetime) -> Run:
    """Judge a run of a schedule that is published now, by the schedule's own clock, after the one at `last_run`.

    Beat publishes up to 10 ms early, by intent; that is not late and not early.
    """
    now = periodic.maybe_make_aware(periodic.now())
    due = _due_after(periodic, last_run, now)
    missed = 0
    if isinstance(periodic, schedule):
        if (every := periodic.seconds) > 0 and now > due:
            missed = int((now - due).total_seconds() // every)
            due += timedelta(seconds=missed * every)
    else:
        due = _whole(due)
        while missed < MAX_COUNTED and due < (following := _whole(_due_after(periodic, due, now))) <= now:
            due, missed = following, missed + 1
    return Run(due, max(0.0, (now - due).total_seconds()), missed)


def _due_after(periodic: Any, moment: datetime, now: datetime) -> datetime:
    remaining: timedelta = periodic.remaining_estimate(moment)
    return now + remaining


def _whole(moment: datetime) -> datetime:
    """Round to the second: the schedule read its clock some microseconds after us, and 11:59:59.99 is not yet noon."""
    return (moment + timedelta(milliseconds=500)).replace(microsecond=0)
