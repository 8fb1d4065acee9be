"""What an envelope tells about task runs and about losses. Pure: items in, facts out.

A run is one attempt of a task. It is known by the `task.run_time` metric, or, from senders that do not use this
package, by a `queue.task.celery` transaction (or streamed segment span). Both carry the span id of the run, so the
store merges them, whichever comes first; what a metric says wins.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .envelope import Item

TASK_OP: Final = "queue.task.celery"
PROCESS_OP: Final = "queue.process"
LATENCY: Final = "messaging.message.receive.latency"  # milliseconds, as the SDK writes it
TEXT_LENGTH: Final = 200

# What a metric or a span says about its run.
DESCRIPTION: Final = ("task", "bot_id", "exchange", "symbol", "outcome")
SPAN_DESCRIPTION: Final = (*DESCRIPTION, "sentry.op", "sentry.segment.id")

NO_SPAN: Final = frozenset({"", "0" * 16})

# The status of the trace says what a sender without our `outcome` tag means; any other status is a failure.
# The SDK's own Celery integration says "aborted" for Retry (and for Ignore and Reject, which it does not tell apart).
TRACE_OUTCOMES: Final[Mapping[str, str]] = {
    "": "success",
    "ok": "success",
    "unknown": "success",
    "aborted": "retry",
    "cancelled": "terminated",
    "deadline_exceeded": "time_limit",
}

# Sentry resets a timestamp outside of these bounds (relay-config); so do we, or one wrong clock bends every plot.
MAX_AGE_SECONDS: Final = 30 * 86400
MAX_FUTURE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class RunFact:
    """Hold what one item says about one run. Times in milliseconds; `at` is the wall clock in seconds.

    `measured` facts come from metrics and win. A fact without `run_time_ms` completes a run but makes none.
    """

    key: str | None
    measured: bool
    at: float
    task: str | None = None
    bot_id: str | None = None
    exchange: str | None = None
    symbol: str | None = None
    outcome: str | None = None
    run_time_ms: float | None = None
    queue_wait_ms: float | None = None


Tally = Counter[tuple[str, str, str]]  # (kind, key, detail) -> quantity


def run_facts(item: Item, now: float) -> Iterator[RunFact]:
    """Yield what the item says about task runs; nothing for items that say nothing. Never raise on any content."""
    reader = READERS.get(item.type)
    if reader is not None:
        for entry in item.entries:
            yield from reader(entry, now)


def _from_metric(metric: Mapping[str, Any], now: float) -> Iterator[RunFact]:
    field = {"task.run_time": "run_time_ms", "task.queue_wait": "queue_wait_ms"}.get(str(metric.get("name")))
    value = _milliseconds(metric.get("value"))
    if field and value is not None:
        attributes = _attributes(metric, DESCRIPTION)
        yield RunFact(
            key=_key(metric.get("trace_id"), metric.get("span_id")),
            measured=True,
            at=_when(metric.get("timestamp"), now),
            task=attributes.get("task"),
            outcome=attributes.get("outcome", "success"),
            **_dimensions(attributes),
            **{field: value},  # type: ignore[arg-type]  # one of two float fields; mypy cannot see which
        )


def _from_transaction(event: Mapping[str, Any], now: float) -> Iterator[RunFact]:
    contexts = event.get("contexts")
    trace = contexts.get("trace") if isinstance(contexts, dict) else None
    if not isinstance(trace, dict) or trace.get("op") != TASK_OP:
        return
    found = tags(event)
    spans = event.get("spans")
    process = [span for span in spans if _is_process(span)] if isinstance(spans, list) else []
    data = process[0].get("data") if process else None
    yield RunFact(
        key=_key(trace.get("trace_id"), trace.get("span_id")),
        measured=False,
        at=_when(event.get("timestamp"), now),
        task=found.get("task") or text(event.get("transaction")),
        outcome=found.get("outcome") or _outcome(trace.get("status")),
        **_dimensions(found),
        run_time_ms=_duration_ms(event.get("start_timestamp"), event.get("timestamp")),
        queue_wait_ms=_milliseconds(data.get(LATENCY)) if isinstance(data, dict) else None,
    )


def _from_span(span: Mapping[str, Any], now: float) -> Iterator[RunFact]:
    attributes = _attributes(span, SPAN_DESCRIPTION)
    op = attributes.get("sentry.op")
    start, end = span.get("start_timestamp"), span.get("end_timestamp")
    if op == PROCESS_OP:
        wait = span.get("attributes", {}).get(LATENCY)
        yield RunFact(
            key=_key(span.get("trace_id"), attributes.get("sentry.segment.id")),
            measured=False,
            at=_when(end, now),
            queue_wait_ms=_milliseconds(wait.get("value") if isinstance(wait, dict) else wait),
        )
    elif op == TASK_OP and span.get("is_segment") is True:
        yield RunFact(
            key=_key(span.get("trace_id"), span.get("span_id")),
            measured=False,
            at=_when(end, now),
            task=attributes.get("task") or text(span.get("name")),
            outcome=attributes.get("outcome") or _outcome(span.get("status")),
            **_dimensions(attributes),
            run_time_ms=_duration_ms(start, end),
        )


Reader = Callable[[Mapping[str, Any], float], Iterator[RunFact]]
READERS: Final[Mapping[str, Reader]] = {
    "trace_metric": _from_metric,
    "transaction": _from_transaction,
    "span": _from_span,
}

# A metric of ours that counts, and the attribute that says what it counted.
COUNTING_METRICS: Final = {"monitoring.lost": ("lost", "reason"), "monitoring.suppressed": ("suppressed", "rule")}


def losses(item: Item) -> Tally:
    """Count what the sender says it did not send: client reports, and our `monitoring.*` counters.

    Kind `lost` has (reason, category), where a counter of ours has the metric's name for category; kind `suppressed`
    has (rule, "").
    """
    tally: Tally = Counter()
    if item.type == "client_report":
        for discarded in item.content.values():
            for record in discarded if isinstance(discarded, list) else ():
                if isinstance(record, dict) and (quantity := _quantity(record.get("quantity"))):
                    tally["lost", text(record.get("reason")) or "?", text(record.get("category")) or "?"] += quantity
    elif item.type == "trace_metric":
        for metric in item.entries:
            name = str(metric.get("name"))
            if name in COUNTING_METRICS and (quantity := _quantity(metric.get("value"))):
                kind, attribute = COUNTING_METRICS[name]
                key = _attributes(metric, (attribute,)).get(attribute) or "?"
                tally[kind, key, name if kind == "lost" else ""] += quantity
    return tally


def text(value: object) -> str | None:
    """Return a bounded text that a database and a page can hold, None for nothing."""
    if type(value) is str and len(value) <= TEXT_LENGTH and value.isascii():
        return value or None  # nearly every text: ten are read for each task
    if value is None or isinstance(value, (dict, list)):
        return None
    return str(value)[:TEXT_LENGTH].encode(errors="replace").decode() or None


def _attributes(entry: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Read the attributes called `names`, those that have a text."""
    raw = entry.get("attributes")
    if not isinstance(raw, dict):
        return {}
    found = {}
    for name in names:
        value = raw.get(name)
        said = text(value.get("value") if isinstance(value, dict) else value)
        if said is not None:
            found[name] = said
    return found


def tags(event: Mapping[str, Any]) -> dict[str, str]:
    """Read tags in both of Sentry's forms: an object, or a list of pairs."""
    raw = event.get("tags")
    pairs = raw.items() if isinstance(raw, dict) else raw if isinstance(raw, list) else ()
    found = {}
    for pair in pairs:
        if isinstance(pair, (tuple, list)) and len(pair) == 2 and (value := text(pair[1])) is not None:  # noqa: PLR2004
            found[str(pair[0])] = value
    return found


def _dimensions(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: values.get(name) for name in ("bot_id", "exchange", "symbol")}


def _is_process(span: object) -> bool:
    return isinstance(span, dict) and span.get("op") == PROCESS_OP


def _key(trace_id: object, span_id: object) -> str | None:
    """Name a run; None when no span says which one it is (then it is a run of its own)."""
    span = text(span_id) or ""
    return None if span in NO_SPAN else f"{text(trace_id)}:{span}"


def _outcome(status: object) -> str:
    return TRACE_OUTCOMES.get(text(status) or "", "failure")


def _quantity(value: object) -> int:
    number = _milliseconds(value)
    return min(int(number), 2**53) if number is not None else 0


def _milliseconds(value: object) -> float | None:
    """Take a finite number that is not negative; anything else is no measurement."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def seconds(value: object) -> float | None:
    """Read both of Sentry's timestamp forms: epoch seconds, or RFC 3339 text (UTC when it names no zone)."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return _milliseconds(value)


def _when(value: object, now: float) -> float:
    at = seconds(value)
    return at if at is not None and now - MAX_AGE_SECONDS <= at <= now + MAX_FUTURE_SECONDS else now


def _duration_ms(start: object, end: object) -> float | None:
    first, last = seconds(start), seconds(end)
    return None if first is None or last is None else max(0.0, (last - first) * 1000)
