"""Whether an attempt's trace is sampled, as far as that can be said before any of it is built."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple

from sentry_sdk.tracing import BAGGAGE_HEADER_NAME, SENTRY_TRACE_HEADER_NAME

# Private, but what it draws is the same in each process that sees the trace: all of it is sampled, or none.
from sentry_sdk.tracing_utils import _generate_sample_rand, has_tracing_enabled

from monitoring.delivery.counting import categories_of_trace
from monitoring.delivery.transport import WorkerTransport
from monitoring.signals import message
from monitoring.signals.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sentry_sdk.client import BaseClient


class Known(NamedTuple):
    """Say what is known of an attempt's trace before any of it is built."""

    trace_id: str
    #: None if the trace begins with the attempt, because its message names none.
    parent_span_id: str | None
    sampled: bool
    #: The number from 0 to 1 by which that is decided, where its sender has not.
    rand: str | None


def known_beforehand(client: BaseClient, request: Mapping[str, object]) -> Known | None:
    """Say what is known by an attempt's message and its client's options; None if that is for the SDK to find out.

    A trace that nobody samples is counted. Most are such, and for them no scope need be filled and no span made. Beat,
    a script and a producer without Sentry leave the decision to us; it is the one that the SDK would make.
    """
    told = request.get(SENTRY_TRACE_HEADER_NAME) or message.header(request, SENTRY_TRACE_HEADER_NAME)
    decides = rules(client)
    if decides.on_each:
        return None
    if told is None:
        known = _drawn(new_id(32), None, decides.rate, None)
    else:
        found = _TRACE(told) if type(told) is str else None
        if found is None or not (decides.continues_all or continues(client, headers_in(request))):
            return None
        trace_id, parent_span_id, sampled = found.groups()
        if sampled is not None:
            known = Known(trace_id, parent_span_id, sampled == "1", None)
        else:
            known = _drawn(trace_id, parent_span_id, decides.rate, message.header(request, BAGGAGE_HEADER_NAME))
    if known is not None and not known.sampled:
        decides.count_unsampled()
    return known


_TRACE: Final = re.compile("([0-9a-f]{32})-([0-9a-f]{16})(?:-([01]))?").fullmatch
_RAND: Final = re.compile(r"(?:^|,)\s*sentry-sample_rand=([^,;\s]*)")
_ORG: Final = re.compile(r"(?:^|,)\s*sentry-org_id=([^,;\s]*)")


def _drawn(trace_id: str, parent_span_id: str | None, rate: float | None, baggage: object) -> Known | None:
    """Decide about a trace where its sender has not; None if that is for the SDK."""
    if rate is None:
        return None
    if not rate:
        return Known(trace_id, parent_span_id, sampled=False, rand=None)
    told = _RAND.search(baggage) if type(baggage) is str else None
    if told is None:
        drawn = _generate_sample_rand(trace_id)
        return Known(trace_id, parent_span_id, drawn < rate, f"{drawn:.6f}")
    # One that is none, the SDK would draw anew.
    return Known(trace_id, parent_span_id, float(told[1]) < rate, told[1]) if _A_SHARE(told[1]) else None


_A_SHARE: Final = re.compile(r"0(?:\.[0-9]{1,12})?").fullmatch


def headers_in(request: Mapping[str, object]) -> dict[str, str]:
    """Return what a received message says of the trace that it continues."""
    names = (SENTRY_TRACE_HEADER_NAME, BAGGAGE_HEADER_NAME)
    return {name: value for name in names if isinstance(value := message.header(request, name), str)}


def continues(client: BaseClient, headers: Mapping[str, str]) -> bool:
    """Say whether a trace is surely to be continued: the SDK may refuse that of another organisation."""
    decides = rules(client)
    if decides.continues_all:
        return True
    told = _ORG.search(headers.get(BAGGAGE_HEADER_NAME, ""))
    if told is None:
        return not decides.strict or decides.organisation is None
    return told[1] == decides.organisation


class Rules(NamedTuple):
    """Hold what a client's options say of traces that come with messages."""

    #: An application that decides on each does so whatever a message says.
    on_each: bool
    #: The share of traces to sample where nobody has decided; None where that is not for us to say.
    rate: float | None
    organisation: str | None
    #: Whether both have to name it, or neither.
    strict: bool
    continues_all: bool
    #: Counts a trace that nobody samples.
    count_unsampled: Callable[[], object]


@lru_cache(maxsize=1)  # a process has one client
def rules(client: BaseClient) -> Rules:
    """Return what holds for a client, read once."""
    options, transport = client.options, client.transport
    own, rate = client.parsed_dsn.org_id if client.parsed_dsn else None, options["traces_sample_rate"]
    strict = bool(options["strict_trace_continuation"])
    is_share = has_tracing_enabled(options) and type(rate) in {int, float} and 0 <= rate <= 1
    count: Callable[[], object] = partial(lose_trace, client, "sample_rate")
    if isinstance(transport, WorkerTransport):
        count = transport.unsampled.count
    return Rules(
        on_each=callable(options["traces_sampler"]),
        rate=rate if is_share else None,
        organisation=own,
        strict=strict,
        continues_all=own is None and not strict,
        count_unsampled=count,
    )


def lose_trace(client: BaseClient, reason: str) -> None:
    """Count what an unsampled trace leaves out, one by one."""
    if client.transport is not None:
        for category in categories_of_trace(client.options):
            client.transport.record_lost_event(reason, data_category=category)
