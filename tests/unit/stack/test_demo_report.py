"""What the demo prints at its end, as an operator reads it."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from worker.local.demo_report import Performance, chosen_failure, lost, story, summed

TASKS = ("worker.tasks.positions.sync_all_positions", "worker.tasks.orders.place_order")


def row(task: str, bot: str | None, **more: Any) -> dict[str, Any]:
    """Make a row with wide numbers."""
    times = {"p50": 1234.5, "p95": 23456.7, "p99": 34567.8}
    dimensions = {"task": task, "bot_id": bot, "exchange": "binance", "symbol": "BTC/USDT"}
    return {
        **dimensions,
        "count": 1234,
        "failures": 0,
        "retries": 12,
        "run_time_ms": times,
        "queue_wait_ms": times,
        **more,
    }


def printed(renderable: Any, width: int) -> str:
    """Print to a terminal of a width, without colours."""
    output = io.StringIO()
    Console(file=output, width=width, color_system=None).print(renderable)
    return output.getvalue()


@pytest.mark.parametrize(("width", "percentiles"), [(120, 6), (100, 4), (80, 2)])
def test_the_table_cuts_no_number(width: int, percentiles: int) -> None:
    """Show fewer percentiles on a narrow terminal, and every number that is shown whole."""
    text = printed(Performance([row(task, "bot-alpha") for task in TASKS]), width)
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.count("23,457") == 4
    assert len(re.findall(r"\bp\d\d\b", text)) == percentiles


def test_the_table_is_sorted_and_names_a_task_once() -> None:
    """Sort by task, bot, exchange and symbol; a row without a bot shows a dash."""
    rows = [row(TASKS[1], "bot-2"), row(TASKS[0], None), row(TASKS[1], "bot-1")]
    lines = [line.split() for line in printed(Performance(rows), 120).splitlines()]
    assert [line[:2] for line in lines if "BTC/USDT" in line] == [
        ["place_order", "bot-1"],
        ["bot-2", "binance"],
        ["sync_all_positions", "-"],
    ]


def test_a_table_of_nothing_is_no_error() -> None:
    """Print the headings when no task has run."""
    assert "task" in printed(Performance([]), 120)


def test_what_was_chosen_is_not_lost() -> None:
    """Leave out what sampling and filtering kept back; sum the rest over its categories."""
    reports = {"sample_rate": {"transaction": 900, "span": 3000}, "before_send": {"error": 4}}
    assert lost(reports) == "nothing"
    assert lost({**reports, "network_error": {"error": 2, "span": 3}}) == "network_error 5"


def test_counts_are_summed_largest_first() -> None:
    """Write counts as one line."""
    assert summed({"SUCCESS": 3, "FAILURE": 20}) == "FAILURE 20, SUCCESS 3"
    assert summed({}) == "nothing"


def failure(attempts: int, *, money: bool) -> dict[str, Any]:
    """Make an error event as the package sends it."""
    records = [
        {
            "attempt": number,
            "pid": 10 + number,
            "started_at": "2026-11-25T14:00:00.5+00:00",
            "queue_wait_ms": 3.25,
            "run_time_ms": 12.0,
            "error_class": "RequestTimeout",
            "message": "no answer",
            **({} if number == attempts else {"retry_delay_s": 2.0}),
        }
        for number in range(1, attempts + 1)
    ]
    crumb = {"timestamp": "2026-11-25T14:00:01.25+00:00", "category": "exchange.order", "message": "buy [bold]1[/bold]"}
    return {
        "tags": {"task": TASKS[1], "bot_id": "bot-1", "exchange": "okx", **({"moves_money": "true"} if money else {})},
        "contexts": {
            "celery": {"attempt": attempts, "max_retries": 4, "end_to_end_ms": 9500.0, "id": "the-id"},
            "attempts": {"records": records},
        },
        "exception": {"values": [{"type": "RequestTimeout", "value": "no answer"}]},
        "breadcrumbs": {"values": [{**crumb, "level": "info", "data": {"attempt": 1, "client_order_id": "demo-1"}}]},
    }


def test_the_failure_with_most_to_tell_is_chosen() -> None:
    """Prefer money at risk to attempts; a failure of a single attempt is no story."""
    money, longer = failure(2, money=True), failure(5, money=False)
    assert chosen_failure([longer, failure(1, money=True), money]) is money
    assert chosen_failure([failure(1, money=True)]) is None
    assert chosen_failure([{"message": "no exception", "tags": {}}]) is None


def test_a_story_tells_every_attempt_and_the_trail() -> None:
    """Tell who, where and why, each attempt with its process, and each breadcrumb as it was written."""
    text = printed(story(failure(3, money=True)), 120)
    assert "RequestTimeout: no answer" in text
    assert "attempt 3 of 5, 9.5 s from the first publish to the end; task the-id" in text
    assert text.count("after 2 s") == 2
    assert "gave up" in text
    assert "buy [bold]1[/bold]" in text
    assert "client_order_id=demo-1" in text
