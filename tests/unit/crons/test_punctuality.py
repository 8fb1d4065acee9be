"""When a run was due, how late it is and what it skips; the clock is the schedule's own, set by the test."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule

from monitoring.crons.punctuality import MAX_COUNTED, run_of

APP = Celery("clocks", set_as_current=False)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return a moment, in seconds from noon."""
    return NOON + timedelta(seconds=seconds)


def every(seconds: float, now: float) -> Any:
    """Return an interval whose clock shows `now`, in seconds from noon."""
    return schedule(seconds, nowfun=lambda: at(now), app=APP)


@pytest.mark.parametrize(
    ("interval", "now", "due", "late", "missed"),
    [
        (10, 10, 10, 0, 0),
        (10, 9.99, 10, 0, 0),  # beat's own drift
        (10, 12.5, 10, 2.5, 0),
        (10, 19.9, 10, 9.9, 0),
        (10, 20, 20, 0, 1),
        (10, 3605, 3600, 5, 359),
        (0.5, 2.25, 2.0, 0.25, 3),
        (86_400, 90_000, 86_400, 3600, 0),
    ],
)
def test_intervals(interval: float, now: float, due: float, late: float, missed: int) -> None:
    """Measure from the last moment the run was due, and count those before it that nobody published."""
    run = run_of(every(interval, now), NOON)
    assert (run.due, run.missed) == (at(due), missed)
    assert run.late == pytest.approx(late)


@pytest.mark.parametrize(
    ("cron", "last", "now", "due", "missed"),
    [
        ("* * * * *", 0.2, 60, 60, 0),
        ("* * * * *", 0.2, 61.5, 60, 0),
        ("*/5 * * * *", 1, 3601, 3600, 11),
        ("0 12 * * *", 1, 86_400 + 7200, 86_400, 0),
        ("0 12 * * *", 1, 7 * 86_400 + 60, 7 * 86_400, 6),
    ],
)
def test_crontabs(cron: str, last: float, now: float, due: float, missed: int) -> None:
    """Do the same for a crontab, run by run."""
    clock = crontab.from_string(cron)
    clock.nowfun, clock.app = (lambda: at(now)), APP
    run = run_of(clock, at(last))
    assert (run.due, run.missed) == (at(due), missed)
    assert run.late == pytest.approx(now - due)


def test_counting_is_bounded() -> None:
    """Stop counting somewhere: beat waits meanwhile."""
    clock = crontab()
    clock.nowfun, clock.app = (lambda: at(60.0 * 5 * MAX_COUNTED)), APP
    assert run_of(clock, at(1)).missed == MAX_COUNTED


def test_a_running_clock_is_no_missed_run() -> None:
    """Count right although the schedule reads its clock a little later each time."""
    ticks = iter(range(10**6))
    clock = crontab()
    clock.nowfun, clock.app = (lambda: at(60 + next(ticks) / 1e6)), APP
    run = run_of(clock, at(1))
    assert (run.due, run.missed) == (at(60), 0)
