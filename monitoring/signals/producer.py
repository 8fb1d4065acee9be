"""The moment of publishing, in whatever process publishes: a task, a request, beat, a script."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from celery import current_app, current_task

from monitoring.breadcrumbs import numbered
from monitoring.context import NOTHING, TradingContext
from monitoring.latency import Clock, rounded, timestamp
from monitoring.signals import destination, message, tracing
from monitoring.signals.attempt import Attempt, current_attempt
from monitoring.signals.received import carried_by
from monitoring.spans import AnySpan, close_span, open_span, write

if TYPE_CHECKING:
    from types import FrameType

    from monitoring.settings import Settings
    from monitoring.signals.requests import HeldRequests, Seen

PUBLISH_OP: Final = "queue.publish"

#: The span of the message being published in this thread or greenlet, with the message's id.
_publishing: ContextVar[tuple[str, AnySpan] | None] = ContextVar("worker_monitoring_publishing", default=None)


@dataclass(slots=True, repr=False)  # a receiver's repr stands in Celery's log when it fails
class Producer:
    """Receive the signals of publishing. Without them a message is published just the same."""

    settings: Settings
    held: HeldRequests
    clock: Clock = field(default_factory=Clock)
    #: The thread that runs beat's loop, where each message begins a trace of its own.
    beat_thread: int | None = None

    def on_before_task_publish(  # noqa: PLR0913  # Celery's signature
        self, *, sender: str, body: Any, headers: Any, exchange: Any, routing_key: Any, declare: Any, **_: object
    ) -> None:
        """Put context, clocks, the trail and the trace on the message, and open its `queue.publish` span."""
        if not isinstance(headers, dict) or "id" not in headers:
            return  # protocol 1 has no headers to carry anything
        if self.beat_thread is not None and threading.get_ident() == self.beat_thread:
            sentry_sdk.get_isolation_scope().set_new_propagation_context()
        now = self.clock.wall()
        span = open_span(PUBLISH_OP, sender, {})
        if span is not None:
            _publishing.set((headers["id"], span))
            _describe(span, headers, body, (exchange, routing_key, declare))
        ours: dict[str, Any] = {
            message.HEADER: self._carried(headers, now).encoded(self.settings.trail_bytes),
            message.ENQUEUED_TIME: now,
        }
        if headers.get("sentry-propagate-traces") is not False:
            ours |= tracing.propagation_headers(span, headers.get("baggage"))
        message.write(headers, ours)

    def on_after_task_publish(self, headers: Any, **_: object) -> None:
        """Close the span. When publishing fails this signal never comes, and the span is not sent."""
        publishing = _publishing.get()
        if publishing is not None and isinstance(headers, dict) and headers.get("id") == publishing[0]:
            _publishing.set(None)
            close_span(publishing[1])

    def _carried(self, headers: dict[str, Any], now: float) -> message.Carried:
        request = current_task.request if current_task else None
        attempt = current_attempt(request) if request is not None else None
        if attempt is None:
            if self.held.holds(headers["id"]):
                lost = self.held.seen(headers["id"])
                if headers.get("retries") == lost.retries + 1:
                    return _after_lost_worker(lost, headers, now)
            return message.Carried(now, now, TradingContext.current())
        if headers["id"] == attempt.request.id and headers.get("retries") == attempt.received.number:
            return _next_attempt(attempt, headers, now)
        if _is_chord_body(headers["id"], attempt.request) and attempt.received.carried.context != NOTHING:
            # Whichever member ends last publishes the body; it belongs to whoever published the chord.
            return message.Carried(now, now, attempt.received.carried.context)
        return message.Carried(now, now, TradingContext.current())


def _next_attempt(attempt: Attempt, headers: dict[str, Any], now: float) -> message.Carried:
    """Hand the story on: `Task.retry` publishes the next attempt before `task_retry` fires."""
    call = _retry_call()
    passed = call.get("exc")
    attempt.error = cause = passed if isinstance(passed, BaseException) else sys.exception()
    scope = sentry_sdk.get_isolation_scope()
    crumbs, dropped = scope._breadcrumbs, scope._n_breadcrumbs_truncated  # noqa: SLF001  # no public reader for them
    # Exact, where a countdown was given; Celery has made a time of day of it since, which is some milliseconds nearer.
    record = attempt.record(cause, float(call.get("countdown") or _seconds_until_eta(headers, now)))
    trail = attempt.received.carried.trail.followed_by(record, numbered(list(crumbs), attempt.received.number), dropped)
    first = attempt.received.carried.first_published
    # What the attempt bound for itself goes on, except that new arguments may say otherwise: the next one looks.
    return message.Carried(now, first if first is not None else now, TradingContext.current(), trail)


def _after_lost_worker(lost: Seen, headers: dict[str, Any], now: float) -> message.Carried:
    """Hand on the story of an attempt whose process is gone: the worker's main process publishes the next one."""
    carried = carried_by(lost.headers)
    text = "the process that ran it is gone, and its breadcrumbs with it"
    record = replace(
        lost.record(carried, now, "WorkerLostError", text),
        retry_delay_s=rounded(_seconds_until_eta(headers, now)),
    )
    trail = carried.trail.followed_by(record)
    first = carried.first_published
    return message.Carried(now, first if first is not None else now, carried.context, trail)


def _is_chord_body(task_id: str, request: Any) -> bool:
    options = request.chord.get("options") if isinstance(request.chord, dict) else None
    return isinstance(options, dict) and options.get("task_id") == task_id


def _seconds_until_eta(headers: dict[str, Any], now: float) -> float:
    eta = timestamp(headers["eta"]) if headers.get("eta") else None
    return max(0.0, eta - now) if eta is not None else 0.0


def _retry_call() -> dict[str, Any]:
    """Return what `Task.retry` was called with, and what it has made of it: `exc`, `countdown`.

    Nobody but its frame knows that, which is still running a few callers up.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # documented, and the only way to a caller's frame
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        if frame.f_code.co_name == "retry" and "signature_from_request" in frame.f_code.co_names:
            return frame.f_locals
        frame = frame.f_back
    return {}


_MAX_FRAMES: Final = 40


def _describe(span: AnySpan, headers: dict[str, Any], body: Any, where: tuple[Any, Any, Any]) -> None:
    app = current_app._get_current_object()  # noqa: SLF001  # the proxy cannot be a cache's key
    write(
        span,
        {
            "messaging.message.id": headers["id"],
            "messaging.destination.name": destination.published_to(app, *where),
            "messaging.message.retry.count": headers.get("retries"),
            "messaging.message.body.size": destination.body_size(body, app.conf.task_serializer),
            "messaging.system": destination.system(app),
        },
    )
