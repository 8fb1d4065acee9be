"""Sentry's monitor for an entry of beat's schedule: only where both would expect the same runs."""

from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from celery import Celery
from celery.schedules import BaseSchedule, crontab, schedule

from monitoring.crons.monitor import MAX_SLUG, config_of, slug_of

APP = Celery("schedules", set_as_current=False)
APP.conf.timezone = "Asia/Tokyo"


def test_names_that_sentry_takes_stay() -> None:
    """Keep a name that is a slug already: an operator searches for what stands in the schedule."""
    assert slug_of("reconcile-kraken_2") == "reconcile-kraken_2"


@pytest.mark.parametrize("entry", ["Reports / Daily!", "5", "ünïcode", "…", "x" * 80, "", "-", "UPPER"])
def test_other_names_become_slugs(entry: str) -> None:
    """Spell any other name so that Sentry takes it, whole."""
    slug = slug_of(entry)
    assert 0 < len(slug) <= MAX_SLUG
    assert slug.replace("-", "").replace("_", "").isalnum()
    assert slug.isascii()
    assert slug == slug.lower()
    assert not slug.isdigit()


def test_slugs_stay_apart() -> None:
    """Never make one monitor of two entries, however alike their names."""
    names = ["Sync BTC", "sync btc", "sync-btc", "sync/btc", "x" * 80, "x" * 81]
    assert len({slug_of(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("seconds", "value", "unit", "margin"),
    [
        (60, 1, "minute", 1),
        (300, 5, "minute", 1),
        (5400, 90, "minute", 9),
        (7200, 2, "hour", 12),
        (86_400, 1, "day", 30),
    ],
)
def test_intervals_of_whole_minutes(seconds: float, value: int, unit: str, margin: int) -> None:
    """Name an interval in its largest unit, and allow for a tenth of it, from a minute to half an hour."""
    config = config_of(schedule(seconds, app=APP), None, 0)
    assert config is not None
    assert config["schedule"] == {"type": "interval", "value": value, "unit": unit}
    assert config["checkin_margin"] == margin


@pytest.mark.parametrize("seconds", [0.5, 1, 59.9, 61, 90, 100.5])
def test_other_intervals_get_none(seconds: float) -> None:
    """Have no monitor rather than a rounded one, which would miss runs that are on time."""
    assert config_of(schedule(seconds, app=APP), None, 0) is None


@pytest.mark.parametrize(
    ("given", "expression"),
    [
        ({}, "* * * * *"),
        ({"minute": "*/15"}, "*/15 * * * *"),
        ({"minute": "0,15,30,45"}, "*/15 * * * *"),
        ({"minute": [5, 3], "hour": {8}}, "3,5 8 * * *"),
        ({"minute": 0, "hour": "22-2"}, "0 0,1,2,22,23 * * *"),
        ({"minute": 0, "hour": 4, "day_of_week": "sun"}, "0 4 * * 0"),
        ({"minute": 0, "hour": 4, "day_of_week": "mon-wed"}, "0 4 * * 1,2,3"),
        ({"minute": 30, "hour": 1, "day_of_month": "1,15"}, "30 1 1,15 * *"),
        ({"minute": 0, "hour": 0, "day_of_month": 1, "month_of_year": "*/3"}, "0 0 1 */3 *"),
    ],
)
def test_a_crontab_is_written_as_celery_understands_it(given: dict[str, Any], expression: str) -> None:
    """Write what Celery runs, not what was typed: lists, names, ranges over midnight are not everybody's cron."""
    config = config_of(crontab(**given, app=APP), None, 0)
    assert config is not None
    assert config["schedule"] == {"type": "crontab", "value": expression}
    assert config["timezone"] == "Asia/Tokyo"


def test_a_day_that_must_match_twice_gets_none() -> None:
    """Have no monitor for a day of the month and of the week: Celery wants both, where cron takes either."""
    assert config_of(crontab(minute=0, hour=0, day_of_month="1-7", day_of_week=1, app=APP), None, 0) is None


def test_a_crontab_without_a_named_zone_gets_none() -> None:
    """Have no monitor when Sentry would count in another zone."""
    clock = crontab(app=APP)
    clock.tz = timezone(timedelta(hours=3))
    assert config_of(clock, None, 0) is None
    clock.tz = UTC
    assert (config_of(clock, None, 0) or {})["timezone"] == "UTC"


def test_a_schedule_of_ones_own_gets_none() -> None:
    """Have no monitor for a schedule that Sentry has no word for: the sun's, or one that the application invents."""
    assert config_of(BaseSchedule(app=APP), None, 0) is None


@pytest.mark.parametrize(
    ("limit", "delay", "minutes"), [(None, 180, 30), (0.5, 0, 1), (30, 0, 1), (30, 180, 4), (10**9, 0, 40_320)]
)
def test_the_longest_run(limit: float | None, delay: float, minutes: int) -> None:
    """Allow for the time limit and one retry's delay, in whole minutes within Sentry's bounds; half an hour without."""
    config = config_of(schedule(60, app=APP), limit, delay)
    assert config is not None
    assert config["max_runtime"] == minutes
