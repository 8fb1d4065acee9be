"""Whose work a task's call is, by what the task declares and by its arguments."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from monitoring.context import TradingContext
from monitoring.delivery.losses import count_lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.context import ArgumentNames


def context_of(names: ArgumentNames, task: Any, args: Any, kwargs: Any) -> TradingContext:
    """Find a call's context: what the task's own `trading_context` callable says, then its arguments. Never raises."""
    found = names.context_of(task.run, args, kwargs)
    declared = getattr(task, "trading_context", None)
    if callable(declared):
        try:
            said = _as_written(declared)(args, kwargs)
            return (said if isinstance(said, TradingContext) else TradingContext.of(said or {})).over(found)
        except Exception:  # noqa: BLE001  # the application's code, run for monitoring: it must not stop the task
            count_lost("trading_context_raised")
    return found


def _as_written(declared: Callable[..., Any]) -> Callable[..., Any]:
    """Undo that Celery makes a method of a function given as `@app.task(trading_context=…)`: by its class body."""
    function = getattr(declared, "__func__", None)
    return function if function is not None and _takes_two(function) else declared


@lru_cache(maxsize=2048)
def _takes_two(function: Callable[..., Any]) -> bool:
    return len(inspect.signature(function).parameters) == 2  # noqa: PLR2004  # the arguments, and the named ones
