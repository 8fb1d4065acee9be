"""Sentry's cron monitor for an entry of beat's schedule, or None where Sentry cannot have one.

Sentry counts in whole minutes and reads a crontab as cron does. Whatever it would read differently gets no monitor,
because a monitor that expects other runs than Celery makes is a false alarm: `punctuality` watches it all the same.
"""

from __future__ import annotations

import math
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from celery.schedules import crontab, schedule

if TYPE_CHECKING:
    from collections.abc import Collection

Config = dict[str, Any]

MINUTE: Final = 60.0
_UNITS: Final = (("day", 86400.0), ("hour", 3600.0), ("minute", MINUTE))

#: What Sentry accepts as a monitor's slug; it cuts longer ones off, which would make two monitors one.
MAX_SLUG: Final = 50
#: Minutes, as Sentry bounds them.
_LONGEST: Final = 40_320
#: How late a check-in may be: a tenth of the interval, within these bounds. Minutes.
_MARGINS: Final = (1, 30)
#: Sentry's own limit for a run whose task has no time limit. Minutes.
_DEFAULT_MAX_RUNTIME: Final = 30


def slug_of(entry: str) -> str:
    """Return an entry's name as Sentry spells it: the same for the same name, and different for different ones."""
    slug = re.sub(r"[^a-z0-9_-]+", "-", entry.lower()).strip("-")
    if slug and slug == entry and len(slug) <= MAX_SLUG and not slug.isdigit():
        return slug
    told_apart = blake2b(entry.encode(errors="replace"), digest_size=4).hexdigest()
    # Names that differ in case or punctuation alone are two entries to Celery.
    return f"{slug[: MAX_SLUG - 9].rstrip('-') or 'entry'}-{told_apart}"


def config_of(periodic: Any, time_limit: float | None, retry_delay: float) -> Config | None:
    """Return the monitor of a schedule, or None. `time_limit` and `retry_delay` are the task's own, in seconds.

    A run may start a tenth of its interval late, and take its time limit and one retry's delay: each attempt starts the
    run's clock at Sentry anew.
    """
    timing = _interval(periodic) if isinstance(periodic, schedule) else _crontab(periodic)
    if timing is None:
        return None
    every, config = timing
    low, high = _MARGINS
    runtime = _DEFAULT_MAX_RUNTIME if time_limit is None else math.ceil((time_limit + retry_delay) / MINUTE)
    return {
        **config,
        "checkin_margin": max(low, min(high, round(every / MINUTE / 10))),
        "max_runtime": max(1, min(_LONGEST, runtime)),
    }


def _interval(periodic: schedule) -> tuple[float, Config] | None:
    seconds = float(periodic.seconds)
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return seconds, {
                "schedule": {"type": "interval", "value": int(seconds // size), "unit": unit},
                "timezone": zone_of(periodic.tz) or "UTC",  # says nothing about an interval
            }
    return None


def _crontab(periodic: Any) -> tuple[float, Config] | None:
    if not isinstance(periodic, crontab):
        return None
    zone = zone_of(periodic.tz)
    days, weekdays = set(periodic.day_of_month), set(periodic.day_of_week)
    if zone is None or (len(days) < len(_DAYS) and len(weekdays) < len(_WEEKDAYS)):
        # Celery wants a day to match both; cron takes either.
        return None
    fields = (
        (periodic.minute, range(60)),
        (periodic.hour, range(24)),
        (days, _DAYS),
        (periodic.month_of_year, range(1, 13)),
        (weekdays, _WEEKDAYS),
    )
    expression = " ".join(_field(set(chosen), allowed) for chosen, allowed in fields)
    return _spacing(periodic), {"schedule": {"type": "crontab", "value": expression}, "timezone": zone}


_DAYS: Final = range(1, 32)
_WEEKDAYS: Final = range(7)


def _field(chosen: Collection[int], allowed: range) -> str:
    """Write a set of numbers as a field of a crontab, from what Celery has understood and not from what was typed."""
    if len(chosen) == len(allowed):
        return "*"
    numbers = sorted(chosen)
    if len(numbers) > 2 and numbers[0] == allowed.start:  # noqa: PLR2004  # two numbers are shorter than a step
        step = numbers[1] - numbers[0]
        if numbers == list(range(allowed.start, allowed.stop, step)):
            return f"*/{step}"
    return ",".join(map(str, numbers))


def _spacing(periodic: crontab) -> float:
    """Return the seconds between two runs, roughly: they only decide how late one may be."""
    if len(periodic.minute) > 1:
        return 3600.0 / len(periodic.minute)
    return 86400.0 / len(periodic.hour)


def zone_of(zone: Any) -> str | None:
    """Return a time zone's IANA name, or None for one without (a fixed offset, this machine's own)."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    return name if isinstance(name, str) and (name == "UTC" or "/" in name) else None
