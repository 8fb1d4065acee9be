"""What application code calls: errors, messages, breadcrumbs, users, and the latency of a trading operation.

Everything here works without a running Sentry: then nothing is sent, and a tracked function is simply called.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

import sentry_sdk

from monitoring.context import ArgumentNames, TradingContext
from monitoring.latency import MILLISECONDS
from monitoring.settings import CONTEXT_FIELDS
from monitoring.spans import child_span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sentry_sdk._types import LogLevelStr
    from sentry_sdk.scope import Scope

P = ParamSpec("P")
R = TypeVar("R")

OPERATION_TIME: Final = "trading.operation_time"


def capture_exception(error: BaseException | None = None, **context: object) -> str | None:
    """Report an exception (by default the one being handled) and return its event id, or None if nothing was sent.

    `bot_id`, `exchange`, `symbol` and `strategy` become tags; whatever else is named is shown in the context
    `details`, scrubbed like everything that leaves. Never waits for Sentry: an id says that the event is queued in this
    process, and None that monitoring is off or that the noise filter holds it back, which is counted.
    """
    with _described(context):
        return sentry_sdk.capture_exception(error)


def capture_message(message: str, level: LogLevelStr = "info", **context: object) -> str | None:
    """Report a message at a `level` of Sentry's; the rest is as for `capture_exception`."""
    with _described(context):
        return sentry_sdk.capture_message(message, level)


def add_breadcrumb(
    message: str, category: str = "trading", level: LogLevelStr = "info", data: Mapping[str, Any] | None = None
) -> None:
    """Leave a trace that an error of this task, in this attempt or a later one, is told with.

    `data` is scrubbed at once. What travels to the next attempt is bounded: the oldest breadcrumbs go first, and are
    counted. Without an error nothing of it is sent; a killed process takes those of its attempt along.
    """
    sentry_sdk.add_breadcrumb(message=message, category=category, level=level, data=dict(data or {}))


def set_user_context(user_id: object, email: str | None = None, subscription_tier: str | None = None) -> None:  # noqa: ARG001
    """Say for whom the running task or request works, until it ends. Only the id and the tier are sent.

    `email` is taken so that callers can pass what they have, and never leaves the process: it names a person.
    """
    scope = sentry_sdk.get_isolation_scope()
    scope.set_user({"id": str(user_id)})
    if subscription_tier is not None:
        scope.set_tag("subscription_tier", subscription_tier)
        scope.set_attribute("subscription_tier", subscription_tier)


def flush(timeout: float | None = None) -> None:
    """Wait until Sentry has taken what this process has queued, at most `timeout` seconds.

    The default is the shutdown time-out. Workers do it by themselves when they stop; for a script that ends at once.
    """
    sentry_sdk.flush(timeout=timeout)


def track_trading_operation(operation: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function (or coroutine function) so that each call is told as a trading operation.

    A call leaves a breadcrumb, a span `trading.<operation>` when the trace is sampled, and its time (monotonic, in
    milliseconds) as the metric `trading.operation_time`. Its context is found in its arguments. An error passes
    unchanged and is not captured here, because the task may still retry, but what is captured later carries the tag
    `operation`, so that the filter knows whether money moved, and this context where no other is bound.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if iscoroutinefunction(function):

            @wraps(function)
            async def tracked_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                with _operation(operation, function, args, kwargs):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", tracked_coroutine)

        @wraps(function)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
            with _operation(operation, function, args, kwargs):
                return function(*args, **kwargs)

        return tracked

    return decorate


_NAMES: Final = ArgumentNames.extended_by({})
_note_success: Callable[[str], None] | None = None


def note_successes(note: Callable[[str], None]) -> None:
    """Call this with the name of every tracked operation that has worked: `init_sentry` wants to know what recovers."""
    global _note_success  # noqa: PLW0603  # the SDK is global to the process, and so is who is told
    _note_success = note


@contextmanager
def _operation(operation: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Iterator[None]:
    if not sentry_sdk.get_client().is_active():
        yield
        return
    context = _NAMES.context_of(function, args, kwargs)
    started = time.perf_counter()
    outcome = "failure"
    with sentry_sdk.new_scope() as scope:
        context.bind(scope)
        _set_operation(scope, operation)
        try:
            with child_span(f"trading.{operation}", operation, context.known()):
                yield
            outcome = "success"
            if _note_success is not None:
                _note_success(operation)
        except BaseException:
            # This scope ends here and the error is captured further out; where nothing else says so, it was here.
            further_out = sentry_sdk.get_isolation_scope()
            _set_operation(further_out, operation)
            TradingContext.of(further_out._tags).over(context).bind(further_out)  # noqa: SLF001  # no public reader
            raise
        finally:
            took = (time.perf_counter() - started) * MILLISECONDS
            level: LogLevelStr = "info" if outcome == "success" else "error"
            add_breadcrumb(f"{operation}: {outcome}", "trading.operation", level, {"ms": round(took, 1)})
            attributes: dict[str, Any] = {"operation": operation, "outcome": outcome}
            attributes |= TradingContext.current().known()
            sentry_sdk.metrics.distribution(OPERATION_TIME, took, unit="millisecond", attributes=attributes)


def _set_operation(scope: Scope, operation: str) -> None:
    scope.set_tag("operation", operation)
    scope.set_attribute("operation", operation)


@contextmanager
def _described(context: Mapping[str, object]) -> Iterator[None]:
    details = {name: value for name, value in context.items() if name not in CONTEXT_FIELDS}
    with sentry_sdk.new_scope() as scope:
        TradingContext.of(context).bind(scope)
        if details:
            scope.set_context("details", details)
        yield
