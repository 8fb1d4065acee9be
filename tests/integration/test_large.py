"""Tasks that have more to tell than Sentry takes: no error is lost for its size, and what is gone is told."""

from dataclasses import dataclass
from typing import Any

import pytest

from monitoring.delivery.fitting import MOST_BYTES
from tests.harness.polling import wait_until
from tests.harness.sentry import Entry, Sentry, attributed, attributes, tagged
from tests.harness.stage import Stage
from tests.integration.story import ended

pytestmark = pytest.mark.unjudged("losses", reason="the spans of a transaction that is too large are lost, and counted")

EXCHANGE, SYMBOL = "kraken", "BTC/USDT"


@dataclass(frozen=True)
class Day:
    """What Sentry received of each task, found by its bot."""

    sentry: Sentry
    ids: dict[str, str]

    def event(self, bot: str) -> Entry:
        """Return a task's only event."""
        (event,) = self.sentry.events(tagged(bot_id=bot))
        return event

    def crumbs(self, bot: str) -> list[dict[str, Any]]:
        """Return the breadcrumbs of a task's event that the application left."""
        return [crumb for crumb in self.event(bot)["breadcrumbs"]["values"] if crumb["category"] == "trading"]

    def lost(self, bot: str) -> list[str]:
        """Return the reasons of what was counted as lost for a task."""
        return [attributes(entry)["reason"] for entry in self.sentry.metrics("monitoring.lost", attributed(bot_id=bot))]


@pytest.fixture(scope="module")
def day(module_stage: Stage) -> Day:
    """Play every scenario once on one worker."""
    worker = module_stage.start_worker(app="tests.apps.large", concurrency=2)
    producer = module_stage.start_producer()
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "overflow": ("overflow", {}),
        "wordy": ("wordy", {}),
        "far-traced": ("far_traced", {}),
        "talks-at-last": ("leave", {"counts": [30, 150]}),
        "talks-at-first": ("leave", {"counts": [130, 5]}),
    }
    where = {"exchange": EXCHANGE, "symbol": SYMBOL}
    results = {
        bot: producer.send(worker.task(name).clone(kwargs={"bot_id": bot, **where, **more}))
        for bot, (name, more) in calls.items()
    }
    wait_until(
        lambda: all(map(ended, results.values())),
        lambda: f"the end of {[bot for bot, result in results.items() if not ended(result)]}\n{worker.log}",
    )
    assert module_stage.settle() == []
    return Day(module_stage.sentry, {bot: result.id for bot, result in results.items()})


def test_an_error_beyond_sentrys_limit_arrives_cut(day: Day) -> None:
    """Send it once, whose and what it was complete; what tells least has gone, and the event says what."""
    event = day.event("overflow")
    tags = {
        "bot_id": "overflow",
        "exchange": EXCHANGE,
        "symbol": SYMBOL,
        "task": "tests.apps.large.overflow",
        "queue": "celery",
        "attempt": "1",
        "outcome": "failure",
        "component": "trading_engine",
        "celery_task_id": day.ids["overflow"],
    }
    assert {name: event["tags"].get(name) for name in tags} == tags
    assert event["exception"]["values"][-1]["type"] == "ExchangeError"
    assert event["exception"]["values"][-1]["value"].startswith("价" * 7)
    assert event["contexts"]["celery"]["id"] == day.ids["overflow"]
    assert [record["attempt"] for record in event["contexts"]["attempts"]["records"]] == [1]
    crumbs = day.crumbs("overflow")
    assert crumbs[-1]["message"].startswith("99 ")
    cut = event["contexts"]["cut"]
    assert cut["bytes"] > 2 * MOST_BYTES
    assert cut["breadcrumbs"] == 100 - len(crumbs)
    assert day.lost("overflow") == ["cut_to_size"]


def test_the_metrics_of_a_task_with_a_large_attribute_arrive_without_it(day: Day) -> None:
    """Send run time and queue wait with our own words: Sentry would refuse every metric beside a larger one."""
    for name in ("task.run_time", "task.queue_wait"):
        (metric,) = day.sentry.metrics(name, attributed(bot_id="overflow", symbol=SYMBOL, outcome="failure"))
        assert attributes(metric)["cut"] == "1"
        assert "book" not in attributes(metric)


def test_what_is_large_in_its_spelling_alone_arrives_whole(day: Day) -> None:
    """Cut nothing that fits when each character is written as itself."""
    crumbs = day.crumbs("wordy")
    assert [crumb["message"] for crumb in crumbs] == [f"{number} " + "ж" * 2000 for number in range(100)]
    assert "cut" not in day.event("wordy")["contexts"]
    assert day.lost("wordy") == []


def test_a_transaction_beyond_sentrys_limit_arrives_with_its_first_spans(day: Day) -> None:
    """Send what fits, with the queue's own span; count every span that is gone in Sentry's own ledger."""
    (entry,) = day.sentry.transactions(tagged(bot_id="far-traced"))
    assert "queue.process" in {span["op"] for span in entry["spans"]}
    fetched = [span["description"].split()[0] for span in entry["spans"] if span["op"] == "exchange.fetch"]
    assert fetched == [str(number) for number in range(len(fetched))]
    assert 0 < len(fetched) < 400
    assert entry["contexts"]["cut"]["spans"] == 400 - len(fetched)
    assert day.sentry.lost()["buffer_overflow", "span"] == 400 - len(fetched)


def test_a_talkative_last_attempt_leaves_the_story_of_the_earlier_ones(day: Day) -> None:
    """Tell the breadcrumbs of both attempts, and how many the last one had left too many."""
    crumbs = day.crumbs("talks-at-last")
    assert [crumb["message"] for crumb in crumbs] == [
        *(f"1.{number}" for number in range(30)),
        *(f"2.{number}" for number in range(50, 150)),
    ]
    assert day.event("talks-at-last")["contexts"]["attempts"]["dropped_breadcrumbs"] == 50


def test_what_a_talkative_first_attempt_has_no_more_is_counted(day: Day) -> None:
    """Count what an earlier attempt's scope could not hold with what its message could not carry."""
    crumbs = day.crumbs("talks-at-first")
    assert crumbs[-1]["message"] == "2.4"
    assert day.event("talks-at-first")["contexts"]["attempts"]["dropped_breadcrumbs"] == 135 - len(crumbs)
