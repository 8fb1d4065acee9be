"""The transaction of an attempt that nobody looked at: written down as text, without a span or a scope being made.

Most tasks leave no span, no breadcrumb and no error, and what is sent of them is the same but for ids, times and names.
To have it built, merged, scrubbed and encoded costs twenty times what it takes to write it down. What is written here
is what the SDK would have sent (a test compares them); where more than that is at play, it is left to the SDK.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

import sentry_sdk
from sentry_sdk.envelope import Envelope, Item
from sentry_sdk.scope import Scope, global_event_processors
from sentry_sdk.tracing import BAGGAGE_HEADER_NAME, SENTRY_TRACE_HEADER_NAME
from sentry_sdk.tracing_utils import has_span_streaming_enabled, has_tracing_enabled
from sentry_sdk.utils import capture_internal_exceptions, format_timestamp, get_current_thread_meta

from monitoring import scrubbing, transactions
from monitoring.delivery.transport import WorkerTransport
from monitoring.scrubbing.registry import SECRETS
from monitoring.signals.tracing import PROCESS_OP, SOURCE, TASK_OP, continues
from monitoring.spans import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentry_sdk.client import BaseClient

    from monitoring.signals.attempt import Attempt

_SAMPLED: Final = re.compile("([0-9a-f]{32})-([0-9a-f]{16})-1")
_HEX_ID: Final = re.compile(r"[0-9a-f-]{16,36}")
_BAGGAGE_PREFIX: Final = "sentry-"

#: Not of the SDK's: it asks the kernel for each, and an application that seeds `random` would get the same ids again.
_ids: Final = random.Random()  # noqa: S311  # names, not secrets
os.register_at_fork(after_in_child=_ids.seed)


@dataclass(slots=True)
class Untouched:
    """Hold the place in its trace of an attempt that is sampled, and that nobody has looked at so far."""

    trace_id: str
    parent_span_id: str
    baggage: str
    span_id: str = field(default_factory=lambda: f"{_ids.getrandbits(64):016x}")


def sampled_by_message(headers: Mapping[str, str]) -> Untouched | None:
    """Return the place in the trace that a message names, if it says all there is to know; else None."""
    found = _SAMPLED.fullmatch(headers.get(SENTRY_TRACE_HEADER_NAME, ""))
    if found is None:
        return None
    client, baggage = sentry_sdk.get_client(), headers.get(BAGGAGE_HEADER_NAME, "")
    # Without that number the SDK draws one, and with a full queue it samples less.
    if "sentry-sample_rand=" not in baggage or not _is_plain(client) or not cast("Any", client.transport).is_healthy():
        return None
    return Untouched(found[1], found[2], baggage) if continues(client, headers) else None


def send(attempt: Attempt, place: Untouched, outcome: str, now: float) -> bool:
    """Send the transaction of an attempt that ended well; False if that is left to the SDK, and nothing was done.

    `now` is when it ends, monotonic seconds.
    """
    client, envelope = sentry_sdk.get_client(), None
    with capture_internal_exceptions():
        envelope = _written(attempt, place, outcome, now, client)
    if envelope is None or client.transport is None:
        return False
    client.transport.capture_envelope(envelope)
    return True


def _written(attempt: Attempt, place: Untouched, outcome: str, now: float, client: BaseClient) -> Envelope | None:
    around, tags = _around(client), _tags(attempt, outcome)
    if around is None or tags is None:
        return None
    event_id, ended = f"{_ids.getrandbits(128):032x}", attempt.ended_at or now
    started, thread_id, thread_name = attempt.started, *get_current_thread_meta()
    thread = {"thread.id": str(thread_id), "thread.name": thread_name}
    name = _spelled(attempt.task.name)
    trace_id, span_id = f'"trace_id":"{place.trace_id}"', f'"span_id":"{place.span_id}"'
    text = (
        f'{{{around[0]}"type":"transaction","transaction":{name},"transaction_info":{{"source":"{SOURCE}"}},'
        f'"contexts":{{{around[1]}"trace":{{{trace_id},{span_id},"parent_span_id":"{place.parent_span_id}",'
        f'"op":"{TASK_OP}","description":null,"origin":"{ORIGIN}","status":"ok","data":{_object(thread)}}},'
        f'"celery":{_object(attempt.celery_context())}}},"tags":{tags},"measurements":{{}},'
        f'"timestamp":"{_moment(started + now - attempt.started_at)}","start_timestamp":"{_moment(started)}",'
        f'"spans":[{{{trace_id},"span_id":"{_ids.getrandbits(64):016x}","parent_span_id":"{place.span_id}",'
        f'"same_process_as_parent":true,"op":"{PROCESS_OP}","description":{name},"origin":"{ORIGIN}","status":"ok",'
        f'"tags":{{"status":"ok"}},"start_timestamp":"{_moment(started)}",'
        f'"timestamp":"{_moment(started + ended - attempt.started_at)}",'
        f'"data":{_object({**thread, **attempt.process_data()})}}}],"event_id":"{event_id}"}}'
    )
    headers = {"event_id": event_id, "sent_at": format_timestamp(datetime.now(UTC)), "trace": _shared(place.baggage)}
    envelope = Envelope(headers=cast("Any", headers))
    payload = transactions.Written(text.encode(), spans=1)
    envelope.add_item(Item(payload=payload, type="transaction", content_type="application/json"))
    return envelope


def _tags(attempt: Attempt, outcome: str) -> str | None:
    """Spell the tags that the scopes would have; None if there is more on them, or no text among them."""
    current, isolation = attempt.scopes.before
    ambient = Scope.get_global_scope(), isolation, current
    if any(map(_holds_more, ambient)):
        return None
    told = attempt.tags()
    own = told.pop(_TASK_ID)
    everywhere, below, above = (scope._tags for scope in ambient)  # noqa: SLF001  # no public reader for them
    tags = {**everywhere, **below, **told, "outcome": outcome, **above}
    if _TASK_ID in above:
        return None
    try:
        return f'{{{_tags_spelled(tuple(tags.items()), SECRETS.generation)},"{_TASK_ID}":{_spelled(own)}}}'
    except TypeError:
        return None


_TASK_ID: Final = "celery_task_id"


def _holds_more(scope: Scope) -> bool:
    """Say whether a scope holds anything of a transaction but tags."""
    return bool(
        scope._contexts  # noqa: SLF001  # here and below: no public reader for them
        or scope._extras  # noqa: SLF001
        or scope._event_processors  # noqa: SLF001
        or scope._attachments  # noqa: SLF001
        or scope._user is not None  # noqa: SLF001
        or scope._level is not None  # noqa: SLF001
        or scope._fingerprint is not None  # noqa: SLF001
    )


@lru_cache(maxsize=4096)
def _tags_spelled(tags: tuple[tuple[str, Any], ...], generation: int) -> str:  # noqa: ARG001  # part of the key
    """Spell tags, scrubbed. Raises TypeError for one that is no text: to a cache 1, 1.0 and True are one key."""
    if not all(type(value) is str for _, value in tags):
        raise TypeError("a tag is no text")
    event: Any = {"tags": dict(tags)}
    return _inner(scrubbing.scrub_event(event, {})["tags"])


_kept_plain: tuple[BaseClient, bool] | None = None


def _is_plain(client: BaseClient) -> bool:
    """Say whether a client does nothing to a transaction but what is done here."""
    global _kept_plain  # noqa: PLW0603  # one entry: a process has one client
    if _kept_plain is None or _kept_plain[0] is not client:
        options = client.options
        plain = (
            isinstance(client.transport, WorkerTransport)
            and has_tracing_enabled(options)
            and not has_span_streaming_enabled(options)
            and not callable(options["traces_sampler"])
            and not any(options[name] for name in _PROFILING)
            and not any(name.startswith(("profile", "continuous_profil")) for name in options["_experiments"] or ())
            and transactions.is_untreated(client)
        )
        _kept_plain = client, plain
    return _kept_plain[1]


_PROFILING: Final = ("profiles_sample_rate", "profiles_sampler", "profile_session_sample_rate")

#: What the SDK's integrations for every process add to events: the same to each transaction.
_CONSTANT: Final = frozenset(
    f"sentry_sdk.integrations.{name}"
    for name in ("argv", "dedupe", "modules", "stdlib", "pure_eval", "executing", "gnu_backtrace")
)

_kept_around: tuple[BaseClient, int, int, tuple[str, str] | None] | None = None


def _around(client: BaseClient) -> tuple[str, str] | None:
    """Spell what is the same in every transaction of a process: sections, and contexts. None if that is not known."""
    global _kept_around  # noqa: PLW0603  # one entry, as above
    generation, processors = SECRETS.generation, len(global_event_processors)
    kept = _kept_around
    if kept is None or kept[0] is not client or kept[1:3] != (generation, processors):
        kept = _kept_around = client, generation, processors, _learned(client)
    return kept[3]


def _learned(client: BaseClient) -> tuple[str, str] | None:
    event: Any = {"type": "transaction", "contexts": {}}
    for processor in global_event_processors:
        if processor.__module__ not in _CONSTANT:
            return None
        event = processor(event, {})
        if event is None:
            return None
    del event["type"]
    event = {**transactions.constants(client), **scrubbing.scrub_transaction(event, {})}
    contexts = event.pop("contexts")
    return tuple(f"{text}," if (text := _inner(part)) else "" for part in (event, contexts))  # type: ignore[return-value]


def _inner(values: Any) -> str:
    return json.dumps(values, separators=(",", ":"))[1:-1]


def _object(values: Mapping[str, Any]) -> str:
    """Spell values under names of ours, scrubbed; what is None is left out."""
    told = ",".join([f'"{name}":{_spelled(value)}' for name, value in values.items() if value is not None])
    return f"{{{told}}}"


def _spelled(value: Any) -> str:
    kind = type(value)
    if kind is str:
        if _HEX_ID.fullmatch(value):
            return f'"{scrubbing.scrub_text(value)}"'
        return _text(value, SECRETS.generation) if len(value) <= _KEPT_TEXT else _text.__wrapped__(value, 0)
    if kind is int or (kind is float and value - value == 0.0):
        return repr(value)
    return json.dumps(scrubbing.scrub_value(value), default=str)


_KEPT_TEXT: Final = 64


@lru_cache(maxsize=1024)
def _text(text: str, generation: int) -> str:  # noqa: ARG001  # part of the key
    return json.dumps(scrubbing.scrub_text(text))


def _moment(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1e6):06d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _shared(baggage: str) -> dict[str, str]:
    """Read what all of a trace's transactions share, as the SDK does."""
    shared = {}
    for item in baggage.split(","):
        key, equals, value = item.strip().partition("=")
        if equals and key.startswith(_BAGGAGE_PREFIX):
            key = key.split("-")[1]
            shared[unquote(key) if "%" in key else key] = unquote(value) if "%" in value else value
    return shared
