"""Nothing of one task shows on another: tasks that overlap in every pool, with helper threads, each for its own bot."""

import pytest

from tests.harness.polling import PATIENCE_SECONDS
from tests.harness.sentry import Entry, attributes
from tests.harness.stage import Stage
from tests.integration.outcomes.scenarios import ENDINGS

pytestmark = pytest.mark.outcomes

BOTS = [f"bot-{number}" for number in range(8)]
SYMBOLS = {bot: f"C{bot[-1]}/USDT" for bot in BOTS}


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet"])
def test_overlapping_tasks_share_nothing(pool: str, stage: Stage) -> None:
    """Tell each event, metric and trace with the words, user and breadcrumbs of its own task, also from a helper."""
    env = {"MONITORING_SLOW_TASK_SECONDS": "300"}  # a busy machine makes no slow tasks of these
    worker = stage.start_worker(app=ENDINGS, pool=pool, concurrency=len(BOTS), env=env)
    sent = {
        bot: worker.task("overlapping").apply_async(
            kwargs={"bot_id": bot, "exchange": "kraken", "symbol": SYMBOLS[bot], "seconds": 0.4}
        )
        for bot in BOTS
    }
    for result in sent.values():
        result.get(timeout=PATIENCE_SECONDS)
    ids = {bot: result.id for bot, result in sent.items()}
    sent.clear()
    assert stage.settle() == []
    events = stage.sentry.events()
    for place in ("thread", "executor", "body"):
        assert sorted(event["message"] for event in events if event["message"].startswith(place)) == [
            f"{place} of {bot}" for bot in BOTS
        ]
    for event in events:
        _is_its_own(event, ids)
    for metric in stage.sentry.metrics("task.run_time"):
        told = attributes(metric)
        assert told["symbol"] == SYMBOLS[told["bot_id"]]
    for transaction in stage.sentry.transactions():
        tags = transaction["tags"]
        assert (tags["celery_task_id"], tags["symbol"]) == (ids[tags["bot_id"]], SYMBOLS[tags["bot_id"]])
    assert len(stage.sentry.transactions()) == len(BOTS)


def _is_its_own(event: Entry, ids: dict[str, str]) -> None:
    bot = event["message"].rpartition(" ")[2]
    assert event["tags"]["bot_id"] == bot
    assert event["tags"]["symbol"] == SYMBOLS[bot]
    assert event["tags"]["celery_task_id"] == ids[bot]
    assert event["user"]["id"] == f"user of {bot}"
    said = [crumb["message"] for crumb in event["breadcrumbs"]["values"] if crumb["category"] == "trading"]
    assert said == [f"asked for {bot}"]
