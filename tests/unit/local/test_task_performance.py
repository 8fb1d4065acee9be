"""What the local Sentry makes of task runs: rows, counts and percentiles, as /stats.json tells them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from monitoring.local import LocalSentry
from tests.unit.local.conftest import Caller, envelope, item, metric, metrics

WHO = {"bot_id": "bot-1", "exchange": "kraken", "symbol": "BTC/USDT"}
TASK = "orders.place_order"
TRACE = "a" * 32


def run(milliseconds: float, waited: float | None = None, **more: Any) -> tuple[dict[str, Any], ...]:
    """Make the metrics of one attempt, in the order in which the package sends them."""
    said = {"task": TASK, "outcome": "success", **WHO, **more}
    ran = metric("task.run_time", milliseconds, **said)
    return (ran,) if waited is None else (ran, metric("task.queue_wait", waited, **said))


def transaction(milliseconds: float, span_id: str, waited: float | None = None, **more: Any) -> bytes:
    """Make the transaction of one attempt."""
    end = time.time()
    said = {"task": TASK, "outcome": "success", **WHO, **more}
    process = {"op": "queue.process", "span_id": "c" * 16, "data": {"messaging.message.receive.latency": waited}}
    trace = {"op": "queue.task.celery", "trace_id": TRACE, "span_id": span_id, "status": "ok"}
    times = {"start_timestamp": end - milliseconds / 1000, "timestamp": end}
    payload = {"type": "transaction", "transaction": TASK, "tags": said, "contexts": {"trace": trace}, **times}
    return item("transaction", {**payload, "spans": [] if waited is None else [process]})


def rows(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    """Ask for the table."""
    answer = caller.get(f"/stats.json{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["rows"]
    return found


def test_the_table_has_the_keys_that_are_promised(caller: Caller) -> None:
    """Tell task, bot, exchange, symbol, counts and two times with three percentiles each; and what was lost."""
    caller.send(envelope(metrics(*run(40, 5))))
    answer = caller.get("/stats.json").json
    (row,) = answer["rows"]
    assert {name: row[name] for name in ("task", "bot_id", "exchange", "symbol")} == {"task": TASK, **WHO}
    assert (row["count"], row["failures"], row["retries"]) == (1, 0, 0)
    assert row["run_time_ms"] == {"p50": 40, "p95": 40, "p99": 40}
    assert row["queue_wait_ms"] == {"p50": 5, "p95": 5, "p99": 5}
    assert answer["lost"] == {}


def test_percentiles_are_values_that_were_observed(caller: Caller) -> None:
    """Take the nearest rank of a hundred known times: 50, 95 and 99."""
    caller.send(envelope(metrics(*(part for ms in range(1, 101) for part in run(ms, ms * 10)))))
    (row,) = rows(caller)
    assert row["run_time_ms"] == {"p50": 50, "p95": 95, "p99": 99}
    assert row["queue_wait_ms"] == {"p50": 500, "p95": 950, "p99": 990}


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("success", (1, 0, 0)),
        ("retry", (0, 0, 1)),
        ("failure", (1, 1, 0)),
        ("time_limit", (1, 1, 0)),
        ("worker_lost", (1, 1, 0)),
        ("revoked", (1, 0, 0)),
        ("ignored", (1, 0, 0)),
        ("something_new", (1, 0, 0)),
    ],
)
def test_an_outcome_counts_once(caller: Caller, outcome: str, counts: tuple[int, int, int]) -> None:
    """Count finished runs, failures among them and repeated attempts; what was taken back is no failure."""
    caller.send(envelope(metrics(*run(10, 1, outcome=outcome))))
    (row,) = rows(caller)
    assert (row["count"], row["failures"], row["retries"]) == counts


def test_the_wait_of_a_run_outside_of_any_trace_counts(caller: Caller) -> None:
    """Take the queue wait of the tasks whose trace was not sampled: their metrics name no span that would join them."""
    caller.send(envelope(metrics(*run(10, 100, trace_id=TRACE), *run(20, 300, trace_id=TRACE))))
    (row,) = rows(caller)
    assert row["count"] == 2
    assert row["run_time_ms"]["p99"] == 20
    assert row["queue_wait_ms"] == {"p50": 100, "p95": 300, "p99": 300}


def test_a_wait_alone_makes_no_run(caller: Caller) -> None:
    """Count runs by their run time, whichever of the two metrics a batch brought."""
    alone = run(10, 700)[1:]
    caller.send(envelope(metrics(*alone)))
    (row,) = rows(caller)
    assert (row["count"], row["retries"]) == (0, 0)
    assert row["run_time_ms"] == {"p50": None, "p95": None, "p99": None}
    assert row["queue_wait_ms"]["p50"] == 700
    timeline = caller.get("/timeline.json").json
    assert timeline["total"]["count"] == 0
    assert timeline["total"]["queue_wait_ms"]["p50"] == 700


def test_a_metric_and_its_trace_are_one_run(caller: Caller) -> None:
    """Join what carries the same span, whichever comes first, and believe the metric."""
    first, second = "1" * 16, "2" * 16
    caller.send(envelope(metrics(*run(10, 1, trace_id=TRACE, span_id=first))))
    caller.send(envelope(transaction(99, first, 99)))
    caller.send(envelope(transaction(99, second, 99)))
    caller.send(envelope(metrics(*run(20, 2, trace_id=TRACE, span_id=second))))
    (row,) = rows(caller)
    assert row["count"] == 2
    assert row["run_time_ms"] == {"p50": 10, "p95": 20, "p99": 20}
    assert row["queue_wait_ms"] == {"p50": 1, "p95": 2, "p99": 2}


def test_a_sender_without_metrics_is_understood(caller: Caller) -> None:
    """Read the run from the transaction of Sentry's own integration."""
    caller.send(envelope(transaction(250, "1" * 16, 12.5)))
    (row,) = rows(caller)
    assert row["count"] == 1
    assert row["run_time_ms"]["p50"] == pytest.approx(250, abs=1)
    assert row["queue_wait_ms"]["p50"] == 12.5


def test_streamed_spans_are_a_run(caller: Caller) -> None:
    """Join the segment and its queue.process span, which arrive by themselves."""
    end = time.time()
    texts = {"task": TASK, **WHO, "sentry.op": "queue.task.celery"}
    segment = {
        "trace_id": TRACE,
        "span_id": "1" * 16,
        "name": TASK,
        "status": "ok",
        "is_segment": True,
        "start_timestamp": end - 0.03,
        "end_timestamp": end,
        "attributes": {name: {"value": value, "type": "string"} for name, value in texts.items()},
    }
    process = {
        **segment,
        "span_id": "3" * 16,
        "is_segment": False,
        "attributes": {
            "sentry.op": {"value": "queue.process", "type": "string"},
            "sentry.segment.id": {"value": "1" * 16, "type": "string"},
            "messaging.message.receive.latency": {"value": 4.5, "type": "double"},
        },
    }
    caller.send(envelope(item("span", {"version": 2, "items": [process, segment]}, item_count=2)))
    (row,) = rows(caller)
    assert (row["task"], row["count"]) == (TASK, 1)
    assert row["run_time_ms"]["p50"] == pytest.approx(30, abs=1)
    assert row["queue_wait_ms"]["p50"] == 4.5


def send_three(caller: Caller) -> None:
    """Send runs of two tasks and two bots."""
    caller.send(
        envelope(
            metrics(
                *run(30, 1),
                *run(10, 1, bot_id="bot-2", outcome="failure"),
                *run(20, 1, bot_id="bot-2", task="orders.cancel_order"),
            )
        )
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [30, 10, 20]),
        ("?sort=run_time_ms.p95&order=asc", [10, 20, 30]),
        ("?sort=run_time_ms.p95", [30, 20, 10]),
        ("?sort=failures", [10, 30, 20]),
        ("?bot_id=bot-2&sort=run_time_ms.p50", [20, 10]),
        ("?task=orders.cancel_order", [20]),
        ("?bot_id=nobody", []),
    ],
)
def test_the_table_sorts_and_filters(caller: Caller, query: str, expected: Sequence[float]) -> None:
    """Sort by any column, either way, and keep only the rows that are asked for."""
    send_three(caller)
    assert [row["run_time_ms"]["p50"] for row in rows(caller, query)] == expected


def test_rows_are_grouped_anew_because_percentiles_do_not_add_up(caller: Caller) -> None:
    """Compute the percentiles of a coarser row from the runs; the dimensions left out are null."""
    send_three(caller)
    row, other = rows(caller, "?by=bot_id&sort=count")
    assert (row["bot_id"], row["task"], row["exchange"], row["count"]) == ("bot-2", None, None, 2)
    assert row["run_time_ms"] == {"p50": 10, "p95": 20, "p99": 20}
    assert other["count"] == 1


def test_only_the_asked_window_counts(caller: Caller) -> None:
    """Leave out runs that ended before the window, by their own clock."""
    caller.send(envelope(metrics(*run(10, 1, timestamp=time.time() - 3000), *run(20, 1, timestamp=time.time()))))
    assert [row["count"] for row in rows(caller)] == [2]
    assert [row["run_time_ms"]["p50"] for row in rows(caller, "?since=600")] == [20]


def test_a_clock_that_is_wrong_bends_no_plot(caller: Caller) -> None:
    """Take the time of arrival for a run from next year, as Sentry does."""
    caller.send(envelope(metrics(*run(10, 1, timestamp=time.time() + 1e7))))
    timeline = caller.get("/timeline.json?slices=10").json
    assert timeline["to"] == pytest.approx(time.time(), abs=30)
    assert sum(piece["count"] for piece in timeline["slices"]) == 1


@pytest.mark.parametrize(
    "query", ["?sort=nonsense", "?order=sideways", "?since=-1", "?since=abc", "?by=colour", "?since=nan"]
)
def test_a_question_that_makes_no_sense_is_refused_by_name(caller: Caller, query: str) -> None:
    """Answer 400 and name the parameter, rather than guess."""
    answer = caller.get(f"/stats.json{query}")
    assert answer.status == 400
    assert query[1:].partition("=")[0] in answer.json["detail"]


def test_what_was_lost_is_told_by_reason_and_category(caller: Caller) -> None:
    """Sum client reports, and our own counters of losses and of what the filter kept back."""
    report = {
        "timestamp": time.time(),
        "discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 3}],
    }
    caller.send(envelope(item("client_report", report), item("client_report", report)))
    caller.send(
        envelope(
            metrics(
                metric("monitoring.lost", 2, reason="malformed_header"),
                metric("monitoring.suppressed", 5, rule="not_persistent"),
            )
        )
    )
    answer = caller.get("/stats.json").json
    assert answer["lost"] == {"queue_overflow": {"error": 6}, "malformed_header": {"monitoring.lost": 2}}
    assert answer["suppressed"] == {"not_persistent": 5}
    assert answer["rows"] == []


def test_a_reader_sees_all_that_was_answered(sentry: LocalSentry, call: Callable[[LocalSentry], Caller]) -> None:
    """Show every envelope that was answered with 200 to whoever asks next, over any connection."""
    sender, reader = call(sentry), call(sentry)
    for number in range(1, 50):
        assert sender.send(envelope(metrics(*run(10, 1)))).status == 200
        assert rows(reader)[0]["count"] == number
