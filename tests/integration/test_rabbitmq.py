"""RabbitMQ as broker: a real server, real workers, and what Sentry receives of them."""

# kombu types no constructors:
# mypy: disable-error-code="no-untyped-call"

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from celery import Signature
from kombu.connection import Connection
from kombu.entity import Queue

from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.rabbit import Rabbit, rabbit_missing
from tests.harness.sentry import Sentry, attributed, tagged
from tests.harness.server import free_port
from tests.harness.stage import Stage
from tests.harness.worker import Worker

pytestmark = pytest.mark.outcomes

APP = "tests.apps.rabbit"
#: RabbitMQ's own limit. A header that does not fit breaks the publisher's connection.
FRAME_BYTES = 131_072


@pytest.fixture(scope="module")
def messages() -> dict[str, Any]:
    """Hold what was found on the wire."""
    return {}


@pytest.fixture(scope="module")
def day(module_stage: Stage, rabbit: Rabbit, messages: dict[str, Any]) -> Sentry:
    """Publish to named and default exchanges, retry with too long a story, and kill a worker at work."""
    module_stage.broker_url = rabbit.url
    env = {
        "MONITORING_TRAIL_BYTES": "32768",
        "MONITORING_VITALS_SECONDS": "0.3",
    }
    producer = module_stage.start_producer(env=env)
    worker = module_stage.start_worker(app=APP, queue="orders,celery", env=env)

    def publish(name: str, **options: Any) -> Any:
        sent = signature(worker, name, bot_id=options.pop("bot"), **options.pop("kwargs", {}))
        return producer.send(sent, transaction="POST /orders", **options)

    named = {"exchange": "trading", "routing_key": "order.new"}
    publish("trading.succeed", bot="named", **named).get(timeout=PATIENCE_SECONDS)
    publish("trading.succeed", bot="plain", routing_key="celery").get(timeout=PATIENCE_SECONDS)
    story = publish("rabbit.talkative", bot="talkative", **named)
    wait_until(story.ready, lambda: f"the end of five attempts\n{worker.log}")
    # What a killed worker has not yet sent is gone.
    module_stage.sentry.wait_for("event", 1, where=tagged(bot_id="talkative"))
    for bot in ("named", "plain"):
        module_stage.sentry.wait_for("transaction", 1, where=tagged(bot_id=bot))

    # Killed at work: RabbitMQ gives the message to the next worker as soon as the connection is gone.
    lost = publish("rabbit.late", bot="again", kwargs={"seconds": 60}, **named)
    wait_until(lambda: lost.state == "STARTED", "the task started")
    worker.kill()
    survivor = module_stage.start_worker(app=APP, queue="orders,celery", env=env)
    assert lost.get(timeout=PATIENCE_SECONDS) == "done"

    # Nobody consumes: what waits is counted, and can be looked at.
    survivor.app.control.cancel_consumer("celery")
    wait_until(lambda: "celery" not in str(survivor.app.control.inspect().active_queues()), "the queue left alone")
    publish("trading.succeed", bot="waiting", routing_key="celery")
    with Connection(rabbit.url) as connection, connection.channel() as channel:
        message = Queue("celery", channel=channel).get(no_ack=True)
        messages["waiting"] = (len(message.body), message.headers)
    assert module_stage.settle() == []
    return module_stage.sentry


def signature(worker: Worker, name: str, **kwargs: Any) -> Signature:
    """Return a task's signature with no queue: the exchange decides."""
    return worker.app.signature(f"tests.apps.{name}", kwargs=kwargs)


def test_retries_carry_their_story(day: Sentry) -> None:
    """Bring all attempts to the last one, with what fits of their breadcrumbs, over a broker that bounds its frames."""
    event, *again = day.events(tagged(bot_id="talkative"))
    # A worker that is killed before it has seen Sentry's answer leaves the event to the next one.
    assert {each["event_id"] for each in again} <= {event["event_id"]}
    assert event["tags"]["attempt"] == "5"
    assert [record["attempt"] for record in event["contexts"]["attempts"]["records"]] == [1, 2, 3, 4, 5]
    earlier = {crumb["data"]["attempt"] for crumb in event["breadcrumbs"]["values"] if "attempt" in crumb["data"]}
    assert earlier > {5}, "only the last attempt"


def test_a_named_exchange_is_told_by_its_queue(day: Sentry) -> None:
    """Name the queue on both ends of a message that went through a topic exchange."""
    for bot, queue in (("named", "orders"), ("plain", "celery")):
        ran = day.transactions(tagged(bot_id=bot))
        assert [entry["tags"]["queue"] for entry in ran] == [queue]
        (processed,) = [span for span in ran[0]["spans"] if span["op"] == "queue.process"]
        assert processed["data"]["messaging.destination.name"] == queue
        assert processed["data"]["messaging.system"] == "amqp"
    requests = day.transactions(lambda entry: entry["transaction"] == "POST /orders")
    published = [span for entry in requests for span in entry["spans"] if span["op"] == "queue.publish"]
    # The producer's app knows none of the worker's queues: what it can say is the routing key.
    assert {span["data"]["messaging.destination.name"] for span in published} == {"order.new", "celery"}


def test_a_redelivered_task_is_tagged(day: Sentry) -> None:
    """Say of a task that RabbitMQ gives to another worker, after the first was killed, that it may have run before."""
    ran = day.transactions(tagged(bot_id="again"))
    assert [entry["tags"].get("redelivered") for entry in ran] == ["true"]


def test_the_size_of_a_body_is_its_own(day: Sentry, messages: dict[str, Any]) -> None:
    """Measure the body as it is on the wire."""
    size, headers = messages["waiting"]
    requests = day.transactions(lambda entry: entry["transaction"] == "POST /orders")
    published = [span for entry in requests for span in entry["spans"] if span["op"] == "queue.publish"]
    (span,) = [span for span in published if span["data"]["messaging.message.id"] == headers["id"]]
    assert span["data"]["messaging.message.body.size"] == size
    assert len(str(headers)) < FRAME_BYTES / 4


def test_depth_is_sampled_on_rabbitmq_too(day: Sentry) -> None:
    """Ask RabbitMQ how many messages are ready, and the workers how many they hold."""
    assert day.metrics("queue.depth", attributed(queue="orders"))
    assert max(metric["value"] for metric in day.metrics("queue.unacknowledged")) >= 1
    assert day.metrics("worker.count")


def test_without_any_redis_rabbitmq_elects(stage: Stage, rabbit: Rabbit) -> None:
    """Sample the queues from one worker alone when RabbitMQ is all there is, and from the other when that one ends."""
    stage.broker_url = rabbit.url
    env = {"CELERY_RESULT_BACKEND": "rpc://", "MONITORING_VITALS_SECONDS": "0.3"}
    first, second = (
        stage.start_worker(app=APP, queue="celery", pool="solo", concurrency=1, env=env, wait=False) for _ in range(2)
    )
    first.wait_ready()
    second.wait_ready()
    sentry = stage.sentry

    def sampled() -> list[float]:
        return sorted(metric["timestamp"] for metric in sentry.metrics("queue.depth"))

    wait_until(lambda: len(sampled()) >= 8, lambda: f"eight samples\n{sentry.summary()}")
    assert sum(after - before < 0.2 for before, after in pairwise(sampled())) <= 2
    before = len(sampled())
    first.kill()
    wait_until(lambda: len(sampled()) > before + 4, "samples of the other")


def test_redis_away_costs_the_vitals_alone(stage: Stage, rabbit: Rabbit) -> None:
    """Run tasks and stop in time while nobody answers at the address of the board; count what was not kept."""
    stage.broker_url = rabbit.url
    env = {"MONITORING_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "MONITORING_VITALS_SECONDS": "0.3"}
    worker = stage.start_worker(app=APP, queue="celery", pool="solo", concurrency=1, env=env)
    sent = worker.app.signature("tests.apps.trading.succeed", kwargs={"bot_id": "calm"})
    assert sent.apply_async(routing_key="celery", exchange="celery").get(timeout=PATIENCE_SECONDS)
    lost = attributed(reason="vitals")
    wait_until(lambda: stage.sentry.metrics("monitoring.lost", lost), stage.sentry.summary)
    assert worker.log.count("vitals cannot be kept at the moment: ConnectionError") == 1
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 15
    assert not stage.sentry.events()


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip these tests with the command that would let them run."""
    monkeypatch.setattr("tests.harness.rabbit.SERVER", tmp_path / "nothing")
    assert "apt-get install rabbitmq-server" in (rabbit_missing() or "")
