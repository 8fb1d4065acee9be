"""What the demo shows at its end: the performance of every task, and the story of one failure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOTHING: Final = "-"
_DIMENSIONS: Final = ("task", "bot_id", "exchange", "symbol")
_TIMES: Final = {"run_time_ms": "run", "queue_wait_ms": "wait"}
_PERCENTILES: Final = (("p50", "p95", "p99"), ("p50", "p95"), ("p95",))

# Reasons of client reports that are somebody's choice and no loss; what the filter kept back has a line of its own.
_CHOSEN: Final = frozenset({"sample_rate", "before_send", "event_processor"})


@dataclass(frozen=True)
class Performance:
    """Show `rows` of /stats.json as a table, sorted by task, bot, exchange and symbol. Times are milliseconds.

    Where there is no room for all percentiles it shows fewer, rather than cut numbers.
    """

    rows: Sequence[Mapping[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        tables = [self._table(percentiles) for percentiles in _PERCENTILES]
        unbounded = options.update(width=10 * options.max_width)
        fitting = (t for t in tables if Measurement.get(console, unbounded, t).maximum <= options.max_width)
        yield next(fitting, tables[-1])

    def _table(self, percentiles: Sequence[str]) -> Table:
        table = _table(title="Task performance, as the local Sentry has it (times in ms)", padding=0)
        for name in _DIMENSIONS:
            table.add_column(name, no_wrap=True)
        times = [(field, label, p) for field, label in _TIMES.items() for p in percentiles]
        for name in ("runs", "fail", "retry", *(f"{label}\n{p}" for _, label, p in times)):
            table.add_column(name, justify="right", no_wrap=True)
        previous = None
        for row in sorted(self.rows, key=lambda row: [str(row[name] or "") for name in _DIMENSIONS]):
            task = str(row["task"]).rpartition(".")[2]
            if previous not in {None, task}:
                table.add_section()
            table.add_row(
                task if task != previous else "",
                *(row[name] or _NOTHING for name in _DIMENSIONS[1:]),
                str(row["count"]),
                Text(str(row["failures"]), style="red" if row["failures"] else "dim"),
                Text(str(row["retries"]), style="yellow" if row["retries"] else "dim"),
                *(_ms(row[field][p]) for field, _, p in times),
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


def lost(reports: Mapping[str, Mapping[str, int]]) -> str:
    """Write what senders have lost, by reason; what they left out on purpose is no loss."""
    return summed({reason: categories for reason, categories in reports.items() if reason not in _CHOSEN})


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


def _table(*columns: str, title: str | None = None, padding: int = 1) -> Table:
    edges = (0, padding, 0, 0)  # the box adds a space of its own
    table = Table(*columns, title=title, title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=edges)
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
