"""The README's first screen: its example runs, and its two events are what Sentry receives."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tests.harness.polling import wait_until
from tests.harness.sentry import Sentry
from tests.harness.stage import Stage

README = ROOT / "README.md"
ARGUMENTS = ("bot-alpha", "binance", "BTC/USDT", "buy", "0.01")
# The function that the README leaves to its reader: no answer first, then killed by the kernel.
EXCHANGE = """

def ask_exchange(*order):
    import os
    import signal

    if not place_order.request.retries:
        raise TimeoutError("binance did not answer within 10 s")
    os.kill(os.getpid(), signal.SIGKILL)
"""
# What is another value in every run: these must only be of the same kind.
VARIES = {
    *("id", "worker", "pid", "started_at", "queue_wait_ms", "run_time_ms", "end_to_end_ms", "retry_delay_s"),
    "memory",  # what can be known of it depends on the machine
}


def block(name: str, value: str) -> Block:
    """Return the README's block with this mark."""
    (found,) = [each for each in blocks(README) if each.marks.get(name) == value]
    return found


@pytest.fixture(scope="module")
def sentries(module_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Sentry]]:
    """Run the README's task twice, under each integration, until Sentry has heard of its end."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "trading.py").write_text(block("file", "trading.py").text + EXCHANGE)
    other = Stage(module_stage.server, folder)
    other.may_swallow = True
    env = {"PYTHONPATH": f"{folder}:{ROOT}", "SENTRY_ENVIRONMENT": "production"}
    ours = module_stage.start_worker(app="trading", command="start", env=env, wait=False)
    stock = other.start_worker(app="tests.apps.stock_orders", wait=False)
    for worker in (ours, stock):
        worker.wait_ready()
        worker.task("place_order").apply_async(args=ARGUMENTS, ignore_result=True)
    module_stage.sentry.wait_for("event", 1)
    wait_until(lambda: len(_distinct(other.sentry)) > 1, "both events of the stock SDK")
    assert module_stage.settle() == []
    other.settle()
    yield {"ours": module_stage.sentry, "stock": other.sentry}
    other.sentry.close()
    other.database.close()


def test_before_is_what_the_stock_sdk_sends(sentries: dict[str, Sentry]) -> None:
    """The two events that the README shows are all that the stock integration sends, and neither has a tag."""
    shown = json.loads(block("event", "stock").text)
    received = _distinct(sentries["stock"])
    assert len(received) == len(shown)
    for expected, actual in zip(shown, received, strict=True):
        assert {key: _without_pid(actual.get(key)) for key in expected if key != "logentry"} == {
            key: value for key, value in expected.items() if key != "logentry"
        }
        assert _without_pid(actual["logentry"]["formatted"]) == _without_pid(expected["logentry"]["formatted"])


def test_after_is_what_we_send(sentries: dict[str, Sentry]) -> None:
    """The event that the README shows is the only one, and everything it shows is in it."""
    (received,) = sentries["ours"].events()
    assert _shown_of(received, shown := json.loads(block("event", "ours").text)) == _constant(shown)


def _distinct(sentry: Sentry) -> list[dict[str, Any]]:
    """Return the events in order of time. A forked child of the stock SDK may send again what its parent had queued."""
    return sorted(
        {event["event_id"]: event for event in sentry.events()}.values(), key=lambda event: event["timestamp"]
    )


def _without_pid(value: Any) -> Any:
    return re.sub(r"ForkPoolWorker-\d+|pid:\d+|Job: \d+", "…", value) if isinstance(value, str) else value


def _constant(value: Any, name: str = "") -> Any:
    """Replace what varies by its type."""
    if name in VARIES:
        return type(value).__name__
    if isinstance(value, dict):
        return {key: _constant(inner, key) for key, inner in value.items()}
    return [_constant(inner) for inner in value] if isinstance(value, list) else value


def _shown_of(received: Any, shown: Any, name: str = "") -> Any:
    """Return of what was received the part that is shown; lists whole, so that nothing is left out of them."""
    if name in VARIES:
        return type(received).__name__
    if isinstance(shown, dict) and isinstance(received, dict):
        return {key: _shown_of(received.get(key), inner, key) for key, inner in shown.items()}
    if isinstance(shown, list) and isinstance(received, list) and len(shown) == len(received):
        return [_shown_of(inner, pattern) for inner, pattern in zip(received, shown, strict=True)]
    return received
