"""The sections of an event: each has its own reading, and fails on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from monitoring.scrubbing.envelopes import scrub_shared
from monitoring.scrubbing.frames import scrub_frame
from monitoring.scrubbing.marks import FAILED, FILTERED
from monitoring.scrubbing.readings import ANYWHERE, HEADERS, QUERY, USER
from monitoring.scrubbing.text import clean
from monitoring.scrubbing.walk import Walk
from monitoring.scrubbing.words import verbatim

_SHARED: Final = "dynamic_sampling_context"

Scrub = Callable[[object, Walk], object]


def text(value: object, walk: Walk) -> object:
    """Clean a text."""
    return walk.value(value)


def anything(value: object, walk: Walk) -> object:
    """Clean a value of any form."""
    return walk.value(value)


def as_is(value: object, _: Walk) -> object:
    """Leave what the SDK itself wrote and no application can fill."""
    return value


def stacktrace(value: object, walk: Walk) -> object:
    """Clean the frames of a stack trace."""
    if not isinstance(value, Mapping):
        return walk.value(value)
    return {
        key: [scrub_frame(frame, walk) for frame in item]
        if key == "frames" and isinstance(item, list)
        else walk.value(item)
        for key, item in value.items()
    }


def traces(value: object, walk: Walk) -> object:
    """Clean `exception` or `threads`: a list of entries, each with its stack traces."""
    return _values(value, lambda entry: _entry(entry, _TRACED, walk))


def breadcrumbs(value: object, walk: Walk) -> object:
    """Clean a list of breadcrumbs."""
    return _values(value, walk.value)


def contexts(value: object, walk: Walk) -> object:
    """Clean the contexts."""
    cleaned = walk.value(value)
    if isinstance(value, Mapping) and isinstance(cleaned, dict):
        trace, told = value.get("trace"), cleaned.get("trace")
        shared = trace.get(_SHARED) if isinstance(trace, Mapping) else None
        if isinstance(shared, Mapping) and isinstance(told, dict):
            told[_SHARED] = scrub_shared(shared)
    return cleaned


def spans(value: object, _: Walk) -> object:
    """Clean a list of spans. Each has bounds of its own: a long transaction keeps all of them."""
    return _values(value, _span)


def _span(value: object) -> object:
    return Walk().mapping(value, ANYWHERE, _SPAN) if isinstance(value, Mapping) else Walk().value(value)


def request(value: object, walk: Walk) -> object:
    """Clean an HTTP request: headers, cookies, query, body, environment."""
    return _entry(value, _REQUEST, walk)


def user(value: object, walk: Walk) -> object:
    """Keep who it is for us (`id`, tiers), take out who it is for the world."""
    # An address on the net is left out, not marked: Sentry reads that field and refuses a mark.
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if key != "ip_address"}
    return walk.value(value, USER)


def logentry(value: object, walk: Walk) -> object:
    """Clean a log message and its parameters; what the message may not show is not shown beside it either."""
    if not isinstance(value, Mapping):
        return walk.value(value)
    cleaned = walk.mapping(value, ANYWHERE)
    before = value.get("formatted") or _filled(value)
    if isinstance(before, str) and cleaned.get("params"):
        cleaned["params"] = without_hidden(cleaned["params"], before, clean(before))
    return cleaned


def without_hidden(params: object, before: str, after: str) -> object:
    """Mark the parameters that stood in a text before it was cleaned and no longer stand in it."""
    if isinstance(params, Mapping):
        return {key: _hidden(item, before, after) for key, item in params.items()}
    if isinstance(params, list | tuple):
        return [_hidden(item, before, after) for item in params]
    return params


def _hidden(value: object, before: str, after: str) -> object:
    shown = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return FILTERED if shown and shown in before and shown not in after else value


def _filled(entry: Mapping[str, object]) -> str | None:
    message, params = entry.get("message"), entry.get("params")
    if not isinstance(message, str) or not params:
        return None
    try:
        return message % (tuple(params) if isinstance(params, list) else params)
    except (TypeError, ValueError, KeyError):
        return None


def _values(value: object, scrub: Callable[[object], object]) -> object:
    if isinstance(value, Mapping):
        return {key: _values(item, scrub) if key == "values" else scrub(item) for key, item in value.items()}
    return [scrub(item) for item in value] if isinstance(value, list | tuple) else scrub(value)


def _entry(value: object, table: Mapping[str, Scrub], walk: Walk) -> object:
    if not isinstance(value, Mapping):
        return walk.value(value)
    parts = {key: item for key, item in value.items() if key in table}
    rest = walk.mapping({key: item for key, item in value.items() if key not in table}, ANYWHERE)
    return {**rest, **{key: table[key](item, walk) for key, item in parts.items()}}


def _cookies(value: object, _: Walk) -> object:
    if isinstance(value, Mapping):
        return dict.fromkeys(value, FILTERED)
    return FILTERED if value else value


def _query(value: object, walk: Walk) -> object:
    return clean(value, QUERY) if isinstance(value, str) else walk.value(value, QUERY)


_TRACED: Final[Mapping[str, Scrub]] = {
    "stacktrace": stacktrace,
    "raw_stacktrace": stacktrace,
    "module": as_is,
    "type": text,
}
_REQUEST: Final[Mapping[str, Scrub]] = {
    "headers": lambda value, walk: walk.value(value, HEADERS),
    "cookies": _cookies,
    "query_string": _query,
    "env": lambda value, walk: walk.value(value, ANYWHERE),
}

_SPAN: Final = verbatim("trace_id span_id parent_span_id same_process_as_parent start_timestamp timestamp")

SECTIONS: Final[Mapping[str, Scrub]] = {
    "exception": traces,
    "threads": traces,
    "stacktrace": stacktrace,
    "breadcrumbs": breadcrumbs,
    "contexts": contexts,
    "spans": spans,
    "request": request,
    "user": user,
    "logentry": logentry,
    **dict.fromkeys(
        verbatim("""
            event_id type timestamp start_timestamp received level platform sdk modules release environment dist
            server_name check_in_id status duration monitor_config transaction_info measurements profile
        """),
        as_is,
    ),
}

# What stands in the place of a section that could not be cleaned; it must have the section's own form.
_TEXTS: Final = frozenset({"message", "transaction", "logger", "culprit", "monitor_slug"})
_LISTS: Final = frozenset({"spans", "fingerprint", "errors"})
_VALUES: Final = frozenset({"exception", "threads", "breadcrumbs"})


def substitute(name: str, value: object, error: Exception) -> object:
    """Return a harmless stand-in for a section, in the form in which Sentry expects it."""
    if name == "exception":
        return {"values": [{"type": kind, "value": FAILED} for kind in _types_of(value)]}
    if name in _VALUES:
        return {"values": []}
    if name in _TEXTS:
        return FAILED
    if name in _LISTS:
        return []
    if name == "logentry":
        return {"message": FAILED}
    return {} if name in ("tags", "modules", "_meta") else {"scrubbing_failed": type(error).__name__}


def _types_of(value: object) -> list[str]:
    entries = value.get("values") if isinstance(value, Mapping) else value
    types = [entry.get("type") for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    return [name if isinstance(name, str) and name.isidentifier() else "Error" for name in types] or ["Error"]
