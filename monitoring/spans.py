"""Open a span below the running one, in either of the SDK's trace lifecycles. Nothing is built when nobody samples."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from sentry_sdk.traces import NoOpStreamedSpan, SpanStatus, StreamedSpan
from sentry_sdk.tracing import Span
from sentry_sdk.tracing_utils import has_span_streaming_enabled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ORIGIN: Final = "auto.queue.celery"

AnySpan = Span | StreamedSpan


def open_span(op: str, name: str, data: Mapping[str, Any]) -> AnySpan | None:
    """Start a child of the running span without making it the running one; None when there is none or it is unsampled.

    The caller ends it with `close_span`. A span that is never closed is not sent.
    """
    scope = sentry_sdk.get_current_scope()
    if has_span_streaming_enabled(sentry_sdk.get_client().options):
        parent = scope.streamed_span
        if parent is None or isinstance(parent, NoOpStreamedSpan):
            return None
        streamed = sentry_sdk.traces.start_span(
            name=name, attributes={"sentry.op": op, "sentry.origin": ORIGIN}, parent_span=parent, active=False
        )
        write(streamed, data)
        return streamed
    running = scope.span or sentry_sdk.get_isolation_scope().span
    if running is None or not running.sampled:
        return None
    span = running.start_child(op=op, name=name, origin=ORIGIN)
    write(span, data)
    return span


def close_span(span: AnySpan, *, failed: bool = False) -> None:
    """End a span, at the present time."""
    if isinstance(span, StreamedSpan):
        span.status = SpanStatus.ERROR if failed else SpanStatus.OK
        span.end()
    else:
        span.set_status("internal_error" if failed else "ok")
        span.finish()


def write(span: AnySpan, data: Mapping[str, Any]) -> None:
    """Put data on a span: attributes in one lifecycle, data in the other; what is None is left out."""
    put = span.set_attribute if isinstance(span, StreamedSpan) else span.set_data
    for key, value in data.items():
        if value is not None:
            put(key, value)


@contextmanager
def child_span(op: str, name: str, data: Mapping[str, Any]) -> Iterator[None]:
    """Run a block in a span of its own below the running one; an exception marks it failed and goes on."""
    span = open_span(op, name, data)
    if span is None:
        yield
        return
    scope = sentry_sdk.get_current_scope()
    before, scope._span = scope._span, span  # noqa: SLF001  # the one slot that both lifecycles share
    failed = True
    try:
        yield
        failed = False
    finally:
        scope._span = before  # noqa: SLF001  # as above
        close_span(span, failed=failed)
