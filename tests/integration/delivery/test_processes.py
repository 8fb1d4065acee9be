"""Every process of a worker has a queue and a connection of its own, however it was started."""

from collections import Counter

import pytest

from monitoring.local.faults import Faults
from tests.harness.polling import wait_until
from tests.harness.stage import Stage
from tests.integration.delivery.spooled import bots, fail, spooled, wait_received

EVENTS = 50
CHILDREN = 4


def test_children_neither_copy_nor_lose_after_a_parents_event(stage: Stage) -> None:
    """The stock SDK's children share the parent's socket and queue: copies of the one, losses on the other."""
    stage.sentry.faults = Faults(delay_seconds=0.2)  # the parent's event is still under way when children start
    worker = stage.start_worker(concurrency=CHILDREN, options=["--max-tasks-per-child", "60"])
    producer = stage.start_producer()
    producer.send(worker.task("nobody.has.this"), task_id="unknown")
    stage.sentry.wait_for("event", where=lambda event: "unregistered" in str(event.get("message")))
    for child in worker.children:  # the replacements are forked after the parent has sent
        child.kill()
    stage.sentry.faults = Faults()
    names = [f"bot-{number}" for number in range(CHILDREN * EVENTS)]
    fail(worker, producer, names)
    wait_received(stage, names)
    unregistered = [event for event in stage.sentry.events() if "unregistered" in str(event.get("message"))]
    assert len(unregistered) == 1
    worker.stop()
    transactions = Counter(each["tags"].get("bot_id") for each in stage.sentry.transactions())
    assert [transactions[name] for name in names] == [1] * len(names)


@pytest.mark.parametrize(("option", "tasks"), [("--max-tasks-per-child=5", 20), ("--max-memory-per-child=1", 6)])
def test_recycled_children_lose_nothing_to_a_slow_sentry(option: str, tasks: int, stage: Stage) -> None:
    """Five tasks per child at half a second per upload: the stock SDK loses 24 of 40 envelopes without a word.

    With a kilobyte of memory per child each task is its child's last.
    """
    stage.sentry.faults = Faults(delay_seconds=0.5)
    worker = stage.start_worker(concurrency=2, options=[option])
    producer = stage.start_producer()
    names = [f"bot-{number}" for number in range(tasks)]
    fail(worker, producer, names)
    wait_received(stage, names)
    wait_until(
        lambda: len(stage.sentry.transactions()) + len(spooled(stage, "transaction")) >= len(names),
        lambda: f"{len(stage.sentry.transactions())} transactions arrived, {len(spooled(stage, 'transaction'))} wait",
    )
    worker.stop()
    sent = Counter(each["tags"].get("bot_id") for each in stage.sentry.transactions())
    kept = bots(spooled(stage, "transaction"))
    lost = stage.sentry.lost()["network_error", "transaction"]
    assert sum((sent + kept).values()) + lost == len(names)
    assert lost == 0


def test_processes_that_autoscale_adds_deliver(stage: Stage) -> None:
    """A pool that grows while it works, and shrinks again, loses nothing."""
    worker = stage.start_worker(concurrency=1, options=["--autoscale", "4,1"])
    producer = stage.start_producer()
    for _ in range(8):
        producer.send(worker.task("sleepy").clone(kwargs={"seconds": 0.5}))
    names = [f"bot-{number}" for number in range(40)]
    fail(worker, producer, names)
    wait_received(stage, names)


def test_a_hub_of_greenlets_delivers(stage: Stage) -> None:
    """The sender is a greenlet there, and waits for sockets as every greenlet does. Other pools: the life cycle's."""
    worker = stage.start_worker(pool="gevent", concurrency=4)
    producer = stage.start_producer()
    names = [f"bot-{number}" for number in range(20)]
    fail(worker, producer, names)
    wait_received(stage, names)
