"""An attempt that says nothing costs next to nothing, and one that does is told as if nothing had been saved."""

import gc
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from weakref import ref

import pytest
import sentry_sdk
from celery import Celery
from celery.app.trace import build_tracer
from sentry_sdk.scope import Scope

import monitoring
from monitoring.delivery.counting import Tally
from monitoring.scrubbing import scrub_transaction
from monitoring.signals import message
from monitoring.signals.attempt import Attempt
from monitoring.signals.scopes import AttemptScopes, LazyScope
from tests.harness.sentry import Sentry, attributes
from tests.unit.core.conftest import Start

TRACE = "0123456789abcdef0123456789abcdef"
ARGS = ("bot-7", "Kraken", "btc/usdt")
TOLD = {
    "bot_id": "bot-7",
    "exchange": "kraken",
    "symbol": "BTC/USDT",
    "task": "core.trade",
    "queue": "orders",
    "attempt": "1",
    "component": "trading_engine",
}

Body = Callable[[], object]


def run(  # noqa: PLR0913  # what a message may say
    app: Celery,
    body: Body,
    *,
    sampled: str | None = "-0",
    trace_id: str = TRACE,
    baggage: str = "",
    retries: int = 0,
    name: str = "core.trade",
    args: tuple[Any, ...] = ARGS,
    redelivered: bool = False,
) -> str:
    """Run an attempt in this process as a worker does, of a task that does `body`; return the task's id.

    `sampled` is what its message says of the decision: "" for none, and None is a message without a trace.
    """

    def trade(bot_id: str, exchange: str, symbol: str) -> object:
        return body_of[app]()

    body_of[app] = body
    task = app.tasks.get(name) or app.task(trade, name=name, ignore_result=True, shared=False)
    app.finalize()
    task_id = str(uuid4())
    headers: dict[str, str] = {"baggage": baggage} if baggage or sampled is not None else {}
    if sampled is not None:
        headers["sentry-trace"] = f"{trace_id}-{TRACE[:16]}{sampled}"
    headers[message.HEADER] = message.Carried(time.time(), time.time()).encoded(4096)
    request = {
        "id": task_id,
        "retries": retries,
        "hostname": "worker@test",
        "delivery_info": {"exchange": "", "routing_key": "orders", "redelivered": redelivered},
        "is_eager": False,
        **headers,
    }
    build_tracer(task.name, app.tasks[task.name], app=app)(task_id, args, {}, request)
    return task_id


#: What the task of an app does next.
body_of: dict[Celery, Body] = {}


def set_attribute(name: str, value: Any) -> None:
    """Do what a task does that says something of itself."""
    sentry_sdk.get_isolation_scope().set_attribute(name, value)


def told(metric: dict[str, Any]) -> dict[str, Any]:
    """Return what a metric says of the attempt, without what the SDK says of itself."""
    foreign = ("sentry.", "process.", "server.")
    return {key: value for key, value in attributes(metric).items() if not key.startswith(foreign)}


def measured(sentry: Sentry, count: int) -> list[dict[str, Any]]:
    """Return the metrics of `count` attempts."""
    monitoring.flush()
    return sentry.wait_for("metric", 2 * count)


def told_by(isolation: Callable[[Scope], None], current: Callable[[Scope], None] = lambda _: None) -> Any:
    """Return an owner of scopes that tells them so."""
    return SimpleNamespace(tell_isolation=isolation, tell_current=current, looked=lambda: None)


def test_a_success_that_says_nothing_fills_no_scope_and_is_measured_whole(
    sentry: Sentry, start: Start, app: Celery, filled: list[LazyScope]
) -> None:
    """Its metrics carry every attribute and its trace's id, and no scope was forked for them."""
    start()
    run(app, lambda: None)
    metrics = measured(sentry, 1)
    assert {metric["name"] for metric in metrics} == {"task.run_time", "task.queue_wait"}
    for metric in metrics:
        assert told(metric) == {**TOLD, "outcome": "success"}
        assert (metric["trace_id"], metric["type"], metric["unit"]) == (TRACE, "distribution", "millisecond")
        assert 0 <= metric["value"] < 60_000
    assert not filled


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
def test_an_attempt_that_looks_is_measured_as_one_that_does_not(
    sentry: Sentry, start: Start, app: Celery, filled: list[LazyScope], lifecycle: str
) -> None:
    """A breadcrumb in the task changes nothing of its metrics; an attribute that the task sets is on them."""
    start(trace_lifecycle=lifecycle)
    run(app, lambda: None)
    run(app, lambda: monitoring.add_breadcrumb("looked at the book"))
    run(app, partial(set_attribute, "venue", "spot"))
    metrics = measured(sentry, 3)
    quiet, looked, said = (metrics[number] for number in (0, 2, 4))
    assert attributes(looked) == attributes(quiet)
    assert attributes(said) == {**attributes(quiet), "venue": "spot"}
    assert {metric["trace_id"] for metric in metrics} == {TRACE}
    assert filled


def test_an_entry_of_ours_is_an_entry_of_the_sdks(sentry: Sentry, start: Start, app: Celery) -> None:
    """Value and clock apart, Sentry cannot tell whether the SDK made an entry or we did."""
    start()
    run(app, lambda: sentry_sdk.metrics.distribution("task.run_time", 1.0, unit="millisecond"))
    monitoring.flush()
    theirs, ours, _ = sentry.wait_for("metric", 3)
    assert theirs.keys() == ours.keys()
    assert ours["attributes"].pop("outcome") == {"value": "success", "type": "string"}
    varying = {"value", "timestamp"}
    assert {k: v for k, v in ours.items() if k not in varying} == {k: v for k, v in theirs.items() if k not in varying}
    assert [type(ours[key]) for key in varying] == [type(theirs[key]) for key in varying]


def test_the_applications_hook_for_metrics_sees_every_task(sentry: Sentry, start: Start, app: Celery) -> None:
    """`before_send_metric` changes and drops a task's metrics as it does any other."""

    def hook(metric: Any, _: Any) -> Any:
        metric["attributes"]["desk"] = "fx"
        return metric if metric["name"] == "task.run_time" else None

    start(options={"before_send_metric": hook})
    run(app, lambda: None)
    monitoring.flush()
    (metric,) = sentry.wait_for("metric", 1)
    assert told(metric) == {**TOLD, "outcome": "success", "desk": "fx"}


@pytest.mark.filterwarnings("ignore:The send_default_pii option is deprecated")  # by newer versions of the SDK
def test_a_user_is_told_on_metrics_where_the_application_wants_it(sentry: Sentry, start: Start, app: Celery) -> None:
    """With `send_default_pii` the SDK puts the user on metrics, and so do we."""
    start(options={"send_default_pii": True})
    run(app, lambda: monitoring.set_user_context(42))
    assert {attributes(metric).get("user.id") for metric in measured(sentry, 1)} == {"42"}


def test_a_secret_that_becomes_known_later_leaves_no_more(sentry: Sentry, start: Start, app: Celery) -> None:
    """Attributes are kept scrubbed, but not beyond the registration of another secret."""
    start()
    run(app, partial(set_attribute, "note", "tango whiskey 99 bravo"))
    monitoring.flush()
    monitoring.register_secret("whiskey 99 bravo")
    run(app, partial(set_attribute, "note", "tango whiskey 99 bravo"))
    before, after = (attributes(metric)["note"] for metric in measured(sentry, 2)[::2])
    assert before == "tango whiskey 99 bravo"
    assert "whiskey" not in after


def test_an_attribute_that_is_no_text_keeps_its_type(sentry: Sentry, start: Start, app: Celery) -> None:
    """True and 1 are one key to a cache; to Sentry they are not."""
    start()
    for value in (1, True, 1.0):
        run(app, partial(set_attribute, "lots", value))
    kinds = [metric["attributes"]["lots"]["type"] for metric in measured(sentry, 3)[::2]]
    assert kinds == ["integer", "boolean", "double"]


def test_what_an_unsampled_attempt_reports_is_complete(sentry: Sentry, start: Start, app: Celery) -> None:
    """The first look at the scopes may be the report itself: tags, trace and contexts are all there."""
    start()
    task_id = run(app, lambda: monitoring.capture_message("no margin"))
    monitoring.flush()
    (event,) = sentry.wait_for("event", 1)
    assert {**TOLD, "celery_task_id": task_id}.items() <= event["tags"].items()
    assert event["contexts"]["trace"]["trace_id"] == TRACE
    assert event["contexts"]["celery"]["id"] == task_id
    assert event["transaction"] == "core.trade"


@pytest.mark.parametrize("odd", [False, True])
def test_a_transaction_of_ours_is_one_of_the_sdks(sentry: Sentry, start: Start, app: Celery, odd: bool) -> None:  # noqa: FBT001
    """Sentry cannot tell whether the SDK prepared a task's transaction or we did, whatever the task put on it."""

    def work() -> None:
        sentry_sdk.set_tag("desk", "fx")
        sentry_sdk.set_context("book", {"depth": 5, "levels": [1, 2, 3]})
        monitoring.set_user_context(42)
        with sentry_sdk.start_span(op="exchange.fetch", name="fetch book") as span:
            span.set_data("pair", "BTC/USDT")
            if odd:
                span.set_data("seen", {1, 2})
                span.set_data("when", datetime(2026, 11, 25, tzinfo=UTC))
                span.set_data("raw", b"\x00\x01")

    start(traces_sample_rate=1.0)
    run(app, work, sampled="-1", baggage=f"sentry-trace_id={TRACE},sentry-public_key=local")
    # A hook that is not ours, and does the same: the SDK does everything.
    sentry_sdk.get_client().options["before_send_transaction"] = partial(scrub_transaction)
    run(app, work, sampled="-1", baggage=f"sentry-trace_id={TRACE},sentry-public_key=local")
    monitoring.flush()
    ours, theirs = sentry.wait_for("transaction", 2)
    assert shape(ours) == shape(theirs)
    heads = [{**item.headers, "length": None} for item in sentry.items("transaction")]
    assert heads[0] == heads[1]


def shape(value: Any, key: str = "") -> Any:
    """Return a transaction without what differs from one attempt to the next."""
    if isinstance(value, dict):
        return {name: shape(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    varying = key.endswith(("_id", "timestamp", "_ms", ".latency")) or key in {"id", "messaging.message.id"}
    return type(value) if varying else value


def test_a_trace_of_another_organisation_is_not_continued(sentry: Sentry, start: Start, app: Celery) -> None:
    """What the message says is believed only as far as the SDK would believe it."""
    start(options={"org_id": "1"})
    run(app, lambda: None, baggage=f"sentry-trace_id={TRACE},sentry-org_id=2")
    run(app, lambda: None, baggage=f"sentry-trace_id={TRACE},sentry-org_id=1")
    foreign, own = (metric["trace_id"] for metric in measured(sentry, 2)[::2])
    assert foreign != TRACE
    assert own == TRACE


def test_no_scope_outlives_its_attempt(start: Start, app: Celery) -> None:
    """Whatever a task does to its scopes, those from before are in force afterwards, untouched."""
    start()
    before = Scope.get_current_scope(), Scope.get_isolation_scope()

    def litter() -> None:
        sentry_sdk.set_tag("litter", "1")
        Scope.set_current_scope(Scope())
        Scope.set_isolation_scope(Scope())

    run(app, litter)
    assert (Scope.get_current_scope(), Scope.get_isolation_scope()) == before
    assert not before[1]._tags


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
@pytest.mark.parametrize("sampled", ["-0", "-1"])
@pytest.mark.parametrize("body", [lambda: None, lambda: monitoring.add_breadcrumb("looked at the book")])
def test_an_attempt_leaves_nothing_to_the_garbage_collector(  # noqa: PLR0913, PLR0917  # fixtures, and what it may do
    sentry: Sentry, start: Start, app: Celery, lifecycle: str, sampled: str, body: Body
) -> None:
    """What it was made of is freed at its end: cycles would have the collector run three times as often."""
    start(traces_sample_rate=1.0, trace_lifecycle=lifecycle)
    run(app, body, sampled=sampled)
    gc.collect()
    gc.disable()
    try:
        task_id = run(app, body, sampled=sampled)
        # (The first one of a process lives on with the SDK's own thread, which has begun in it.)
        left = [each for each in gc.get_objects() if isinstance(each, Attempt) and each.request.id == task_id]
    finally:
        gc.enable()
    assert not left
    measured(sentry, 2)


def test_threads_that_look_at_once_find_one_scope_told_once() -> None:
    """A scope that a task's own threads share is filled once, whoever comes first."""
    calls: list[int] = []

    def tell(scope: Scope) -> None:
        calls.append(1)
        time.sleep(0.05)
        scope.set_tag("told", "1")

    scopes = AttemptScopes(told_by(tell))
    try:
        barrier, seen = threading.Barrier(8), []

        def look() -> None:
            barrier.wait()
            seen.append(dict(scopes.isolation._tags))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert calls == [1]
        assert all(tags.get("told") == "1" for tags in seen), seen
    finally:
        scopes.close()


def test_what_is_set_before_anybody_looks_stays() -> None:
    """Filling completes a scope; it does not overwrite it."""
    scopes = AttemptScopes(told_by(lambda scope: scope.set_tag("told", "1")))
    try:
        scopes.isolation.set_level("fatal")
        assert scopes.isolation._level == "fatal"
        assert scopes.isolation._tags == {"told": "1"}
        assert scopes.isolation._level == "fatal"
    finally:
        scopes.close()


@pytest.mark.unjudged("relay", reason="the event is what an application's processor has left of it")
@pytest.mark.parametrize("left", ["nothing", "no trace", "no spans", "not a number"])
def test_what_a_processor_does_to_a_transaction_is_its_own_affair(
    sentry: Sentry, start: Start, app: Celery, left: str
) -> None:
    """An application's event processor may drop a transaction, parts of it, or spoil it: no task is harmed by that."""

    def process(event: Any, _: Any) -> Any:
        if event.get("type") != "transaction" or left == "nothing":
            return None
        if left == "no trace":
            del event["contexts"]["trace"]
        elif left == "no spans":
            event["spans"] = []
        else:
            event["tags"]["odd"] = float("nan")
        return event

    start(traces_sample_rate=1.0)
    ran: list[int] = []
    sentry_sdk.get_global_scope().add_event_processor(process)
    run(app, lambda: ran.append(1), sampled="-1")
    monitoring.flush()
    assert ran == [1]
    assert len(measured(sentry, 1)) == 2
    if left == "no spans":
        (transaction,) = sentry.wait_for("transaction", 1)
        assert transaction["spans"] == []
        assert sentry.lost()["event_processor", "span"] == 1
    elif left == "nothing":
        assert sentry.lost()["event_processor", "transaction"] == 1
        assert sentry.lost()["event_processor", "span"] == 2


def test_a_scope_that_cannot_be_told_is_a_scope_all_the_same() -> None:
    """Whoever looks first may be the application: an error of ours is not raised into it."""

    def tell(_: Scope) -> None:
        raise RuntimeError("an error of ours")

    scopes = AttemptScopes(told_by(tell, tell))
    try:
        sentry_sdk.set_tag("desk", "fx")
        assert scopes.isolation._tags["desk"] == "fx"
    finally:
        scopes.close()


def test_arguments_are_let_go_at_the_end_although_the_metrics_wait(sentry: Sentry, start: Start, app: Celery) -> None:
    """What metrics are made from, later, is the message without the task's arguments: they may be of any size."""

    class Order:
        pass

    start()
    order = Order()
    gone = ref(order)
    run(app, lambda: None, args=(order, "kraken", "BTC/USDT"))
    del order
    assert gone() is None
    assert {metric["name"] for metric in measured(sentry, 1)} == {"task.run_time", "task.queue_wait"}


def test_a_task_that_calls_itself_eagerly_ends_twice(sentry: Sentry, start: Start, app: Celery) -> None:
    """Each end is told of its own attempt: by the scopes in force, whose attempt is the innermost."""
    start()
    depth = iter((True, False))

    def body() -> None:
        if next(depth):
            app.tasks["core.trade"].apply(args=("bot-8", "binance", "ETH/USDT")).get()

    run(app, body)
    monitoring.flush()
    runs = sentry.wait_for("metric", 2, where=lambda metric: metric["name"] == "task.run_time")
    told = [attributes(metric) for metric in runs]
    assert sorted(metric["bot_id"] for metric in told) == ["bot-7", "bot-8"]
    assert {metric["outcome"] for metric in told} == {"success"}


def test_traces_that_nobody_samples_are_counted_without_a_lock() -> None:
    """Whoever counts, and whenever it is taken: none is lost, and none is counted twice."""
    tally, taken = Tally(), []
    threads = [threading.Thread(target=lambda: [tally.count() for _ in range(10_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(tally.take())
    assert sum(taken) + tally.take() == 80_000
    assert tally.take() == 0
