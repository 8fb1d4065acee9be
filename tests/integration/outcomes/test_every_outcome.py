"""Every way a task can end is told exactly as promised, from real workers, in both of the SDK's trace lifecycles."""

import json
from fnmatch import fnmatchcase

import pytest

from tests.harness.sentry import Entry
from tests.integration.outcomes.days import Day, played
from tests.integration.outcomes.promises import PROMISES, Promise, Report
from tests.integration.outcomes.scenarios import EXCHANGE, PLANTED

pytestmark = pytest.mark.outcomes

by_name = pytest.mark.parametrize("promise", PROMISES, ids=[promise.name for promise in PROMISES])
#: Loggers whose lines repeat what we tell: none of them becomes an event.
REPEATING = ("celery.worker.request", "multiprocessing", "celery.backends.redis", "celery.backends.base")


@pytest.fixture
def told(day: Day, promise: Promise) -> Promise:
    """Return the promise, if this day has played it."""
    if promise not in played(day.lifecycle):
        pytest.skip("the trace lifecycle makes no difference to it")
    return promise


def title(event: Entry) -> str:
    """Return what Sentry shows an event as."""
    if "exception" in event:
        last = event["exception"]["values"][-1]
        return f"{last['type']}: {last['value']}"
    return str(event.get("message") or event["logentry"]["message"])


@by_name
def test_the_number_of_events_is_the_number_promised(day: Day, told: Promise) -> None:
    """Send as many events as are promised, in each title and level, and no other."""
    bots = {told.name, *(report.bot for report in told.reports if report.bot is not None)}
    wanted = list(told.reports)
    for event in [event for bot in bots for event in day.events(told, bot)]:
        kept = next((report for report in wanted if _is(event, report)), None)
        if kept is None and "bot_id" not in event["tags"]:
            continue  # another scenario's; `test_nothing_else_is_told` knows them all
        assert kept is not None, f"not promised: {event['level']} {title(event)} {event['tags']}"
        wanted.remove(kept)
    assert not wanted, f"not told: {wanted}"


def _is(event: Entry, report: Report) -> bool:
    return event["level"] == report.level and fnmatchcase(title(event), report.title)


@by_name
def test_the_tags_of_every_event_are_complete(day: Day, told: Promise) -> None:
    """Say of each event which bot, exchange, symbol, task, queue, attempt, outcome and task id it belongs to."""
    for report in told.reports:
        if report.bot == "":
            continue
        bot = report.bot or told.name
        known = {"bot_id": bot, "task": report.task or told.task, "queue": "celery", "attempt": str(report.attempt)}
        known |= {"component": "trading_engine", **(report.tags or {})}
        if report.outcome is not None:
            known["outcome"] = report.outcome
        if (task_id := day.task_id(told)) and report.bot is None and told.name != "grouped":
            known["celery_task_id"] = task_id
        matching = [event for event in day.events(told, bot) if _is(event, report)]
        assert matching
        for event in matching:
            assert {key: event["tags"].get(key) for key in known} == known
            assert event["tags"]["exchange"] in {EXCHANGE, "binance"}
            assert event["tags"]["symbol"]
            assert event["tags"]["celery_task_id"]
            assert event.get("transaction") == known["task"] or report.task is not None


@by_name
def test_every_end_is_counted_once(day: Day, told: Promise) -> None:
    """Send the run time of each attempt that ended, with its outcome, and what it waited if it started."""
    runs = day.runs(told)
    assert sorted(run["outcome"] for run in runs) == sorted(told.runs)
    assert {run["unit"] for run in runs} <= {"millisecond"}
    for run in runs:
        assert {"task", "queue", "bot_id", "exchange", "symbol", "component"} <= run.keys()
        assert run["value"] >= 0
    assert all(wait["value"] >= 0 for wait in day.runs(told, "task.queue_wait"))


@by_name
def test_every_trace_has_the_status_promised(day: Day, told: Promise) -> None:
    """Send a trace for each attempt whose process lived to send it, with a status that agrees with its outcome."""
    wanted = sorted(told.traces)
    if day.lifecycle == "stream":
        wanted = sorted("ok" if status == "ok" else "error" for status in told.traces)
    traces = [trace for trace in day.traces(told) if trace["task"] != f"{told.task}.never"]
    assert sorted(trace["trace_status"] for trace in traces) == wanted
    for trace in traces:
        # The SDK writes a tag `status` when it samples, before anything is known.
        assert trace.get("status") in {None, trace["trace_status"]}
        assert trace["outcome"]


def test_nothing_else_is_told(day: Day) -> None:
    """Send no event that is not promised: none of the lines that Celery logs about the same ends."""
    for name, scene in day.scenes.items():
        promised = sum(len(promise.reports) for promise in played(day.lifecycle) if promise.worker == name)
        events = scene.stage.sentry.events()
        said = "\n".join(f"{event.get('logger')} {title(event)} {event['tags']}" for event in events)
        assert len(events) == promised, f"{name}: {len(events)} events instead of {promised}\n{said}"
        assert not [event for event in events if event.get("logger") in REPEATING]


def test_no_message_body_leaves(day: Day) -> None:
    """Send nothing of what a message that cannot be run has in it, in whatever kind of item."""
    for scene in day.scenes.values():
        for item in scene.stage.sentry.items():
            assert PLANTED not in json.dumps(item.payload), f"{item.type} holds a message's body"
