"""The trace of one attempt, in either of the SDK's lifecycles: a segment for the task, `queue.process` below it.

Sampling is decided before anything is built: an unsampled attempt has a place in its trace and no span.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import sentry_sdk
from sentry_sdk.traces import NoOpStreamedSpan, SpanStatus, StreamedSpan
from sentry_sdk.tracing import BAGGAGE_HEADER_NAME, SENTRY_TRACE_HEADER_NAME, Span, Transaction

# Private, but the one place that knows the SDK's rules: parent first, then the rate, less under backpressure.
from sentry_sdk.tracing_utils import (
    Baggage,
    PropagationContext,
    _make_sampling_decision,
    has_span_streaming_enabled,
)

from monitoring.signals import sampling
from monitoring.spans import ORIGIN, AnySpan, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sentry_sdk.scope import Scope

TASK_OP: Final = "queue.task.celery"
PROCESS_OP: Final = "queue.process"
SOURCE: Final = "task"
#: Of a millisecond.
NANOSECONDS: Final = 1e6


class Trace(Protocol):
    """The spans of a running attempt."""

    def end_processing(self, status: str) -> None:
        """End `queue.process`; the segment is the running span again. `status` is one of Sentry's trace statuses."""

    def end(self, status: str) -> None:
        """End the segment and send it."""


@dataclass(slots=True)
class StaticTrace:
    """Send one transaction, with its spans inside."""

    transaction: Transaction
    processing: Span

    def end_processing(self, status: str) -> None:
        """End `queue.process`."""
        self.processing.set_status(status)
        self.processing.__exit__(None, None, None)

    def end(self, status: str) -> None:
        """End the segment."""
        self.transaction.set_status(status)
        self.transaction.__exit__(None, None, None)


@dataclass(slots=True)
class StreamTrace:
    """Send each span by itself; their status knows only ok and error."""

    segment: StreamedSpan
    processing: StreamedSpan

    def end_processing(self, status: str) -> None:
        """End `queue.process`."""
        self.processing.status = SpanStatus.OK if status == "ok" else SpanStatus.ERROR
        self.processing.end()

    def end(self, status: str) -> None:
        """End the segment."""
        self.segment.status = SpanStatus.OK if status == "ok" else SpanStatus.ERROR
        self.segment.end()


def begin(
    name: str, celery_job: Mapping[str, Any], data: Callable[[], Mapping[str, Any]], late_ms: float = 0.0
) -> Trace | None:
    """Continue the trace that the scopes have joined with spans; None when it is not sampled.

    `late_ms` is how long ago they began.
    """
    client, isolation = sentry_sdk.get_client(), sentry_sdk.get_isolation_scope()
    if not sampling.rules(client).on_each:
        sampled, _, _, reason = _make_sampling_decision(name, None, isolation)
        if not sampled:
            # What this attempt publishes is unsampled as well; see `propagation_headers`.
            isolation.get_active_propagation_context().parent_sampled = False
            sampling.lose_trace(client, reason or "sample_rate")
            return None
    began = Began(
        datetime.now(UTC) - timedelta(milliseconds=late_ms), time.perf_counter_ns() - round(late_ms * NANOSECONDS)
    )
    start = _begin_stream if has_span_streaming_enabled(client.options) else _begin_static
    return start(name, celery_job, data, began)


class Began(NamedTuple):
    """Say when a trace began: the wall clock, and the SDK's monotonic one, in nanoseconds, at that same moment."""

    wall: datetime
    monotonic: int


def join(scope: Scope, name: str) -> None:
    """Let an attempt's current scope take its place in a trace from the isolation scope, and no span from before."""
    scope._span = None  # noqa: SLF001  # the one slot that both lifecycles share
    scope.set_transaction_name(name, source=SOURCE)
    scope._propagation_context = None  # noqa: SLF001  # what it inherits is the process's, and would go first


def take_place(isolation: Scope, known: sampling.Known | None, headers: dict[str, str]) -> None:
    """Let an attempt's isolation scope take its place in the trace that `headers` name.

    What was known beforehand holds for all that the attempt produces, and for what it publishes.
    """
    if known is None:
        isolation.generate_propagation_context(headers)
    else:
        isolation._propagation_context = KnownPropagation(known, headers)  # noqa: SLF001  # what the line above sets


class KnownPropagation(PropagationContext):
    """Be a place in a trace that is known; to read the baggage takes longer than the rest, and is left until asked."""

    __slots__ = ("_headers",)

    def __init__(self, known: sampling.Known, headers: dict[str, str]) -> None:
        # A decision that we have drawn is drawn again by the SDK, with the same result; unless it is No.
        decided = False if not known.sampled else True if known.rand is None else None
        super().__init__(known.trace_id, parent_span_id=known.parent_span_id, parent_sampled=decided)
        self._headers = headers
        del self.baggage

    def __getattr__(self, name: str) -> Any:
        """Read the baggage as the SDK reads it: Python calls this only for what is not there yet."""
        if name != "baggage":
            raise AttributeError(name)
        self.baggage = baggage = PropagationContext.from_incoming_data(self._headers).baggage
        return baggage


def _begin_static(
    name: str, celery_job: Mapping[str, Any], data: Callable[[], Mapping[str, Any]], began: Began
) -> Trace:
    scope = sentry_sdk.get_current_scope()
    propagation = sentry_sdk.get_isolation_scope().get_active_propagation_context()
    transaction = scope.start_transaction(
        Transaction(
            op=TASK_OP,
            name=name,
            source=SOURCE,
            origin=ORIGIN,
            baggage=propagation.baggage,
            parent_sampled=propagation.parent_sampled,
            trace_id=propagation.trace_id,
            parent_span_id=propagation.parent_span_id,
            same_process_as_parent=False,
            start_timestamp=began.wall,
        ),
        custom_sampling_context={"celery_job": celery_job},
    )
    assert isinstance(transaction, Transaction)  # noqa: S101  # NoOpSpan only for other instrumenters and lifecycles
    transaction.__enter__()
    processing = transaction.start_child(op=PROCESS_OP, name=name, origin=ORIGIN, start_timestamp=began.wall)
    for span in (transaction, processing):
        span._start_timestamp_monotonic_ns = began.monotonic  # noqa: SLF001  # what its length is from
    if transaction.sampled:
        write(processing, data())
    processing.__enter__()
    return StaticTrace(transaction, processing)


def _begin_stream(
    name: str, celery_job: Mapping[str, Any], data: Callable[[], Mapping[str, Any]], began: Began
) -> Trace:
    sentry_sdk.get_current_scope().set_custom_sampling_context({"celery_job": dict(celery_job)})
    segment = sentry_sdk.traces.start_span(
        name=name,
        parent_span=None,
        attributes={"sentry.op": TASK_OP, "sentry.origin": ORIGIN, "sentry.segment.name.source": SOURCE},
    )
    processing = sentry_sdk.traces.start_span(name=name, attributes={"sentry.op": PROCESS_OP, "sentry.origin": ORIGIN})
    if not isinstance(segment, NoOpStreamedSpan):
        write(processing, data())
        for span in (segment, processing):
            span._start_timestamp = began.wall  # noqa: SLF001  # no other way to say it
            span._start_timestamp_monotonic_ns = began.monotonic  # noqa: SLF001  # as above
    return StreamTrace(segment, processing)


def propagation_headers(span: AnySpan | None, carried_baggage: object) -> dict[str, str]:
    """Return `sentry-trace` and `baggage` for a message: below `span`, else below whatever runs.

    Baggage that others put on the message stays.
    """
    scope = sentry_sdk.get_current_scope()
    headers = dict(scope.iter_trace_propagation_headers(span=span))
    if span is None and scope.span is None and scope.streamed_span is None:
        # The SDK leaves the decision open here; a task's whole trace is sampled or none of it.
        propagation = scope.get_active_propagation_context()
        if propagation.parent_sampled is False:
            headers[SENTRY_TRACE_HEADER_NAME] = f"{propagation.trace_id}-{propagation.span_id}-0"
    if isinstance(carried_baggage, str) and (others := Baggage.strip_sentry_baggage(carried_baggage)):
        headers[BAGGAGE_HEADER_NAME] = ",".join(filter(None, (headers.get(BAGGAGE_HEADER_NAME), others)))
    return headers
