"""A sender is never kept waiting by how an answer is written. The rate itself: benchmarks/local_sentry.py."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from monitoring.local import LocalSentry
from tests.unit.local.conftest import Caller, envelope, item, metric, metrics

RUN = metric("task.run_time", 5, task="a.b", bot_id="bot-1", outcome="success")
BODY = envelope(item("event", {"message": "m", "level": "error"}), metrics(RUN, RUN))
DELAYED_ACK_SECONDS = 0.04


def test_an_answer_on_a_kept_connection_comes_at_once(caller: Caller) -> None:
    """Answer in one packet: in two, Nagle's algorithm makes every sender wait for the delayed acknowledgement."""
    waits = []
    for _ in range(200):
        began = time.perf_counter()
        assert caller.send(BODY).status == 200
        waits.append(time.perf_counter() - began)
    assert statistics.median(waits) < DELAYED_ACK_SECONDS / 2


def test_many_senders_lose_nothing(sentry: LocalSentry, call: Callable[[LocalSentry], Caller]) -> None:
    """Take what eight senders send at once, each envelope exactly once."""

    def send(caller: Caller) -> set[int]:
        return {caller.send(BODY).status for _ in range(125)}

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(send, [call(sentry) for _ in range(8)])) == {200}
    answer = call(sentry).get("/stats.json").json
    assert answer["received"] == {"event": 1000, "trace_metric": 1000}
    assert [row["count"] for row in answer["rows"]] == [2000]
    assert (answer["rejected"], answer["pruned"], answer["storage_error"]) == ({}, {}, None)
