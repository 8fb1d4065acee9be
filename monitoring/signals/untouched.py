"""Which attempts need no trace to be built: known to be sampled, with all there is to know, and never looked at.

Most tasks leave no span, no breadcrumb and no error, and what is sent of them is the same but for ids, times and names.
To have it built, merged, scrubbed and encoded costs twenty times what it takes to write it down (see `written`). Where
more than that is at play, it is left to the SDK.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from sentry_sdk.envelope import Envelope, Item
from sentry_sdk.tracing import BAGGAGE_HEADER_NAME
from sentry_sdk.tracing_utils import has_span_streaming_enabled, has_tracing_enabled
from sentry_sdk.utils import capture_internal_exceptions

from monitoring import metrics, scrubbing, transactions
from monitoring.delivery.transport import WorkerTransport
from monitoring.latency import iso_moment
from monitoring.signals import written
from monitoring.signals.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentry_sdk.client import BaseClient

    from monitoring.signals.attempt import Attempt
    from monitoring.signals.sampling import Known

_BAGGAGE_PREFIX: Final = "sentry-"


@dataclass(slots=True)
class Untouched:
    """Hold the place in its trace of an attempt that is sampled, and that nobody has looked at so far."""

    known: Known
    baggage: str
    span_id: str = field(default_factory=partial(new_id, 16))


def place_of(client: BaseClient, known: Known, headers: Mapping[str, str]) -> Untouched | None:
    """Return the place of an attempt that is known to be sampled, if that is all there is to know; else None."""
    # What comes without a trace says nothing of one.
    baggage = headers.get(BAGGAGE_HEADER_NAME, "") if known.parent_span_id is not None else ""
    # Without that number the SDK draws one, and with a full queue it samples less.
    if known.rand is None and "sentry-sample_rand=" not in baggage:
        return None
    if not _is_plain(client) or not cast("Any", client.transport).is_healthy():
        return None
    return Untouched(known, baggage)


def send(attempt: Attempt, place: Untouched, outcome: str, now: float) -> bool:
    """Send the trace of an attempt that ended well; False if that is left to the SDK, and nothing was done.

    `now` is when it ends, monotonic seconds.
    """
    client, envelope = attempt.client, None
    with capture_internal_exceptions():
        envelope = _envelope(attempt, place, outcome, now, client)
    if envelope is None or client.transport is None:
        return False
    client.transport.capture_envelope(envelope)
    return True


def _envelope(attempt: Attempt, place: Untouched, outcome: str, now: float, client: BaseClient) -> Envelope | None:
    times = written.Times(attempt.received.started, attempt.started_at, attempt.ended_at or now, now)
    ids = written.Ids(place.known.trace_id, place.known.parent_span_id, place.span_id, new_id(16))
    headers: Any = {"sent_at": iso_moment(time.time()), "trace": _shared(place, attempt.task.name, client)}
    if has_span_streaming_enabled(client.options):
        spans = written.spans(attempt, outcome, times, ids)
        if spans is None:
            return None
        envelope = Envelope(headers=headers)
        envelope.add_item(Item(spans.encode(), type="span", content_type=_SPANS, headers={"item_count": 2}))
        return envelope
    headers["event_id"] = event_id = new_id(32)
    transaction = written.transaction(attempt, outcome, times, ids, event_id)
    if transaction is None:
        return None
    envelope = Envelope(headers=headers)
    payload = transactions.Written(transaction.encode(), spans=1)
    envelope.add_item(Item(payload=payload, type="transaction", content_type="application/json"))
    return envelope


_SPANS: Final = "application/vnd.sentry.items.span.v2+json"


@lru_cache(maxsize=1)  # a process has one client
def _is_plain(client: BaseClient) -> bool:
    """Say whether a client does nothing to a transaction but what is done here."""
    options = client.options
    return (
        isinstance(client.transport, WorkerTransport)
        and has_tracing_enabled(options)
        and not callable(options["traces_sampler"])
        and not any(options[name] for name in _PROFILING)
        and _HARMLESS.issuperset(options["_experiments"] or ())
        and not options.get("ignore_spans")
        and _is_untreated(client)
    )


#: Experiments that change nothing of what is told.
_HARMLESS: Final = frozenset({"transport_compression_algo", "transport_compression_level", "transport_num_pools"})
_PROFILING: Final = ("profiles_sample_rate", "profiles_sampler", "profile_session_sample_rate")


def _is_untreated(client: BaseClient) -> bool:
    options = client.options
    if not has_span_streaming_enabled(options):
        return transactions.is_untreated(client)
    return not metrics.tells_users(client) and options["before_send_span"] is scrubbing.scrub_span


def _shared(place: Untouched, name: str, client: BaseClient) -> dict[str, str]:
    """Return what all of a trace's transactions share, as the SDK does: what came with the message, or begins here."""
    shared, rand = _read(place.baggage), place.known.rand
    if rand is None:
        return shared
    options, dsn = client.options, client.parsed_dsn
    rate = str(float(options["traces_sample_rate"]))
    if shared:
        shared.setdefault("sample_rand", rand)
        return shared if has_span_streaming_enabled(options) else {**shared, "sample_rate": rate}
    told = {
        "trace_id": place.known.trace_id,
        "sample_rand": rand,
        "environment": options["environment"],
        "release": options["release"],
        "public_key": dsn.public_key if dsn is not None else None,
        "org_id": dsn.org_id if dsn is not None else None,
        "transaction": name,
        "sample_rate": rate,
        "sampled": "true",
    }
    return {key: value for key, value in told.items() if value}


def _read(baggage: str) -> dict[str, str]:
    shared = {}
    for item in baggage.split(","):
        key, equals, value = item.strip().partition("=")
        if equals and key.startswith(_BAGGAGE_PREFIX):
            key = key.split("-")[1]
            shared[unquote(key) if "%" in key else key] = unquote(value) if "%" in value else value
    return shared
