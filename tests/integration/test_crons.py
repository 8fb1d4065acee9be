"""Periodic tasks as Sentry's cron monitors see them: a real beat, a real worker, every way a run can end."""

from typing import Any

import pytest

from monitoring.crons.monitor import slug_of
from tests.harness.polling import wait_until
from tests.harness.sentry import Sentry, attributed, attributes
from tests.harness.stage import Stage

pytestmark = pytest.mark.outcomes

MINUTE_AGO = 60.5
SCHEDULE: dict[str, dict[str, Any]] = {
    "succeeds": {"task": "succeed", "ago": MINUTE_AGO},
    "is-ignored": {"task": "ignore", "ago": MINUTE_AGO},
    "expects-it": {"task": "expected", "ago": MINUTE_AGO},
    "fails": {"task": "fail", "ago": MINUTE_AGO},
    "retries": {"task": "retry_then_succeed", "ago": MINUTE_AGO, "kwargs": {"failures": 2}},
    "gives-up": {"task": "autoretry", "ago": MINUTE_AGO},
    # In a worker of their own: what a killed process has not yet sent is gone, also of the runs before.
    "is-killed": {"task": "kill_self", "ago": MINUTE_AGO, "options": {"queue": "doomed"}},
    "is-timed-out": {"task": "hard_limit", "ago": MINUTE_AGO, "options": {"queue": "doomed"}},
    "expires": {"task": "succeed", "ago": MINUTE_AGO, "options": {"expires": 0.001}},
    "is-revoked": {"task": "succeed", "ago": MINUTE_AGO, "options": {"task_id": "revoked-before"}},
    "every-five": {"task": "succeed", "ago": 301, "cron": "*/5 * * * *"},
    "Reports / Daily!": {"task": "succeed", "ago": 90_000, "seconds": 86_400},
    "twin-a": {"task": "succeed", "ago": MINUTE_AGO},
    "twin-b": {"task": "succeed", "ago": MINUTE_AGO},
    "every-second": {"task": "succeed", "seconds": 1},
    "every-90-seconds": {"task": "succeed", "ago": 120, "seconds": 90},
    "was-missed": {"task": "succeed", "ago": 3601},
    "unwatched": {"task": "succeed", "ago": MINUTE_AGO},
}
PROGRESS, OK, ERROR = "in_progress", "ok", "error"


@pytest.fixture(scope="module")
def day(module_stage: Stage) -> Sentry:
    """Run the whole schedule once."""
    module_stage.start_worker(queue="doomed", wait=False)
    worker = module_stage.start_worker(concurrency=4)
    worker.app.control.revoke("revoked-before")
    worker.wait_log("revoked: revoked-before")
    env = {"MONITORING_CRONS_EXCLUDE": "unwatched,internal-*"}
    beat = module_stage.start_beat(SCHEDULE, env=env)
    for entry in SCHEDULE:
        beat.wait_sent(entry)
    beat.wait_sent("every-second", 3)
    sentry = module_stage.sentry
    ended = {"succeeds", "is-ignored", "expects-it", "fails", "retries", "gives-up", "is-killed", "is-timed-out"}
    ended |= {"expires", "is-revoked", "every-five", slug_of("Reports / Daily!"), "twin-a", "twin-b", "was-missed"}
    wait_until(
        lambda: ended <= {entry["monitor_slug"] for entry in sentry.check_ins() if entry["status"] != PROGRESS},
        lambda: f"the end of every run\n{sentry.summary()}",
    )
    assert module_stage.settle() == []
    return sentry


def statuses(sentry: Sentry, entry: str) -> list[str]:
    """Return what an entry's only run checked in as, in order; all under one id."""
    found = sentry.check_ins(lambda check_in: check_in["monitor_slug"] == slug_of(entry))
    assert len({check_in["check_in_id"] for check_in in found}) == 1
    return [check_in["status"] for check_in in found]


def config(sentry: Sentry, entry: str) -> dict[str, Any]:
    """Return the monitor that an entry's check-ins upsert: each says the same."""
    found = [
        check_in["monitor_config"] for check_in in sentry.check_ins() if check_in["monitor_slug"] == slug_of(entry)
    ]
    assert all(each == found[0] for each in found)
    return dict(found[0])


@pytest.mark.parametrize("entry", ["succeeds", "is-ignored", "expects-it"])
def test_a_run_that_ends_well_checks_in_as_ok(day: Sentry, entry: str) -> None:
    """Say that the run began and ended; to be ignored, or an error that the task declares, is no error."""
    assert statuses(day, entry) == [PROGRESS, OK]


def test_a_failed_run_checks_in_as_error(day: Sentry) -> None:
    """Say that the run began and failed, and how long it took (seconds)."""
    assert statuses(day, "fails") == [PROGRESS, ERROR]
    last = day.check_ins(lambda check_in: check_in["monitor_slug"] == "fails")[-1]
    assert 0 < last["duration"] < 10


def test_a_retry_is_not_an_error(day: Sentry) -> None:
    """Stay in progress over all attempts, which the stock SDK reports as errors, and end as the last one does."""
    assert statuses(day, "retries") == [PROGRESS, PROGRESS, PROGRESS, OK]
    assert statuses(day, "gives-up") == [PROGRESS, PROGRESS, ERROR]


@pytest.mark.parametrize("entry", ["is-killed", "is-timed-out"])
def test_a_killed_run_checks_in_as_error(day: Sentry, entry: str) -> None:
    """Let the worker's main process say it: the process that ran the task is gone, with what it had not yet sent."""
    assert statuses(day, entry) in ([PROGRESS, ERROR], [ERROR])


@pytest.mark.parametrize("entry", ["expires", "is-revoked"])
def test_a_run_that_never_began_checks_in_as_error(day: Sentry, entry: str) -> None:
    """Say so for a run that expired in its queue, or was revoked there."""
    assert statuses(day, entry) == [ERROR]


def test_the_monitor_is_made_from_the_schedule(day: Sentry) -> None:
    """Upsert interval or crontab, time zone, margin and the longest run, so that nobody has to keep two schedules."""
    assert config(day, "succeeds") == {
        "schedule": {"type": "interval", "value": 1, "unit": "minute"},
        "timezone": "Europe/Berlin",
        "checkin_margin": 1,
        "max_runtime": 30,
    }
    assert config(day, "every-five") == {
        "schedule": {"type": "crontab", "value": "*/5 * * * *"},
        "timezone": "Europe/Berlin",
        "checkin_margin": 1,
        "max_runtime": 30,
    }
    daily = config(day, "Reports / Daily!")
    assert daily["schedule"] == {"type": "interval", "value": 1, "unit": "day"}
    assert daily["checkin_margin"] == 30


def test_the_longest_run_follows_from_the_time_limit(day: Sentry) -> None:
    """Give a task with a time limit of a second, and three minutes until its retry, four whole minutes."""
    assert config(day, "is-timed-out")["max_runtime"] == 4


def test_entries_of_one_task_are_told_apart(day: Sentry) -> None:
    """Have a monitor for each entry, also when task and arguments are the same."""
    assert statuses(day, "twin-a") == statuses(day, "twin-b") == [PROGRESS, OK]


def test_what_sentry_cannot_watch_gets_no_monitor(day: Sentry) -> None:
    """Send no check-in for a second, for a minute and a half, and for what the settings exclude."""
    told = {check_in["monitor_slug"] for check_in in day.check_ins()}
    assert not told & {"every-second", "every-90-seconds", "unwatched"}


def test_lateness_is_told_for_every_run(day: Sentry) -> None:
    """Measure each run from when it was due: to its publishing by beat, and to its first attempt's start."""
    for at in ("publish", "start"):
        found = day.metrics("beat.lateness", attributed(entry="every-second", at=at))
        assert len(found) >= 3
        assert all(0 <= metric["value"] < 60_000 and metric["unit"] == "millisecond" for metric in found)
    late = day.metrics("beat.lateness", attributed(entry="every-90-seconds", at="publish"))
    assert len(late) == 1
    assert 30_000 <= late[0]["value"] < 60_000
    assert len(day.metrics("beat.lateness", attributed(entry="retries", at="start"))) == 1


def test_a_late_run_is_a_warning(day: Sentry) -> None:
    """Warn of a run that was published later than the settings allow, with the entry's name and how late."""
    warning = day.one("event", lambda event: event["contexts"]["beat"]["entry"] == "Reports / Daily!")
    assert warning["level"] == "warning"
    assert warning["message"].startswith("Periodic task Reports / Daily! was published 360")
    assert warning["tags"]["component"] == "beat"
    assert warning["tags"]["task"] == "tests.apps.trading.succeed"
    assert warning["fingerprint"] == ["beat", "late", "Reports / Daily!"]


def test_missed_runs_are_told(day: Sentry) -> None:
    """Count the runs that nobody published while beat was away, and warn: beat makes up for one of them only."""
    (metric,) = day.metrics("beat.missed", attributed(entry="was-missed"))
    assert metric["value"] == 59
    assert attributes(metric)["task"] == "tests.apps.trading.succeed"
    warning = day.one("event", lambda event: event["contexts"]["beat"]["entry"] == "was-missed")
    assert (warning["level"], warning["message"]) == ("warning", "Periodic task was-missed missed 59 runs")


def test_a_punctual_entry_is_no_warning(day: Sentry) -> None:
    """Warn of nothing but the late and the missed."""
    warned = {event["contexts"]["beat"]["entry"] for event in day.events(lambda event: event["contexts"]["beat"])}
    # A crontab is as late as the clock says.
    assert warned - {"every-five"} == {"Reports / Daily!", "was-missed", "every-90-seconds"}


def test_beat_tells_that_it_stops(day: Sentry) -> None:
    """Tell an orderly stop: until beat runs again nothing periodic is published, and nothing else would say so."""
    stopped = day.one("event", lambda event: event["message"].startswith("Beat stopped"))
    assert (stopped["level"], stopped["tags"]["component"]) == ("warning", "beat")


def test_embedded_beat_checks_in_too(stage: Stage) -> None:
    """Do the same for `celery worker -B`, where beat is a process that the worker forks."""
    schedule = '{"embedded": {"task": "succeed", "ago": 61}}'
    stage.start_worker(
        app="tests.apps.scheduled",
        concurrency=1,
        options=("-B", "--schedule", str(stage.folder / "schedule")),
        env={"TEST_BEAT_SCHEDULE": schedule},
    )
    stage.sentry.wait_for("check_in", 2)
    assert statuses(stage.sentry, "embedded") == [PROGRESS, OK]
