"""Messages that never become a task in the worker: unknown, in a refused format, unreadable. Their bodies stay here."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sentry_sdk

from monitoring.signals.ambient import forget_ambient, join_trace
from monitoring.signals.attempt import tell
from monitoring.signals.measured import RUN_TIME, excluded
from monitoring.signals.received import carried_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitoring.context import ArgumentNames
    from monitoring.settings import Settings


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Messages:
    """Receive what the worker's main process says of messages that it cannot run."""

    settings: Settings
    names: ArgumentNames

    def on_task_unknown(self, *, message: Any, name: str, **_: object) -> None:
        """Report a message for a task that this worker does not have. The body stays here."""
        with self._scope(message, "unknown_task", arguments_in(message)) as scope:
            scope.fingerprint = ["unknown_task", name]
            sentry_sdk.capture_message(f"Received a message for an unregistered task: {name}", level="error")
            self._count(name)

    def on_task_rejected(self, *, message: Any, exc: BaseException | None = None, **_: object) -> None:
        """Report a message that is no task, or in a format that this worker refuses. The body stays here."""
        self.on_unreadable(message, f"{type(exc).__name__}" if exc is not None else "it is no task message")

    def on_unreadable(self, received: Any | None, why: str) -> None:
        """Report a message that Celery only logs, with its queue and without its body."""
        with self._scope(received, "invalid_message") as scope:
            scope.fingerprint = ["invalid_message", why]
            sentry_sdk.capture_message(f"Received a message that cannot be run: {why}", level="error")
            self._count(None)

    @contextmanager
    def _scope(
        self,
        received: Any,
        outcome: str,
        arguments: tuple[Any, Any] = ((), {}),  # nobody writes to it
    ) -> Iterator[Any]:
        """Open a scope that tells a message which became no request: by its headers, as far as it has any."""
        with sentry_sdk.isolation_scope() as scope:
            forget_ambient(scope)
            tell(scope, {"outcome": outcome})
            if received is not None:
                headers = received.headers if isinstance(received.headers, dict) else {}
                found = self.names.context_of(any_task, *arguments)
                found.over(carried_by(headers).context).bind(scope)
                name, task_id, retries = (headers.get(key) for key in ("task", "id", "retries"))
                attempt = str(retries + 1) if isinstance(retries, int) else None
                task = name if isinstance(name, str) else None
                tell(scope, {"queue": (received.delivery_info or {}).get("routing_key"), "task": task})
                tell(scope, {"attempt": attempt})
                if isinstance(task_id, str):
                    scope.set_tag("celery_task_id", task_id)
                join_trace(scope, task, headers)
                scope.set_context("message", {"content_type": received.content_type, "size": len(received.body or "")})
            yield scope

    def _count(self, task: str | None) -> None:
        """Count it among the ends of tasks, by its outcome: it ran for no time."""
        if self.settings.metrics and not (task is not None and excluded(task, self.settings.metrics_exclude)):
            sentry_sdk.metrics.distribution(RUN_TIME, 0.0, unit="millisecond")


def arguments_in(received: Any) -> tuple[Any, Any]:
    """Return (args, kwargs) of a message, to find its context in; empty when they cannot be had. Never raises."""
    try:
        payload = received.payload
        args, kwargs = (payload["args"], payload["kwargs"]) if isinstance(payload, dict) else payload[:2]
    except Exception:  # noqa: BLE001  # somebody's message, on the way of reporting it
        return (), {}
    return args if isinstance(args, list | tuple) else (), kwargs if isinstance(kwargs, dict) else {}


def any_task(*_: object, **__: object) -> None:
    """Stand for a task that this worker does not have: any argument may be its own."""
