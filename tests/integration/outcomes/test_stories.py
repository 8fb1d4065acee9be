"""What the events tell beside their number: the whole story of a task, nobody else's, and what makes a group."""

from typing import Any

import pytest

from monitoring.settings import Settings
from tests.harness.sentry import Entry, tagged
from tests.integration.outcomes.days import Day
from tests.integration.outcomes.promises import PROMISES, Promise
from tests.integration.outcomes.scenarios import SYMBOL

pytestmark = pytest.mark.outcomes

BY_NAME = {promise.name: promise for promise in PROMISES}
#: Told by the worker's main process, which holds what it knows of all its tasks in one scope.
BY_THE_MAIN_PROCESS = [
    name
    for name in ("hard-limit", "killed", "os-exit", "killed-again-and-again", "revoked-order", "expired", "unknown")
    if name in BY_NAME
]


def one(day: Day, name: str, bot: str | None = None) -> Entry:
    """Return a scenario's first event."""
    return day.events(BY_NAME[name], bot)[0]


def records(event: Entry) -> list[dict[str, Any]]:
    """Return the records of an event's attempts."""
    found: list[dict[str, Any]] = event["contexts"]["attempts"]["records"]
    return found


def crumbs(event: Entry) -> list[dict[str, Any]]:
    """Return the breadcrumbs that the application left."""
    values = event.get("breadcrumbs", {}).get("values", [])
    return [crumb for crumb in values if crumb["category"] == "trading"]


def test_exhausted_retries_tell_the_first_and_the_last_error_and_the_time_between(day: Day) -> None:
    """Tell each attempt's error, when it started, and how long it all took from the first publish on."""
    event = one(day, "exhausted")
    assert [record["message"] for record in records(event)] == [f"attempt {number} timed out" for number in (1, 2, 3)]
    starts = [record["started_at"] for record in records(event)]
    assert starts == sorted(starts)
    ran = sum(record["run_time_ms"] for record in records(event))
    assert event["contexts"]["celery"]["end_to_end_ms"] > ran
    assert [crumb["data"]["attempt"] for crumb in crumbs(event)] == [1, 2, 3]


def test_a_killed_attempt_is_in_the_story_of_the_next(day: Day) -> None:
    """Tell of an attempt whose process was killed and which Celery tried again: its breadcrumbs died with it."""
    killed, failed = records(one(day, "retried-when-lost"))
    assert (killed["error_class"], failed["error_class"]) == ("WorkerLostError", "ExchangeError")
    assert killed["run_time_ms"] > 0
    assert killed["pid"] != failed["pid"]


@pytest.mark.parametrize("name", ["hard-limit", "killed", "os-exit", "sys-exit"])
def test_what_the_main_process_saw_of_an_attempt_is_its_record(day: Day, name: str) -> None:
    """Tell where, when and how long an attempt ran whose own process could not say so, and how it ended."""
    event = one(day, name)
    (record,) = records(event)
    assert record["error_class"] == event["exception"]["values"][-1]["type"]
    assert record["message"] == event["exception"]["values"][-1]["value"]
    assert record["worker"].startswith("worker@")
    assert record["started_at"]
    assert record["run_time_ms"] > 0
    assert record["queue_wait_ms"] >= 0
    assert event["contexts"]["celery"]["pid"] == record["pid"]


@pytest.mark.parametrize("name", ["killed", "os-exit"])
def test_what_is_known_of_a_lost_processs_memory_is_told(day: Day, name: str) -> None:
    """Tell the peak of the processes that have ended, so that a leak is seen where it kills."""
    memory = one(day, name)["contexts"]["memory"]
    assert memory["peak_mb"] > 10
    assert memory["peak_is_its_own"] in {True, False}


def test_each_run_of_a_redelivered_order_is_counted(day: Day) -> None:
    """Raise one alarm for each run after the first, with its number, also when every run is killed."""
    alarms = [event for event in day.events(BY_NAME["killed-again-and-again"]) if "redelivery" in event["contexts"]]
    assert [event["contexts"]["redelivery"]["runs"] for event in alarms] == [2, 3, 4]
    assert len({event["tags"]["celery_task_id"] for event in alarms}) == 1


def test_a_retry_with_other_arguments_is_the_other_bots(day: Day) -> None:
    """Follow the new arguments: the next attempt's event is told by its own bot, exchange and symbol."""
    event = one(day, "other-bot", "heir")
    assert (event["tags"]["exchange"], event["tags"]["symbol"]) == ("binance", "ETH/USDT")
    assert [crumb["message"] for crumb in crumbs(event)] == ["asked for other-bot", "asked for heir"]
    assert day.events(BY_NAME["other-bot"]) == []


def test_no_trail_leaks_along_a_chain(day: Day) -> None:
    """Give the second link nothing of what the first link's attempts left behind."""
    event = one(day, "chained")
    assert crumbs(event) == []
    assert [record["attempt"] for record in records(event)] == [1]
    assert event["tags"]["symbol"] == SYMBOL


def test_no_trail_leaks_between_members_of_a_group(day: Day) -> None:
    """Give each member the story of its own attempts, and none of the other's."""
    events = day.events(BY_NAME["grouped"])
    assert {event["tags"]["symbol"] for event in events} == {"AAA/USDT", "BBB/USDT"}
    for event in events:
        assert [crumb["data"]["attempt"] for crumb in crumbs(event)] == [1, 2, 3]
        assert [crumb["data"]["pid"] for crumb in crumbs(event)] == [record["pid"] for record in records(event)]


def test_breadcrumbs_are_in_the_order_of_attempts_whatever_the_clocks_say(day: Day) -> None:
    """Tell the first attempt first, though its machine's clock is an hour ahead; and wait no negative time."""
    event = one(day, "clock-ahead")
    assert [crumb["data"]["attempt"] for crumb in crumbs(event)] == [1, 2, 3]
    assert [record["attempt"] for record in records(event)] == [1, 2, 3]
    assert event["contexts"]["celery"]["end_to_end_ms"] >= 0
    assert all(wait["value"] >= 0 for wait in day.runs(BY_NAME["clock-ahead"], "task.queue_wait"))


def test_a_task_of_an_unmonitored_producer_keeps_its_story(day: Day) -> None:
    """Carry the trail over attempts although the first message had no header of ours."""
    event = one(day, "stranger")
    assert [crumb["data"]["attempt"] for crumb in crumbs(event)] == [1, 2, 3]
    assert event["tags"]["symbol"] == SYMBOL


def test_the_trail_stays_within_its_bound(day: Day) -> None:
    """Carry at most the set number of bytes, keep the latest breadcrumbs and every attempt, and say what is gone."""
    event = one(day, "talkative")
    limit = Settings.model_fields["trail_bytes"].default
    assert 0 < max(crumb["data"]["header_bytes"] for crumb in crumbs(event)) <= limit
    assert [record["attempt"] for record in records(event)] == [1, 2, 3, 4, 5, 6]
    assert event["contexts"]["attempts"]["dropped_breadcrumbs"] > 0
    assert crumbs(event)[-1]["data"]["attempt"] == 6


def test_odd_values_cost_neither_the_event_nor_the_task(day: Day) -> None:
    """End the task as it would have ended, tell its error, and let no planted secret out (see the judges)."""
    event = one(day, "odd-error")
    assert [record["attempt"] for record in records(event)] == [1]
    assert records(event)[0]["error_class"] == "ExchangeError"
    assert crumbs(event)[0]["data"]["attempt"] == 1


def test_a_lost_chord_is_told_with_the_body_that_never_ran(day: Day) -> None:
    """Name the body, not the member of the header that happened to end last."""
    event = one(day, "chord-body-lost")
    ended = {span["tags"]["celery_task_id"] for span in _transactions(day, "chord-body-lost")}
    assert event["tags"]["celery_task_id"] not in ended
    assert event["tags"]["outcome"] == "failure"


def _transactions(day: Day, name: str) -> list[Entry]:
    return day.scenes[BY_NAME[name].worker].stage.sentry.transactions(tagged(bot_id=name))


@pytest.mark.parametrize("name", BY_THE_MAIN_PROCESS)
def test_the_main_process_tells_no_other_tasks_breadcrumbs(day: Day, name: str) -> None:
    """Begin every report of the main process with the trail of its own task, and nothing it gathered for others."""
    for event in day.events(BY_NAME[name]):
        assert event.get("breadcrumbs", {}).get("values", []) == []
        assert "user" not in event or "id" not in event["user"]


def test_what_the_main_process_tells_of_itself_is_of_no_task(day: Day) -> None:
    """Keep Celery's lines about one task or another from explaining what belongs to none."""
    for scene in day.scenes.values():
        for event in scene.stage.sentry.events(lambda event: "bot_id" not in event["tags"]):
            said = {crumb["category"] for crumb in event.get("breadcrumbs", {}).get("values", [])}
            assert not said & {"celery.worker.request", "multiprocessing", "celery.worker.consumer.consumer"}


def test_a_user_is_told_with_its_own_task_alone(day: Day) -> None:
    """Put a task's user on its own events and on nobody else's."""
    for scene in day.scenes.values():
        for event in scene.stage.sentry.events():
            user = event.get("user", {}).get("id")
            assert user in {None, f"user of {event['tags'].get('bot_id')}"}


def test_an_inner_task_leaves_the_outer_ones_words_alone(day: Day) -> None:
    """Tell what follows a direct or an eager call by the task that called."""
    for name in ("called-directly", "called-eagerly"):
        event = next(event for event in day.events(BY_NAME[name]) if event["level"] == "info")
        assert event["tags"]["celery_task_id"] == day.task_id(BY_NAME[name])
        assert event["tags"]["symbol"] == SYMBOL


def _grouped(promise: Promise) -> bool:
    return bool(promise.reports) and promise.reports[0].bot is None


@pytest.mark.parametrize("promise", [each for each in PROMISES if _grouped(each)], ids=lambda promise: promise.name)
def test_no_id_splits_a_group(day: Day, promise: Promise) -> None:
    """Group by what went wrong, where and on which exchange: never by an id, a bot, a time or a number of runs."""
    if promise.worker not in day.scenes:
        pytest.skip("the trace lifecycle makes no difference to it")
    for event in day.events(promise):
        if event["level"] == "info":
            continue
        fingerprint = event["fingerprint"]
        assert str(event["tags"]["celery_task_id"]) not in str(fingerprint)
        assert event["tags"]["task"] in fingerprint or event["tags"]["outcome"] == "invalid_message"
        assert event["tags"]["exchange"] in fingerprint or event["level"] == "error"


def test_the_same_trouble_is_one_group(day: Day) -> None:
    """Put every run of a redelivered order into one group, and the members of a group of tasks into another."""
    alarms = [event for event in day.events(BY_NAME["killed-again-and-again"]) if "redelivery" in event["contexts"]]
    for events in (alarms, day.events(BY_NAME["grouped"])):
        assert len({str(event["fingerprint"]) for event in events}) == 1
