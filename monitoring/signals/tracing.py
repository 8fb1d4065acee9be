"""The trace of one attempt, in either of the SDK's lifecycles: a segment for the task, `queue.process` below it.

Sampling is decided before anything is built: an unsampled attempt has a place in its trace and no span.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import sentry_sdk
from sentry_sdk.traces import NoOpStreamedSpan, SpanStatus, StreamedSpan
from sentry_sdk.tracing import BAGGAGE_HEADER_NAME, SENTRY_TRACE_HEADER_NAME, Span, Transaction

# Private, but the one place that knows the SDK's rules: parent first, then the rate, less under backpressure.
from sentry_sdk.tracing_utils import Baggage, _make_sampling_decision

from monitoring.spans import ORIGIN, AnySpan, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TASK_OP: Final = "queue.task.celery"
PROCESS_OP: Final = "queue.process"
SOURCE: Final = "task"


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


def begin_static(
    name: str, headers: dict[str, Any], celery_job: Mapping[str, Any], data: Callable[[], Mapping[str, Any]]
) -> Trace | None:
    """Continue the message's trace with a transaction, or only join it when it is not sampled."""
    client, scope = sentry_sdk.get_client(), sentry_sdk.get_current_scope()
    isolation = sentry_sdk.get_isolation_scope()
    isolation.generate_propagation_context(headers)
    propagation = isolation.get_active_propagation_context()
    scope.span = None
    scope.set_transaction_name(name, source=SOURCE)
    sampler = client.options.get("traces_sampler")
    if not callable(sampler):
        sampled, _, _, reason = _make_sampling_decision(name, None, isolation)
        if not sampled:
            # What this attempt publishes is unsampled as well; see `propagation_headers`.
            propagation.parent_sampled = False
            if client.transport is not None:
                client.transport.record_lost_event(reason or "sample_rate", data_category="transaction")
                client.transport.record_lost_event(reason or "sample_rate", data_category="span")
            return None
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
        ),
        custom_sampling_context={"celery_job": celery_job},
    )
    assert isinstance(transaction, Transaction)  # noqa: S101  # NoOpSpan only for other instrumenters and lifecycles
    transaction.__enter__()
    processing = transaction.start_child(op=PROCESS_OP, name=name, origin=ORIGIN)
    if transaction.sampled:
        write(processing, data())
    processing.__enter__()
    return StaticTrace(transaction, processing)


def begin_stream(
    name: str, headers: dict[str, Any], celery_job: Mapping[str, Any], data: Callable[[], Mapping[str, Any]]
) -> Trace | None:
    """Continue the message's trace with a segment of its own; unsampled, its spans record nothing."""
    sentry_sdk.traces.continue_trace(headers)
    scope = sentry_sdk.get_current_scope()
    scope.streamed_span = None
    scope.set_transaction_name(name, source=SOURCE)
    scope.set_custom_sampling_context({"celery_job": dict(celery_job)})
    segment = sentry_sdk.traces.start_span(
        name=name,
        parent_span=None,
        attributes={"sentry.op": TASK_OP, "sentry.origin": ORIGIN, "sentry.segment.name.source": SOURCE},
    )
    processing = sentry_sdk.traces.start_span(name=name, attributes={"sentry.op": PROCESS_OP, "sentry.origin": ORIGIN})
    if not isinstance(segment, NoOpStreamedSpan):
        write(processing, data())
    return StreamTrace(segment, processing)


BEGIN: Final = {"static": begin_static, "stream": begin_stream}


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
