"""Metrics are fetched by the thread that talks to Sentry: there is no other, and nothing waits for want of one."""

import os
import threading
import time
from functools import partial
from typing import Any

import pytest
import sentry_sdk

import monitoring
from monitoring.delivery import sender
from monitoring.local.faults import Faults
from monitoring.metrics import NONE, Pairs, Ready, ReadyMetrics, distributions
from tests.harness.sentry import Sentry
from tests.unit.core.conftest import Start


def batcher() -> ReadyMetrics:
    """Return where metrics are gathered."""
    found: Any = sentry_sdk.get_client().metrics_batcher
    assert isinstance(found, ReadyMetrics)
    return found


def count(number: int) -> None:
    """Count something so often."""
    for _ in range(number):
        sentry_sdk.metrics.count("orders", 1)


def test_they_arrive_by_themselves_and_by_one_thread(
    sentry: Sentry, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a flush; and nobody has started the SDK's thread."""
    monkeypatch.setattr(sender, "CHORE_SECONDS", 0.1)
    start()
    before = set(threading.enumerate())
    count(1)
    sentry.wait_for("metric", 1)
    count(1)
    sentry.wait_for("metric", 2)
    ours = {thread.name for thread in threading.enumerate() if thread.daemon} - {thread.name for thread in before}
    assert "monitoring-delivery" in ours
    assert not any("flush" in name for name in ours)


def test_a_thousand_do_not_wait(sentry: Sentry, start: Start) -> None:
    """They go at once, long before the thread would look."""
    start()
    count(1)
    sentry.wait_for("metric", 1)  # the thread has looked, and rests
    began = time.monotonic()
    count(ReadyMetrics.MAX_BEFORE_FLUSH)
    sentry.wait_for("metric", 1 + ReadyMetrics.MAX_BEFORE_FLUSH)
    assert time.monotonic() - began < sender.CHORE_SECONDS


def test_they_are_gathered_while_sentry_fails(sentry: Sentry, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread waits longer for Sentry than metrics may: they are put where the oldest make room for the newest."""
    monkeypatch.setattr(sender, "CHORE_SECONDS", 0.05)
    start()
    sentry.faults = Faults(status=503)
    sentry_sdk.capture_message("trouble")
    deadline = time.monotonic() + 5
    transport: Any = sentry_sdk.get_client().transport
    while not transport._failing and time.monotonic() < deadline:
        time.sleep(0.01)
    count(3)
    while batcher()._waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not batcher()._waiting
    assert transport._sender.has_unspooled
    sentry.faults = Faults()


def test_a_fork_takes_none_along_and_sends_its_own(sentry: Sentry, start: Start) -> None:
    """What the parent has gathered is the parent's; the child's thread is its own."""
    start()
    sentry_sdk.metrics.count("parent", 1)
    child = os.fork()
    if not child:
        try:
            sentry_sdk.metrics.count("child", 1)
            monitoring.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    monitoring.flush()
    assert sorted(metric["name"] for metric in sentry.wait_for("metric", 2)) == ["child", "parent"]


@pytest.mark.unjudged("losses", reason="the loss is what this is about")
def test_a_metric_that_is_no_json_is_lost_alone_and_counted(sentry: Sentry, start: Start) -> None:
    """A value that is no number costs none of the metrics that were gathered with it."""
    start()
    count(1)
    sentry_sdk.metrics.gauge("spread", float("nan"))
    count(1)
    monitoring.flush()
    assert len(sentry.wait_for("metric", 2, where=lambda metric: metric["name"] == "orders")) == 2
    transport: Any = sentry_sdk.get_client().transport
    transport.chores(hurry=True)
    monitoring.flush()
    assert sentry.lost()["internal_sdk_error", "trace_metric"] == 1


@pytest.mark.unjudged("losses", reason="the loss is what this is about")
def test_an_envelope_that_cannot_be_written_is_counted_whole(sentry: Sentry, start: Start) -> None:
    """It is not tried for ever, and what comes after it is sent."""
    start()
    batcher().take(partial(list, [("odd", 1.0, (0.0, "", None)), ("odd", 2.0, (0.0, "", None))]))  # a bug of ours
    monitoring.flush()
    count(1)
    monitoring.flush()
    sentry.wait_for("metric", 1, where=lambda metric: metric["name"] == "orders")
    assert sentry.lost()["internal_sdk_error", "trace_metric"] == 2


@pytest.mark.unjudged("losses", reason="the loss is what this is about")
def test_what_cannot_be_made_is_lost_alone_and_counted(sentry: Sentry, start: Start) -> None:
    """A task's metrics are made by the thread that sends: its mistake takes none of the others' with it."""
    start()
    count(1)
    batcher().take(partial(_mistake))
    count(1)
    monitoring.flush()
    assert len(sentry.wait_for("metric", 2, where=lambda metric: metric["name"] == "orders")) == 2
    monitoring.flush()
    assert sentry.lost()["internal_sdk_error", "trace_metric"] == 1


def _mistake() -> list[Ready]:
    raise RuntimeError("a bug of ours")


@pytest.mark.unjudged("losses", reason="the loss is what this is about")
def test_what_there_is_no_room_for_is_counted_entry_by_entry(
    sentry: Sentry, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task's two metrics are taken as one; what is lost of them is two."""
    start()
    count(1)
    sentry.wait_for("metric", 1)
    monkeypatch.setattr(ReadyMetrics, "MAX_BEFORE_DROP", 1)
    place = time.time(), "0" * 32, None
    both = partial(distributions, [("run", 1.0), ("wait", 2.0)], place, NONE, Pairs(()))
    batcher().take(both)
    batcher().take(both)
    monitoring.flush()
    told = sentry.wait_for("metric", 2, where=lambda metric: metric["name"] in {"run", "wait"})
    assert [metric["value"] for metric in told] == [1.0, 2.0]
    monitoring.flush()
    assert sentry.lost()["queue_overflow", "trace_metric"] == 2


def test_many_threads_lose_none(sentry: Sentry, start: Start) -> None:
    """There is no lock between tasks that end and the thread that fetches."""
    start()
    threads = [threading.Thread(target=count, args=(500,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        batcher().flush()
    monitoring.flush()
    assert len(sentry.wait_for("metric", 4000)) == 4000
