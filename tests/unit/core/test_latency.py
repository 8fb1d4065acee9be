"""Waiting is told as the operator means it: not the countdown, not the back-off, and never below zero."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitoring.latency import SlowTasks, elapsed_ms, queue_wait_ms, timestamp

NOW = 1_800_000_000.0
SECONDS = st.floats(0, 1e6).map(lambda seconds: round(seconds, 3))
ZONES = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


def iso(moment: float) -> str:
    """Write a moment as Celery writes an ETA."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


@pytest.mark.parametrize(
    ("published", "eta", "expected"),
    [
        (NOW - 2, None, 2000.0),
        (NOW - 12, iso(NOW - 2), 2000.0),
        (NOW - 2, iso(NOW - 60), 2000.0),
        (NOW - 12, iso(NOW), 0.0),
        (NOW - 12, iso(NOW + 0.5), 0.0),
        (NOW + 3, None, 0.0),
        (NOW - 2, "tomorrow", 2000.0),
        (NOW - 2, "", 2000.0),
        (None, None, None),
        (None, iso(NOW - 2), None),
    ],
    ids=[
        "plain",
        "countdown",
        "eta before publish",
        "on time",
        "early",
        "skew",
        "no eta",
        "empty",
        "unknown",
        "eta only",
    ],
)
def test_queue_wait_begins_when_the_task_is_due(
    published: float | None, eta: str | None, expected: float | None
) -> None:
    """The clock starts at the later of publish and ETA; clocks that disagree give 0; an unknown publish is none."""
    assert queue_wait_ms(NOW, published, eta) == expected


@given(waited=SECONDS, delay=SECONDS, zone=ZONES)
def test_a_countdown_takes_no_part_in_queue_wait(waited: float, delay: float, zone: timezone) -> None:
    """However long the platform asked to wait, in whatever time zone it said so, only the rest is waiting."""
    eta = datetime.fromtimestamp(NOW - waited, zone)
    for written in (eta, eta.isoformat(), eta.astimezone(UTC).replace(tzinfo=None).isoformat()):
        assert queue_wait_ms(NOW, NOW - waited - delay, written) == pytest.approx(waited * 1000, abs=0.01)


@given(started=SECONDS, published=SECONDS, eta=st.none() | SECONDS)
def test_queue_wait_is_never_negative_nor_longer_than_since_publish(
    started: float, published: float, eta: float | None
) -> None:
    """An ETA only shortens the wait."""
    plain = queue_wait_ms(started, published)
    wait = queue_wait_ms(started, published, None if eta is None else iso(eta))
    assert plain is not None
    assert wait is not None
    assert 0 <= wait <= plain + 0.01


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_what_is_no_moment_has_no_timestamp(value: object) -> None:
    """A message says what it likes for an ETA; nothing of it raises."""
    result = timestamp(value)
    assert result is None or isinstance(result, float)


@given(st.datetimes(timezones=st.none() | ZONES))
def test_a_moment_without_a_zone_is_utc(moment: datetime) -> None:
    """Celery writes UTC, with or without saying so; a text and a datetime mean the same, at the ends of time too."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    assert timestamp(moment) == timestamp(moment.isoformat()) == aware.timestamp()


def test_elapsed_time_is_never_negative_and_may_be_unknown() -> None:
    """A clock that was set back gives 0; a start that nobody knows is none."""
    assert (elapsed_ms(1.0, 3.5), elapsed_ms(3.5, 1.0), elapsed_ms(None, 1.0)) == (2500.0, 0.0, None)


def test_a_slow_task_is_told_once_in_a_window() -> None:
    """The first slow run is told; those within the window are counted and told with the next."""
    slow = SlowTasks(default_seconds=5, window_seconds=60)
    told = [slow.warning_due("t", 6, None, now) for now in (0, 10, 59.9, 60, 61, 119, 120.5)]
    assert told == [0, None, None, 2, None, None, 2]


def test_each_task_has_a_window_of_its_own() -> None:
    """One slow task does not hide another."""
    slow = SlowTasks(default_seconds=5, window_seconds=60)
    assert [slow.warning_due(task, 6, None, 0) for task in ("a", "b", "a")] == [0, 0, None]


@pytest.mark.parametrize(
    ("seconds", "budget", "due"), [(5, None, None), (5.1, None, 0), (1, 0.5, 0), (6, 10, None), (0.1, 0, 0)]
)
def test_a_tasks_own_budget_goes_first(seconds: float, budget: float | None, due: int | None) -> None:
    """`slow_after` replaces the default in both directions, 0 included; exactly the budget is not over it."""
    assert SlowTasks(5, 60).warning_due("t", seconds, budget, 0) == due


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 50)), max_size=30))
def test_every_slow_run_is_told_or_counted(runs: list[tuple[float, float]]) -> None:
    """Warnings and the counts they carry, with what is still held back, add up to all the slow runs."""
    assume(runs)
    slow, now, told = SlowTasks(5, 60), 0.0, 0
    for seconds, pause in runs:
        now += pause
        due = slow.warning_due("t", seconds, None, now)
        told += 0 if due is None else 1 + due
    assert told + slow._held_back.get("t", 0) == sum(seconds > 5 for seconds, _ in runs)
