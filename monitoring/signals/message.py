"""What a task message carries for monitoring: context, clocks and the trail, in one bounded header.

The header is one JSON string, so that its size is known and every transport takes it. It is written at the top level
and below `headers`, because Celery re-sends only the latter on a retry; an inner dictionary hides what the application
put at the top level from `task.request.headers`, so the application's own headers are copied into it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from monitoring.breadcrumbs import Trail
from monitoring.context import NOTHING, TradingContext
from monitoring.latency import is_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER: Final = "worker-monitoring"
#: What the stock SDK calls the time of publish; understood when a producer has nothing better, and told to its workers.
ENQUEUED_TIME: Final = "sentry-task-enqueued-time"

_VERSION: Final = 1
#: A header that is longer than anything we write is not ours.
_MAX_READ: Final = 64 * 1024

#: Celery's own headers (protocol 2). Everything else at the top level belongs to somebody.
_CELERY_HEADERS: Final = frozenset(
    {
        "lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id",
        "parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers",
        "stamps", "headers", "compression",
    }
)  # fmt: skip


class MalformedHeaderError(ValueError):
    """A message came with a monitoring header that we did not write."""


NO_TRAIL: Final = Trail()


class Carried(NamedTuple):
    """Hold what a message says: when it was published, when the task was first, for whom, and what happened before.

    Times are wall clock, in seconds since the epoch.
    """

    published: float | None = None
    first_published: float | None = None
    context: TradingContext = NOTHING
    trail: Trail = NO_TRAIL

    def encoded(self, limit: int) -> str:
        """Return the header's text, of at most `limit` bytes (ASCII)."""
        values: dict[str, Any] = {"v": _VERSION, "p": self.published}
        if self.first_published != self.published:
            values["f"] = self.first_published
        for field, value in self.context.known().items():
            # Outside of ASCII a character takes up to 12 bytes; a name that fills the header is no name.
            context = {**values.get("c", {}), field: value}
            if len(_json({**values, "c": context})) <= limit:
                values["c"] = context
        if self.trail != NO_TRAIL:
            room = limit - len(_json(values)) - len(',"a":,"b":,"d":00000')
            if room >= len("[][]"):
                values |= self.trail.packed(room)
        return _json(values)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"))


#: Without the look for white space around it: there is none in what we write.
_read: Final = json.JSONDecoder().raw_decode


def decoded(text: object) -> Carried:
    """Read a header back. Raises MalformedHeaderError; what it returns is bounded and of the right types."""
    if not isinstance(text, str) or len(text) > _MAX_READ:
        raise MalformedHeaderError("not a text of ours")
    try:
        values, end = _read(text)
        if end != len(text):
            raise MalformedHeaderError("more than was written")
        published, first = values["p"], values.get("f", values["p"])
        if values["v"] != _VERSION or not (is_moment(published) and (first is published or is_moment(first))):
            raise MalformedHeaderError("another version")
        context = values.get("c", {})
        return Carried(
            float(published),
            float(first),
            TradingContext.of(context) if context else NOTHING,
            Trail.unpacked(values) if "a" in values or "b" in values else NO_TRAIL,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedHeaderError(str(error)) from error


def write(headers: dict[str, Any], ours: Mapping[str, Any]) -> None:
    """Add our headers to a message that is about to be published. A new inner dictionary each time: members of a group
    may share the old one.
    """  # noqa: D205  # the promise needs its reason
    stamped = headers.get("stamped_headers") or ()
    inner = {key: value for key, value in headers.items() if key not in _CELERY_HEADERS and key not in stamped}
    nested = headers.get("headers")
    if isinstance(nested, dict):
        inner = {**inner, **nested}
    headers.update(ours)
    headers["headers"] = {**inner, **ours}


def header(request: Any, name: str) -> Any:
    """Return a header of a received message, from either place, or None."""
    value = request.get(name)
    if value is None:
        nested = request.get("headers")
        value = nested.get(name) if isinstance(nested, dict) else None
    return value
