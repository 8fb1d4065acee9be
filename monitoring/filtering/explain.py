"""Why an error is sent or not, in words: for `monitoring.explain`, the command line, and the reference page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitoring.filtering.filter import EventFilter, name_of, reason_of
from monitoring.filtering.gates import GATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitoring.filtering.decision import Decision
    from monitoring.filtering.errors.row import ErrorRow


def explain(  # noqa: PLR0913  # the tags of an event
    error: BaseException,
    event_filter: EventFilter | None = None,
    *,
    exchange: str = "",
    task: str = "",
    operation: str = "",
    bot_id: str = "",
    symbol: str = "",
    environment: str = "production",
    moves_money: bool = False,
    throws: tuple[type[BaseException], ...] = (),
    web: bool = False,
) -> Decision:
    """Tell what the filter would decide about an error raised there, by which rule, and why; `print` it.

    Nothing is counted. Without a filter the default policy is asked, as if nothing had failed before.
    """
    tags = {"exchange": exchange, "task": task, "operation": operation, "bot_id": bot_id, "symbol": symbol}
    tags = {name: value for name, value in tags.items() if value}
    if moves_money:
        tags["moves_money"] = "true"
    event: Any = {"tags": tags, "environment": environment}
    if web:
        event["request"] = {}
    hint = {"exc_info": (type(error), error, error.__traceback__), "throws": throws}
    return (event_filter or EventFilter()).explain(event, hint)


def policy_as_table(event_filter: EventFilter) -> str:
    """Print what decides, in order, as a Markdown table."""
    rules = [(name_of(rule), f"suppressed: {reason_of(rule)}") for rule in event_filter.policy]
    return _table(("rule", "decides"), [GATES[0], *rules, *GATES[1:]])


def errors_as_table(rows: Iterable[ErrorRow]) -> str:
    """Print the exchange-error table as a Markdown table: class, kind, severity, treatment, reason."""
    return _table(("class", "kind", "severity", "treatment", "reason"), [_cells(row) for row in rows])


def _cells(row: ErrorRow) -> tuple[str, ...]:
    name = f"`{row.package}.{row.name}`" if row.package else f"`{row.name}`"
    matched = f"{name}, {row.condition()}" if row.refined else name
    treatment = str(row.treatment)
    if row.window is not None:
        treatment += f" ({row.window}, per {row.per})"
    if row.critical_in:
        treatment += f"; critical in a {row.critical_in} operation"
    if row.uncertain:
        treatment += "; unknown order state"
    return matched, row.kind, row.severity, treatment, row.reason


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
