"""One worker's day, run once and looked at from many sides: every scenario is found by a bot of its own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import Signature, chain, chord, group
from celery.result import AsyncResult, GroupResult

from tests.apps.orders import Order
from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.producer import Producer
from tests.harness.sentry import Sentry, attributed, attributes, tagged
from tests.harness.stage import Stage
from tests.harness.worker import Worker

EXCHANGE, SYMBOL = "kraken", "BTC/USDT"
#: What an argument says that is no part of the context.
NOTE, SIZE, ACCOUNT = "for the desk only", 7315.25, "desk-4711"
# A task that raises Ignore stores no result; the warm shutdown at the end waits for it.
WITHOUT_RESULT = {"ignored"}


def where_of(bot: str) -> dict[str, str]:
    """Return the context of a scenario."""
    return {"bot_id": bot, "exchange": EXCHANGE, "symbol": SYMBOL}


@dataclass(frozen=True)
class Run:
    """One attempt's trace, the same from a transaction and from streamed spans."""

    name: str
    status: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    told: Mapping[str, Any]
    processing: Mapping[str, Any]


@dataclass
class Story:
    """Hold what was sent, what came of it, and what Sentry received."""

    pool: str
    lifecycle: str
    sentry: Sentry
    worker: Worker
    results: dict[str, AsyncResult | GroupResult] = field(default_factory=dict)
    #: When each scenario began to be published: wall clock, seconds.
    published: dict[str, float] = field(default_factory=dict)

    def value(self, bot: str) -> Any:
        """Return what a scenario's task returned."""
        return self.results[bot].get(timeout=1)

    def events(self, bot: str) -> list[dict[str, Any]]:
        """Return a scenario's events."""
        return self.sentry.events(tagged(bot_id=bot))

    def event(self, bot: str) -> dict[str, Any]:
        """Return a scenario's only event."""
        events = self.events(bot)
        assert len(events) == 1, f"{len(events)} events of {bot}\n{self.sentry.summary()}"
        return events[0]

    def metrics(self, name: str, bot: str) -> list[dict[str, Any]]:
        """Return the values, attributes and times of a scenario's metrics, in order of time."""
        found = sorted(self.sentry.metrics(name, attributed(bot_id=bot)), key=lambda metric: metric["timestamp"])
        own = ("value", "timestamp", "span_id")
        return [{**attributes(metric), **{name: metric.get(name) for name in own}} for metric in found]

    def runs(self, bot: str) -> list[Run]:
        """Return the traces of a scenario's attempts, in order of time."""
        return _transactions(self.sentry, bot) if self.lifecycle == "static" else _streamed(self.sentry, bot)


def _transactions(sentry: Sentry, bot: str) -> list[Run]:
    found = sentry.transactions(lambda entry: entry["tags"]["bot_id"] == bot and _op(entry) == "queue.task.celery")
    runs = []
    for entry in sorted(found, key=lambda entry: entry["start_timestamp"]):
        trace = entry["contexts"]["trace"]
        (inner,) = [span for span in entry["spans"] if span["op"] == "queue.process"]
        runs.append(
            Run(
                name=entry["transaction"],
                status=trace["status"],
                trace_id=trace["trace_id"],
                span_id=trace["span_id"],
                parent_span_id=trace.get("parent_span_id"),
                told=entry["tags"],
                processing=inner["data"],
            )
        )
    return runs


def _op(transaction: Mapping[str, Any]) -> object:
    return transaction["contexts"]["trace"]["op"]


def _streamed(sentry: Sentry, bot: str) -> list[Run]:
    spans = sentry.spans(attributed(bot_id=bot))
    segments = [span for span in spans if attributes(span)["sentry.op"] == "queue.task.celery"]
    runs = []
    for span in sorted(segments, key=lambda span: span["start_timestamp"]):
        (inner,) = [
            below
            for below in spans
            if below.get("parent_span_id") == span["span_id"] and attributes(below)["sentry.op"] == "queue.process"
        ]
        runs.append(
            Run(
                name=span["name"],
                status=span["status"],
                trace_id=span["trace_id"],
                span_id=span["span_id"],
                parent_span_id=span.get("parent_span_id"),
                told=attributes(span),
                processing=attributes(inner),
            )
        )
    return runs


def tell(stage: Stage, pool: str, lifecycle: str) -> Story:
    """Publish every scenario from a monitored producer, run them, stop both processes, and return what there is."""
    env = {"MONITORING_TRACE_LIFECYCLE": lifecycle}
    producer = stage.start_producer(env=env)
    worker = stage.start_worker(pool=pool, concurrency=1 if pool == "solo" else 4, env=env, wait=False)
    story = Story(pool, lifecycle, stage.sentry, worker)
    # Published before anybody is there to run it: it has to wait.
    story.results["waits"] = producer.send(worker.task("succeed").clone(kwargs=where_of("waits")))
    worker.wait_ready()
    for bot, scenario in SCENARIOS.items():
        story.published[bot] = time.time()
        story.results[bot] = scenario(producer, worker, where_of(bot))
    answering = {bot: result for bot, result in story.results.items() if bot not in WITHOUT_RESULT}
    wait_until(
        lambda: all(ended(result) for result in answering.values()),
        lambda: f"the end of {[bot for bot, result in answering.items() if not ended(result)]}",
    )
    assert stage.settle() == []
    return story


def ended(result: AsyncResult | GroupResult) -> bool:
    """Tell whether a result and all that follow from it are there."""
    if isinstance(result, GroupResult):
        return all(ended(inner) for inner in result.results)
    if not result.ready():
        return result.parent is not None and ended(result.parent) and failed(result.parent)
    return True


def failed(result: AsyncResult | GroupResult) -> bool:
    """Tell whether a result is a failure, so that nothing will follow it."""
    return bool(result.failed())


Scenario = Callable[[Producer, Worker, dict[str, str]], AsyncResult | GroupResult]


def call(name: str, **more: Any) -> Scenario:
    """Return a scenario: a task called with its context as keyword arguments."""
    return lambda producer, worker, where: producer.send(worker.task(name).clone(kwargs={**where, **more}))


def _chain(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    links = (step(worker), step(worker), step(worker, message="the third link broke"))
    return producer.send(chain(*links, app=worker.app), context=where)


def _group(producer: Producer, worker: Worker, where: dict[str, str]) -> GroupResult:
    members = [step(worker, message="first broke"), step(worker, message="second broke")]
    return producer.send(group(members, app=worker.app), context=where)


def _chord(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    body = step(worker, message="the body broke")
    return producer.send(chord([step(worker), step(worker)], body, app=worker.app), context=where)


def step(worker: Worker, **kwargs: Any) -> Signature:
    """Return a task that is told nothing of bot, exchange or symbol."""
    return worker.task("step").clone(kwargs=kwargs)


def _spawn(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    producer.send(worker.task("spawn").clone(kwargs={**where, "child": "fail"}), task_id=f"parent-of-{where['bot_id']}")
    parent = worker.app.AsyncResult(f"parent-of-{where['bot_id']}")
    return worker.app.AsyncResult(parent.get(timeout=PATIENCE_SECONDS))


def _transaction(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    return producer.send(worker.task("fail").clone(kwargs=where), transaction="POST /orders")


def _countdown(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    return producer.send(worker.task("succeed").clone(kwargs=where), countdown=4)


def _headers(name: str) -> Scenario:
    return lambda producer, worker, where: producer.send(
        worker.task(name).clone(kwargs=where), headers={"mine": "untouched"}
    )


def _positional(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    return producer.send(worker.task("fail").clone(args=tuple(where.values())))


def _dictionary(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    return producer.send(
        worker.task("take_order").clone(args=({**where, "note": NOTE},), kwargs={"message": "too big"})
    )


def _withheld(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    order = {"exchange": where["exchange"], "routing": {"account": ACCOUNT, "lots": [SIZE]}}
    task = worker.task("withhold").clone(args=(order, NOTE), kwargs={"size": SIZE, **where})
    del task.kwargs["exchange"]
    return producer.send(task)


def _dataclass(producer: Producer, worker: Worker, where: dict[str, str]) -> AsyncResult:
    order = worker.task("take_order").clone(
        args=(Order(where["bot_id"], where["exchange"], where["symbol"]),), kwargs={"message": "too big"}
    )
    return producer.send(order, serializer="pickle")


SCENARIOS: Mapping[str, Scenario] = {
    "success": call("succeed"),
    "failure": call("fail"),
    "expected": call("expected"),
    "ignored": call("ignore"),
    "retried": call("retry_then_succeed", failures=2),
    "exhausted": call("retry_then_fail"),
    "autoretried": call("autoretry"),
    "backed-off": call("retry_then_succeed", failures=1, countdown=3),
    "chained": _chain,
    "grouped": _group,
    "chorded": _chord,
    "spawned": _spawn,
    "requested": _transaction,
    "delayed": _countdown,
    "headed": _headers("headers"),
    "headed-again": _headers("retry_headers"),
    "positional": _positional,
    "dictionary": _dictionary,
    "dataclass": _dataclass,
    "withheld": _withheld,
    "unserialisable": call("unserialisable"),
}
