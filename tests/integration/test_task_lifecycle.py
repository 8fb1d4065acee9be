"""What Sentry receives of a task's life, from a real worker of each pool, in both of the SDK's trace lifecycles."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.harness.plugin import staged
from tests.harness.polling import PATIENCE_SECONDS
from tests.harness.sentry import Sentry, attributed, attributes, tagged
from tests.harness.server import Server
from tests.harness.stage import Stage
from tests.harness.worker import Worker
from tests.integration.story import ACCOUNT, EXCHANGE, NOTE, SIZE, SYMBOL, Story, tell, where_of

TRADING = "tests.apps.trading"
DAYS = [
    ("prefork", "static"),
    ("prefork", "stream"),
    ("threads", "static"),
    ("gevent", "static"),
    ("gevent", "stream"),
    ("eventlet", "static"),
    ("solo", "static"),
]
# Every failing scenario: (bot, task, attempts, last message).
FAILURES = [
    ("failure", "fail", 1, "no margin"),
    ("exhausted", "retry_then_fail", 3, "attempt 3 timed out"),
    ("autoretried", "autoretry", 2, "attempt 2 refused"),
    ("chained", "step", 1, "the third link broke"),
    ("chorded", "step", 1, "the body broke"),
    ("spawned", "fail", 1, "no margin"),
    ("requested", "fail", 1, "no margin"),
    ("positional", "fail", 1, "no margin"),
    ("dictionary", "take_order", 1, "too big"),
    ("dataclass", "take_order", 1, "too big"),
    ("withheld", "withhold", 1, "not today"),
]
# Outcomes of every attempt, in order, by bot.
OUTCOMES = {
    "success": ["success"],
    "failure": ["failure"],
    "expected": ["failure"],
    "ignored": ["ignored"],
    "retried": ["retry", "retry", "success"],
    "exhausted": ["retry", "retry", "failure"],
    "autoretried": ["retry", "failure"],
    "backed-off": ["retry", "success"],
    "delayed": ["success"],
    "chained": ["success", "success", "failure"],
    "grouped": ["failure", "failure"],
    "chorded": ["success", "success", "failure"],
    "spawned": ["success", "failure"],
    "unserialisable": ["failure"],
}


@pytest.fixture(scope="module", params=DAYS, ids=["-".join(day) for day in DAYS])
def story(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Run every scenario once on one worker; the tests below only look."""
    with staged(request, server, tmp_path_factory.mktemp("story")) as stage:
        yield tell(stage, *request.param)


def test_success_is_one_trace_and_no_event(story: Story) -> None:
    """Send a trace named after the task, ok, with the operator's words on it, and no event."""
    (run,) = story.runs("success")
    assert run.name == f"{TRADING}.succeed"
    assert run.status == "ok"
    told = {"exchange": EXCHANGE, "symbol": SYMBOL, "component": "trading_engine", "queue": "celery", "attempt": "1"}
    assert {key: run.told.get(key) for key in told} == told
    assert run.told["task"] == f"{TRADING}.succeed"
    assert run.told["outcome"] == "success"
    assert story.events("success") == []


def test_queue_process_span_tells_what_the_queues_view_reads(story: Story) -> None:
    """Write destination, message id, retry count, receive latency and body size on `queue.process`."""
    (run,) = story.runs("success")
    assert run.processing["messaging.destination.name"] == "celery"
    assert run.processing["messaging.message.id"] == story.results["success"].id
    assert run.processing["messaging.message.retry.count"] == 0
    assert run.processing["messaging.system"] == "redis"
    assert run.processing["messaging.message.body.size"] > len(SYMBOL)
    (wait,) = story.metrics("task.queue_wait", "success")
    assert run.processing["messaging.message.receive.latency"] == pytest.approx(wait["value"])


@pytest.mark.parametrize(("bot", "outcomes"), OUTCOMES.items(), ids=OUTCOMES)
def test_every_attempt_is_measured(story: Story, bot: str, outcomes: list[str]) -> None:
    """Send run time and queue wait of every attempt with its outcome, on the same span as its trace."""
    runs = story.metrics("task.run_time", bot)
    assert sorted(run["outcome"] for run in runs) == sorted(outcomes)
    assert all(run["value"] >= 0 for run in runs)
    assert {(run["exchange"], run["symbol"], run["queue"]) for run in runs} == {(EXCHANGE, SYMBOL, "celery")}
    assert len(story.metrics("task.queue_wait", bot)) == len(outcomes)
    assert {run["span_id"] for run in runs} == {run.span_id for run in story.runs(bot)}


@pytest.mark.parametrize(("bot", "outcomes"), OUTCOMES.items(), ids=OUTCOMES)
def test_every_attempt_is_one_trace_with_its_outcome(story: Story, bot: str, outcomes: list[str]) -> None:
    """Send one trace for each attempt, and let no retry, ignored or expected outcome count as an error."""
    runs = story.runs(bot)
    assert sorted(run.told["outcome"] for run in runs) == sorted(outcomes)
    wrong = {"failure"} if bot != "expected" else set()
    assert {run.told["outcome"] for run in runs if run.status != "ok"} == wrong & set(outcomes)


@pytest.mark.parametrize(("bot", "task", "attempts", "message"), FAILURES, ids=[case[0] for case in FAILURES])
def test_a_failure_is_one_event_that_tells_whose_work_it_was(
    story: Story, bot: str, task: str, attempts: int, message: str
) -> None:
    """Report a failure once, whatever the number of attempts, by bot, exchange and symbol, wherever they came from."""
    event = story.event(bot)
    expected = where_of(bot) | {
        "task": f"{TRADING}.{task}",
        "queue": "celery",
        "attempt": str(attempts),
        "outcome": "failure",
        "component": "trading_engine",
        "celery_task_id": story.results[bot].id,
    }
    assert {key: event["tags"].get(key) for key in expected} == expected
    assert event["exception"]["values"][-1]["type"] == "ExchangeError"
    assert event["exception"]["values"][-1]["value"] == message
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is False
    assert event["level"] == "error"


def test_group_members_each_report_with_the_context_of_the_group(story: Story) -> None:
    """Give every member of a group the context in which the group was published."""
    events = story.events("grouped")
    assert sorted(event["exception"]["values"][-1]["value"] for event in events) == ["first broke", "second broke"]
    assert {event["tags"]["symbol"] for event in events} == {SYMBOL}


@pytest.mark.parametrize(("bot", "attempts"), [("exhausted", 3), ("autoretried", 2), ("failure", 1)])
def test_a_failure_carries_the_breadcrumbs_of_all_attempts(story: Story, bot: str, attempts: int) -> None:
    """Tell the whole trail in order of time, each crumb with the number of its attempt."""
    crumbs = [crumb for crumb in story.event(bot)["breadcrumbs"]["values"] if crumb["category"] == "trading"]
    assert [crumb["data"]["attempt"] for crumb in crumbs] == list(range(1, attempts + 1))
    assert all(crumb["message"].startswith(f"attempt {crumb['data']['attempt']} ") for crumb in crumbs)
    times = [crumb["timestamp"] for crumb in crumbs]
    assert times == sorted(times)


def test_a_failure_tells_every_attempt(story: Story) -> None:
    """Tell of each attempt where and when it ran, what it ended with and how long the next one was put off."""
    records = story.event("exhausted")["contexts"]["attempts"]["records"]
    assert [record["attempt"] for record in records] == [1, 2, 3]
    assert [record["message"] for record in records] == [f"attempt {number} timed out" for number in (1, 2, 3)]
    assert {record["error_class"] for record in records} == {"ExchangeError"}
    assert {record["worker"] for record in records} == {f"worker@{story.worker.process.id[:12]}"}
    assert all(record["run_time_ms"] >= 0 and record["queue_wait_ms"] >= 0 for record in records)
    assert [record["started_at"] for record in records] == sorted(record["started_at"] for record in records)
    assert [record.get("retry_delay_s") for record in records][:2] == [0.5, 0.5]


def test_the_cause_of_a_retry_is_told_for_autoretry_too(story: Story) -> None:
    """Know the error of an attempt that Celery retried by itself."""
    records = story.event("autoretried")["contexts"]["attempts"]["records"]
    assert [record["message"] for record in records] == ["attempt 1 refused", "attempt 2 refused"]


def test_a_failure_tells_celerys_own_facts(story: Story) -> None:
    """Tell id, root, worker, attempt, limit and times of the failing attempt."""
    celery = story.event("exhausted")["contexts"]["celery"]
    assert celery["id"] == celery["root_id"] == story.results["exhausted"].id
    assert celery["worker"] == f"worker@{story.worker.process.id[:12]}"
    assert (celery["attempt"], celery["max_retries"], celery["redelivered"]) == (3, 2, False)
    assert 0 <= celery["queue_wait_ms"] < 10_000
    assert celery["end_to_end_ms"] >= celery["run_time_ms"] + celery["queue_wait_ms"]


def test_no_trail_leaks_into_another_task(story: Story) -> None:
    """Give a chain's next link and a task's child the context, and none of the breadcrumbs or attempts."""
    for bot in ("chained", "chorded", "spawned"):
        event = story.event(bot)
        assert [record["attempt"] for record in event["contexts"]["attempts"]["records"]] == [1]
        assert {crumb["data"]["attempt"] for crumb in event.get("breadcrumbs", {}).get("values", [])} <= {1}


def test_a_retry_that_succeeds_is_no_event(story: Story) -> None:
    """Send nothing for attempts that failed when a later one went well; number them in their traces."""
    assert story.value("retried")["attempt"] == 3
    assert story.events("retried") == []
    assert [run.told["attempt"] for run in story.runs("retried")] == ["1", "2", "3"]
    assert len({run.trace_id for run in story.runs("retried")}) == 1


@pytest.mark.parametrize("bot", ["expected", "ignored", "delayed", "backed-off"])
def test_what_is_no_error_is_no_event(story: Story, bot: str) -> None:
    """Send no event for an outcome that the task has declared or chosen."""
    assert story.events(bot) == []


def test_a_result_that_cannot_be_stored_is_reported(story: Story) -> None:
    """Report a task whose result the backend refuses, which the caller sees as a failure."""
    event = story.event("unserialisable")
    assert event["tags"]["outcome"] == "failure"
    assert event["exception"]["values"][-1]["type"] == "EncodeError"


@pytest.mark.parametrize(("bot", "asked"), [("delayed", 4000), ("backed-off", 3000)])
def test_countdown_and_back_off_are_no_queue_wait(story: Story, bot: str, asked: int) -> None:
    """Start the clock of queue wait when a message is due: a countdown or a retry's delay was asked for.

    However busy the machine is: of the time since it was published, what was asked for is no wait.
    """
    waits = story.metrics("task.queue_wait", bot)
    assert all(metric["value"] >= 0 for metric in waits)
    since, last = story.published[bot], waits[-1]
    if waits[:-1]:  # a retry is published while the attempt before it is still running
        before = story.metrics("task.run_time", bot)[-2]
        since = before["timestamp"] - before["value"] / 1000
    passed = (last["timestamp"] - since) * 1000
    assert last["value"] <= passed - asked + 500, (last["value"], passed)


def test_waiting_for_a_worker_is_queue_wait(story: Story) -> None:
    """Measure the time a due message lay in the queue: here, while its worker was starting."""
    (wait,) = story.metrics("task.queue_wait", "waits")
    assert 100 < wait["value"] < 60_000


def test_the_trace_of_a_request_goes_on_in_the_task(story: Story) -> None:
    """Continue the producer's trace, below its `queue.publish` span."""
    if story.lifecycle == "stream":
        pytest.skip("the producer opens a transaction, which the stream lifecycle does not have")
    (run,) = story.runs("requested")
    request = story.sentry.one("transaction", lambda entry: entry["transaction"] == "POST /orders")
    assert run.trace_id == request["contexts"]["trace"]["trace_id"]
    (publish,) = [span for span in request["spans"] if span["op"] == "queue.publish"]
    assert run.parent_span_id == publish["span_id"]
    assert publish["data"]["messaging.destination.name"] == "celery"
    assert publish["data"]["messaging.message.id"] == story.results["requested"].id
    assert request["tags"]["component"] == "web"


@pytest.mark.parametrize("bot", ["headed", "headed-again"])
def test_headers_of_the_application_are_untouched(story: Story, bot: str) -> None:
    """Leave a header of the application's own where the application reads it, after a retry as well."""
    value = story.value(bot)
    assert value["headers"]["mine"] == "untouched"
    assert value["mine"] == "untouched"


def test_task_arguments_never_leave(story: Story) -> None:
    """Send none of a task's arguments but the names of the context: no text, no number, however deep they were."""
    for item in story.sentry.items():
        told = str(item.entries)
        assert [each for each in (NOTE, str(SIZE), ACCOUNT) if each in told] == []


def test_what_is_no_argument_stays_readable(story: Story) -> None:
    """Show the context and the other local variables of the frames, and say where an argument stood."""
    hidden = "[task argument]"
    frames = story.event("withheld")["exception"]["values"][-1]["stacktrace"]["frames"]
    found = {frame["function"]: frame["vars"] for frame in frames if frame["function"] in {"withhold", "refuse"}}
    own = found["withhold"]
    assert own.pop("self").startswith("<@task: ")
    assert own == {
        "bot_id": "'withheld'",
        "symbol": f"'{SYMBOL}'",
        "pair": "'BTC-USDT'",
        "spread": "1723",
        **dict.fromkeys(("order", "note", "size", "message", "kept"), hidden),
    }
    order = {"exchange": f"'{EXCHANGE}'", "routing": {"account": hidden, "lots": hidden}}
    given = [hidden, {"of": order}]
    assert found["refuse"]["given"] == given
    assert [found["refuse"][name] for name in ("reason", "text", "text_bytes")] == [hidden] * 3
    assert list(found["refuse"]["asked"]) == [hidden]


def test_the_operator_can_have_the_arguments(stage: Stage) -> None:
    """With MONITORING_TASK_ARGUMENTS local variables are sent as they are, cleaned of secrets only."""
    worker = stage.start_worker(concurrency=1, env={"MONITORING_TASK_ARGUMENTS": "true"})
    order = {"routing": {"account": ACCOUNT}, "api_key": "not-for-anybody"}
    worker.task("withhold").clone(args=(order, NOTE, SIZE), kwargs={"bot_id": "open"}).delay()
    event = stage.sentry.one("event", tagged(bot_id="open"))
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    (own,) = [frame["vars"] for frame in frames if frame["function"] == "withhold"]
    assert (own["note"], own["size"]) == (f"'{NOTE}'", str(SIZE))
    assert own["order"] == {"routing": {"account": f"'{ACCOUNT}'"}, "api_key": "[Filtered]"}


@pytest.fixture
def recycled(stage: Stage) -> Worker:
    """Start a worker whose every child process runs one task."""
    return stage.start_worker(concurrency=2, options=["--max-tasks-per-child", "1"])


def test_the_trail_crosses_processes(recycled: Worker, stage: Stage) -> None:
    """Merge records and breadcrumbs of attempts that ran in three processes, in order."""
    producer = stage.start_producer()
    result = producer.send(recycled.task("retry_then_fail").clone(kwargs=where_of("wanderer")))
    event = stage.sentry.one("event", tagged(bot_id="wanderer"))
    records = event["contexts"]["attempts"]["records"]
    assert [record["attempt"] for record in records] == [1, 2, 3]
    assert len({record["pid"] for record in records}) == 3
    crumbs = [crumb for crumb in event["breadcrumbs"]["values"] if crumb["category"] == "trading"]
    assert [crumb["data"]["attempt"] for crumb in crumbs] == [1, 2, 3]
    assert [crumb["data"]["pid"] for crumb in crumbs] == [record["pid"] for record in records]
    assert event["tags"]["celery_task_id"] == result.id


def test_the_trail_survives_its_worker(stage: Stage) -> None:
    """Tell of an attempt of a worker that has ended since: the story travels with the message."""
    producer = stage.start_producer()
    first = stage.start_worker(concurrency=1)
    producer.send(first.task("retry_then_fail").clone(kwargs={**where_of("heir"), "countdown": 0.5}))
    first.wait_log("Retry in 0.5s")
    assert first.stop() == 0
    second = stage.start_worker(concurrency=1)
    event = stage.sentry.one("event", tagged(bot_id="heir"))
    workers = [record["worker"] for record in event["contexts"]["attempts"]["records"]]
    names = {f"worker@{worker.process.id[:12]}" for worker in (first, second)}
    assert set(workers) == names
    assert len(workers) == 3


def test_without_a_dsn_nothing_is_sent_and_nothing_is_added(
    start_worker: Callable[..., Worker], stage: Stage, sentry: Sentry
) -> None:
    """Run as if the package were not there: no request, no header of ours on a message."""
    producer = stage.start_producer(monitored=False)
    worker = start_worker(monitored=False)
    value: dict[str, Any] = producer.send(worker.task("headers").clone(kwargs=where_of("off"))).get(
        timeout=PATIENCE_SECONDS
    )
    assert value["headers"] in ({}, None)
    producer.send(worker.task("fail").clone(kwargs=where_of("off"))).get(timeout=PATIENCE_SECONDS, propagate=False)
    assert stage.settle() == []
    assert sentry.silent


def test_a_disabled_worker_ignores_the_headers_of_a_monitored_producer(
    start_worker: Callable[..., Worker], stage: Stage
) -> None:
    """Run a message that carries our headers on a worker without monitoring."""
    worker = start_worker(monitored=False)
    producer = stage.start_producer()
    assert (
        producer.send(worker.task("succeed").clone(kwargs=where_of("mixed"))).get(timeout=PATIENCE_SECONDS)["attempt"]
        == 1
    )


def test_a_producer_without_monitoring_leaves_queue_wait_unknown(
    start_worker: Callable[..., Worker], stage: Stage, sentry: Sentry
) -> None:
    """Measure the run of a message that says nothing of its publishing, and invent no waiting time."""
    worker = start_worker()
    worker.task("succeed").clone(kwargs=where_of("stranger")).delay().get(timeout=PATIENCE_SECONDS)
    assert stage.settle() == []
    (run,) = sentry.metrics("task.run_time", attributed(bot_id="stranger"))
    assert attributes(run)["outcome"] == "success"
    assert sentry.metrics("task.queue_wait", attributed(bot_id="stranger")) == []
