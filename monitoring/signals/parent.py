"""What only the worker's main process sees: tasks that were killed, timed out hard, revoked or expired.

No task's scope is open here and `task.request` may be empty, so everything is taken from the signal: the worker's
`Request` holds the message's headers and arguments. Each report has a scope of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from celery.exceptions import Reject, TimeLimitExceeded
from sentry_sdk.utils import event_from_exception

from monitoring.latency import Clock
from monitoring.signals import destination
from monitoring.signals.attempt import RUN_TIME, carried_by, context_of, current_attempt, tell

if TYPE_CHECKING:
    from monitoring.context import ArgumentNames
    from monitoring.settings import Settings

#: How many ends are remembered to tell each only once. Celery repeats itself within moments (hard limit: at once).
_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class Parent:
    """Receive the signals of the worker's main process."""

    settings: Settings
    names: ArgumentNames
    clock: Clock = field(default_factory=Clock)
    _told: OrderedDict[tuple[str, int], None] = field(default_factory=OrderedDict)

    def on_task_failure(self, *, sender: Any, task_id: str, exception: BaseException, **signal: Any) -> None:
        """Report a task whose process cannot: hard time limit, lost worker, rejected."""
        request = sender.request
        if current_attempt(request) is not None:
            return  # the attempt runs here and tells itself
        retries = int(request.retries or 0)
        if self._is_told(task_id, retries):
            return
        outcome = _outcome(exception)
        args, kwargs = signal.get("args") or (), signal.get("kwargs") or {}
        with sentry_sdk.isolation_scope() as scope:
            _forget_ambient(scope)
            context_of(self.names, sender, args, kwargs).over(carried_by(request).context).bind(scope)
            queue = destination.received_from(sender.app, request.delivery_info)
            tell(scope, {"task": sender.name, "queue": queue, "attempt": str(retries + 1), "outcome": outcome})
            scope.set_tag("celery_task_id", task_id)
            scope.set_transaction_name(sender.name, source="task")
            if outcome != "rejected":
                event, hint = event_from_exception(
                    exception,
                    client_options=sentry_sdk.get_client().options,
                    mechanism={"type": "celery", "handled": False},
                )
                sentry_sdk.capture_event(event, hint=hint)
            self._count(outcome)

    def on_task_revoked(self, *, sender: Any, request: Any, terminated: bool, expired: bool, **_: object) -> None:
        """Count a task that was revoked, terminated or had expired: a normal end, and not a bug."""
        message = request.request_dict
        if self._is_told(request.id, int(message.get("retries") or 0)):
            return
        outcome = "expired" if expired else "terminated" if terminated else "revoked"
        with sentry_sdk.isolation_scope() as scope:
            _forget_ambient(scope)
            context = context_of(self.names, sender, request.args or (), request.kwargs or {})
            context.over(carried_by(request.request_dict).context).bind(scope)
            queue = destination.received_from(sender.app, request.delivery_info)
            tell(scope, {"task": sender.name, "queue": queue, "outcome": outcome})
            self._count(outcome)

    def _count(self, outcome: str) -> None:
        if self.settings.metrics:
            sentry_sdk.metrics.distribution(RUN_TIME, 0.0, unit="millisecond", attributes={"outcome": outcome})

    def _is_told(self, task_id: str, retries: int) -> bool:
        key = (task_id, retries)
        if key in self._told:
            return True
        self._told[key] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return False


def _outcome(exception: BaseException) -> str:
    if isinstance(exception, TimeLimitExceeded):
        return "time_limit"
    return "rejected" if isinstance(exception, Reject) else "worker_lost"


def _forget_ambient(scope: Any) -> None:
    """Drop what the main process gathered for all its tasks: breadcrumbs of others, a span of its own broker calls."""
    scope.clear_breadcrumbs()
    sentry_sdk.get_current_scope().span = None
