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

#: The id of a trace that surely nobody samples; and the id of one that begins with the attempt. Each is None elsewhere.
Beforehand = tuple[str | None, str | None]


def known_beforehand(client: BaseClient, request: Mapping[str, object]) -> Beforehand:
    """Say what is known of an attempt's trace by its message and by the client's options; count it if it is left out.

    Most traces are, and for them no scope need be filled, no baggage read and no span made. Beat, a script and a
    producer without Sentry leave the decision to whoever runs the task: to us. It is the one that the SDK would make.
    """
    told = request.get(SENTRY_TRACE_HEADER_NAME) or message.header(request, SENTRY_TRACE_HEADER_NAME)
    decides = rules(client)
    if decides.on_each:
        return _NOTHING
    if told is None:
        return _of_new_trace(decides)
    found = _TRACE(told) if type(told) is str else None
    if found is None or found[2] == _SAMPLED:
        return _NOTHING
    if not (decides.continues_all or continues(client, headers_in(request))):
        return _NOTHING
    if found[2] is None and not _left_out(found[1], decides.rate, message.header(request, BAGGAGE_HEADER_NAME)):
        return _NOTHING
    decides.count_unsampled()
    return found[1], None


_NOTHING: Final = (None, None)
_TRACE: Final = re.compile("([0-9a-f]{32})-[0-9a-f]{16}(-[01])?").fullmatch
_SAMPLED: Final = "-1"
_RAND: Final = re.compile(r"(?:^|,)\s*sentry-sample_rand=([^,;\s]*)")
_ORG: Final = re.compile(r"(?:^|,)\s*sentry-org_id=([^,;\s]*)")


def _of_new_trace(decides: Rules) -> Beforehand:
    trace_id = new_id(32)
    if not _left_out(trace_id, decides.rate, None):
        return None, trace_id
    decides.count_unsampled()
    return trace_id, trace_id


def _left_out(trace_id: str, rate: float | None, baggage: object) -> bool:
    """Say whether a trace about which nobody has decided is surely not sampled. With a full queue even fewer are."""
    if not rate:
        return rate is not None
    told = _RAND.search(baggage) if type(baggage) is str else None
    if told is None:
        return _generate_sample_rand(trace_id) >= rate
    try:
        return rate <= float(told[1]) < 1  # beyond that the SDK draws another one
    except ValueError:
        return False


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
    return told is not None and told[1] == decides.organisation


class Rules(NamedTuple):
    """Hold what a client's options say of traces that come with messages."""

    #: An application that decides on each does so whatever a message says.
    on_each: bool
    #: The share of traces to sample where nobody has decided; None where that is not for us to say.
    rate: float | None
    organisation: str | None
    continues_all: bool
    #: Counts a trace that nobody samples.
    count_unsampled: Callable[[], object]


@lru_cache(maxsize=1)  # a process has one client
def rules(client: BaseClient) -> Rules:
    """Return what holds for a client, read once."""
    options, transport = client.options, client.transport
    own, rate = client.parsed_dsn.org_id if client.parsed_dsn else None, options["traces_sample_rate"]
    is_share = has_tracing_enabled(options) and type(rate) in {int, float} and 0 <= rate <= 1
    count: Callable[[], object] = partial(lose_trace, client, "sample_rate")
    if isinstance(transport, WorkerTransport):
        count = transport.unsampled.count
    return Rules(
        on_each=callable(options["traces_sampler"]),
        rate=rate if is_share else None,
        organisation=own,
        continues_all=own is None and not options["strict_trace_continuation"],
        count_unsampled=count,
    )


def lose_trace(client: BaseClient, reason: str) -> None:
    """Count what an unsampled trace leaves out, one by one."""
    if client.transport is not None:
        for category in categories_of_trace(client.options):
            client.transport.record_lost_event(reason, data_category=category)
