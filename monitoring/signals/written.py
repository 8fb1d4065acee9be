"""The trace of an attempt that nobody looked at, as text, in either of the SDK's lifecycles.

What is written here is what the SDK would have sent, word for word: a test compares the two. Everything that comes from
an application is scrubbed, and what was scrubbed before is remembered, as long as no other secret becomes known.
"""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sentry_sdk.scope import Scope, global_event_processors
from sentry_sdk.utils import get_current_thread_meta, serialize_attribute

from monitoring import scrubbing, transactions
from monitoring.latency import iso_moment
from monitoring.metrics import texts
from monitoring.scrubbing.registry import SECRETS
from monitoring.signals.tracing import PROCESS_OP, SOURCE, TASK_OP
from monitoring.spans import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentry_sdk.client import BaseClient

    from monitoring.signals.attempt import Attempt

_HEX_ID: Final = re.compile(r"[0-9a-f-]{16,36}")
_TASK_ID: Final = "celery_task_id"


class Ids(NamedTuple):
    """Name the two spans of an attempt and their trace, in hexadecimal."""

    trace: str
    #: None for a trace that begins with the attempt.
    parent: str | None
    segment: str
    processing: str


class Times(NamedTuple):
    """Say when an attempt began (wall clock), and by the monotonic one when it began, ended, and was done with."""

    started: float
    began: float
    ended: float
    done: float

    @property
    def wall(self) -> tuple[float, float, float]:
        """Return all three by the wall clock."""
        return self.started, self.started + self.ended - self.began, self.started + self.done - self.began


def transaction(attempt: Attempt, outcome: str, times: Times, ids: Ids, event_id: str) -> str | None:
    """Spell the transaction of an attempt that ended well; None if more is at play than is known here."""
    around = _around(attempt.client, SECRETS.generation, len(global_event_processors))
    tags = _tags(attempt, outcome)
    if around is None or tags is None:
        return None
    started, ended, done = map(iso_moment, times.wall)
    thread, name = _thread(), _spelled(attempt.task.name)
    parent = f'"{ids.parent}"' if ids.parent is not None else "null"
    return (
        f'{{{around[0]}"type":"transaction","transaction":{name},"transaction_info":{{"source":"{SOURCE}"}},'
        f'"contexts":{{{around[1]}"trace":{{"trace_id":"{ids.trace}","span_id":"{ids.segment}",'
        f'"parent_span_id":{parent},"op":"{TASK_OP}","description":null,"origin":"{ORIGIN}","status":"ok",'
        f'"data":{_object(thread)}}},"celery":{_object(attempt.celery_context())}}},"tags":{tags},"measurements":{{}},'
        f'"timestamp":"{done}","start_timestamp":"{started}",'
        f'"spans":[{{"trace_id":"{ids.trace}","span_id":"{ids.processing}","parent_span_id":"{ids.segment}",'
        f'"same_process_as_parent":true,"op":"{PROCESS_OP}","description":{name},"origin":"{ORIGIN}","status":"ok",'
        f'"tags":{{"status":"ok"}},"start_timestamp":"{started}","timestamp":"{ended}",'
        f'"data":{_object({**thread, **attempt.process_data()})}}}],"event_id":"{event_id}"}}'
    )


def spans(attempt: Attempt, outcome: str, times: Times, ids: Ids) -> str | None:
    """Spell the two streamed spans of an attempt that ended well; None if more is at play than is known here."""
    common = {**attempt.scopes.attributes, **attempt.received.words(outcome).known()}
    try:
        told = _attributes_spelled(tuple(common.items()), SECRETS.generation)
    except TypeError:
        return None
    started, ended, done = times.wall
    thread, name = _thread(), _spelled(attempt.task.name)
    parent = f'"parent_span_id":"{ids.parent}",' if ids.parent is not None else ""
    both = f'"sentry.segment.id":{_attribute(ids.segment)},"sentry.segment.name":{_attribute(attempt.task.name)},{told}'
    return (
        f'{{"version":2,"items":[{{"trace_id":"{ids.trace}","span_id":"{ids.processing}","name":{name},"status":"ok",'
        f'"is_segment":false,"start_timestamp":{started:.6f},"end_timestamp":{ended:.6f},'
        f'"parent_span_id":"{ids.segment}","attributes":{{{_LIFECYCLE},"sentry.op":{_attribute(PROCESS_OP)},'
        f"{_attributes({**thread, **attempt.process_data()})}{both}}}}},"
        f'{{"trace_id":"{ids.trace}","span_id":"{ids.segment}","name":{name},"status":"ok","is_segment":true,'
        f'"start_timestamp":{started:.6f},"end_timestamp":{done:.6f},{parent}'
        f'"attributes":{{{_LIFECYCLE},"sentry.op":{_attribute(TASK_OP)},'
        f'"sentry.segment.name.source":{_attribute(SOURCE)},{_attributes(thread)}'
        f"{_of_segments(attempt.client, SECRETS.generation)},{both}}}}}]}}"
    )


def _thread() -> dict[str, Any]:
    number, name = get_current_thread_meta()
    return {"thread.id": str(number), "thread.name": name} if number is not None else {}


def _tags(attempt: Attempt, outcome: str) -> str | None:
    """Spell the tags that the scopes would have; None if there is more on them, or no text among them."""
    current, isolation = attempt.scopes.before
    ambient = Scope.get_global_scope(), isolation, current
    if any(map(_holds_more, ambient)):
        return None
    told = attempt.tags(attempt.received.words().known())
    own = told.pop(_TASK_ID)
    everywhere, below, above = (scope._tags for scope in ambient)  # noqa: SLF001  # no public reader for them
    tags = {**everywhere, **below, **told, "outcome": outcome, **above}
    if _TASK_ID in above:
        return None
    try:
        return f'{{{_tags_spelled(tuple(tags.items()), SECRETS.generation)},"{_TASK_ID}":{_spelled(own)}}}'
    except TypeError:
        return None


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
    """Spell tags, scrubbed. Raises TypeError for one that is no text."""
    event: Any = {"tags": texts(tags)}
    return _inner(scrubbing.scrub_event(event, {})["tags"])


@lru_cache(maxsize=4096)
def _attributes_spelled(attributes: tuple[tuple[str, Any], ...], generation: int) -> str:  # noqa: ARG001  # part of the key
    """Do the same for attributes."""
    return _serialized(texts(attributes))


def _serialized(attributes: Mapping[str, Any]) -> str:
    span: Any = {"attributes": attributes}
    cleaned: Any = scrubbing.scrub_span(span, {})["attributes"]
    return _inner({name: serialize_attribute(value) for name, value in cleaned.items()})


#: What the SDK's integrations for every process add to events: the same to each transaction.
_CONSTANT: Final = frozenset(
    f"sentry_sdk.integrations.{name}"
    for name in ("argv", "dedupe", "modules", "stdlib", "pure_eval", "executing", "gnu_backtrace")
)


@lru_cache(maxsize=1)  # a process has one client
def _around(client: BaseClient, generation: int, processors: int) -> tuple[str, str] | None:  # noqa: ARG001  # parts of the key
    """Spell what is the same in every transaction of a process: sections, and contexts. None if that is not known."""
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


def _attributes(values: Mapping[str, Any]) -> str:
    return "".join([f'"{name}":{_attribute(value)},' for name, value in values.items() if value is not None])


def _attribute(value: Any) -> str:
    return f'{{"value":{_spelled(value)},"type":"{_TYPES[type(value)]}"}}'


_TYPES: Final = {str: "string", int: "integer", float: "double"}
_LIFECYCLE: Final = (
    f'"sentry.origin":{{"value":"{ORIGIN}","type":"string"}},'
    '"sentry.trace_lifecycle":{"value":"stream","type":"string"}'
)


@lru_cache(maxsize=1)  # a process has one client
def _of_segments(client: BaseClient, generation: int) -> str:  # noqa: ARG001  # part of the key
    """Spell what the SDK says of its process on every segment."""
    told = {
        "sentry.platform": "python",
        "process.command_args": sys.argv,
        "sentry.sdk.integrations": sorted(client.integrations),
    }
    if client.options["dist"]:
        told["sentry.dist"] = str(client.options["dist"]).strip()
    return _serialized(told)
