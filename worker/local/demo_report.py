"""What the demo shows at its end: the performance of every task, and the story of one failure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOTHING: Final = "-"
_PERCENTILES: Final = ("p50", "p95", "p99")


def performance(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show `rows` of /stats.json as a table, sorted by task, bot, exchange and symbol. Times are milliseconds."""
    table = _table(title="Task performance, as the local Sentry has it (times in ms)")
    for name in ("task", "bot_id", "exchange", "symbol"):
        table.add_column(name, no_wrap=True)
    for name in (
        "runs",
        "failed",
        "retries",
        *(f"run\n{p}" for p in _PERCENTILES),
        *(f"wait\n{p}" for p in _PERCENTILES),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    previous = None
    for row in sorted(
        rows, key=lambda row: [str(row[name] or "") for name in ("task", "bot_id", "exchange", "symbol")]
    ):
        task = str(row["task"]).rpartition(".")[2]
        if previous not in {None, task}:
            table.add_section()
        table.add_row(
            task if task != previous else "",
            *(row[name] or _NOTHING for name in ("bot_id", "exchange", "symbol")),
            str(row["count"]),
            Text(str(row["failures"]), style="red" if row["failures"] else "dim"),
            Text(str(row["retries"]), style="yellow" if row["retries"] else "dim"),
            *(_ms(row[times][p]) for times in ("run_time_ms", "queue_wait_ms") for p in _PERCENTILES),
        )
        previous = task
    return table


def chosen_failure(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Choose the error with the most to tell: money at risk, then attempts, then breadcrumbs; None without retries."""

    def weight(event: Mapping[str, Any]) -> tuple[bool, int, int]:
        return event.get("tags", {}).get("moves_money") == "true", len(_attempts(event)), len(_crumbs(event))

    several = [event for event in events if event.get("exception") and len(_attempts(event)) > 1]
    return max(several, key=weight, default=None)


def story(event: Mapping[str, Any]) -> RenderableType:
    """Tell an error event of a task: who and where, each attempt, and the breadcrumbs of all attempts."""
    tags, celery, error = event["tags"], event["contexts"]["celery"], event["exception"]["values"][-1]
    who = [str(tags[name]) for name in ("bot_id", "exchange", "symbol", "strategy") if name in tags]
    head = Text.assemble(
        (f"{error['type']}: {error['value']}\n", "bold red"),
        ("  ".join((*who, tags["task"])), "bold"),
        f"\n{tags.get('error_kind', '')}, attempt {celery['attempt']} of {celery['max_retries'] + 1}, ",
        f"{celery['end_to_end_ms'] / 1000:.1f} s from the first publish to the end; task {celery['id']}",
    )
    title = "The story of one failure: everything below is one event in Sentry"
    return Panel(Group(head, "", _attempts_table(event), "", _trail(event)), title=title, box=box.ROUNDED)


def summed(counts: Mapping[str, Any]) -> str:
    """Write counts as one line, the largest first; a count may itself be divided into parts."""
    flat = Counter({name: sum(n.values()) if isinstance(n, dict) else int(n) for name, n in counts.items()})
    return ", ".join(f"{name} {number}" for name, number in flat.most_common()) or "nothing"


def _attempts_table(event: Mapping[str, Any]) -> Table:
    table = _table("attempt", "process", "started", "waited", "ran", "what went wrong", "next try")
    for record in _attempts(event):
        delay = record.get("retry_delay_s")
        table.add_row(
            str(record["attempt"]),
            str(record.get("pid", _NOTHING)),
            _clock(record.get("started_at")),
            f"{_ms(record.get('queue_wait_ms'))} ms",
            f"{_ms(record.get('run_time_ms'))} ms",
            Text(f"{record.get('error_class')}: {record.get('message')}"),
            "gave up" if delay is None else f"after {delay:g} s",
        )
    return table


def _trail(event: Mapping[str, Any]) -> Table:
    table = _table("attempt", "time", "category", "breadcrumb")
    last = None
    for crumb in _crumbs(event):
        data = dict(crumb.get("data") or {})
        attempt = data.pop("attempt", _NOTHING)
        details = " ".join(f"{name}={value}" for name, value in data.items())
        table.add_row(
            str(attempt) if attempt != last else "",
            _clock(crumb.get("timestamp")),
            str(crumb.get("category")),
            Text.assemble(
                (str(crumb.get("message")), "red" if crumb.get("level") in {"error", "fatal"} else ""),
                (f"  {details}" if details else "", "dim"),
            ),
        )
        last = attempt
    return table


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(*columns, title=title, title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.show_edge = False
    return table


def _attempts(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return event.get("contexts", {}).get("attempts", {}).get("records") or []


def _crumbs(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (event.get("breadcrumbs") or {}).get("values") or []


def _ms(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004 - digits


def _clock(value: str | None) -> str:
    if value is None:
        return _NOTHING
    return datetime.fromisoformat(value).strftime("%H:%M:%S.%f")[:-3]
