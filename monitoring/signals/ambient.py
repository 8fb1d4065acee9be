"""The main process holds one scope for all its tasks; a report of one of them begins without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sentry_sdk

if TYPE_CHECKING:
    from collections.abc import Mapping


def forget_ambient(scope: Any) -> None:
    """Drop what the main process gathered for all its tasks: breadcrumbs of others, a span of its own broker calls."""
    scope.clear_breadcrumbs()
    sentry_sdk.get_current_scope().span = None


def join_trace(scope: Any, task: str | None, headers: Mapping[str, Any]) -> None:
    """Put a report into the trace of its message."""
    if task is not None:
        scope.set_transaction_name(task, source="task")
    trace = {key: headers.get(key) for key in ("sentry-trace", "baggage")}
    scope.generate_propagation_context({key: value for key, value in trace.items() if isinstance(value, str)})
