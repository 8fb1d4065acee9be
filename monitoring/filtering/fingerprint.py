"""What makes two events the same trouble: exchange, error and task; never an id, a time or a signature."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sentry_sdk.types import Event

    from monitoring.filtering.classify import Classification
    from monitoring.filtering.operations import Operation

_VARIABLE: Final = (
    (re.compile(r"[a-z][a-z0-9+.-]*://[^\s?#]*[^\s]*", re.IGNORECASE), "<url>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"0x[0-9a-f]+", re.IGNORECASE), "<hex>"),
    # Signatures, keys and order ids: long, and with a digit in them.
    (re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}"), lambda found: "<id>" if any(map(str.isdigit, found[0])) else found[0]),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
)  # fmt: skip

_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")
_LONGEST: Final = 200


def template_of(message: str) -> str:
    """Return a message with everything that varies from one occurrence to the next taken out."""
    text = message[: 4 * _LONGEST]
    for pattern, replacement in _VARIABLE:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())[:_LONGEST]


def told_code(code: str | None) -> str | None:
    """Return an error's code as it is told. It is a text from outside: kraken writes a sentence there."""
    if code is None or code.lstrip("-").isdigit() or _SQLSTATE.fullmatch(code):
        return code
    return template_of(code)


def fingerprint_of(event: Event, classification: Classification | None, operation: Operation) -> tuple[str, ...]:
    """Return the parts that name an event's trouble, the same in every process."""
    if classification is None:
        return ("message", str(event.get("logger") or ""), template_of(_message_of(event)), operation.task)
    if classification.row is None:
        return ("error", *_where(event), operation.exchange, operation.task)
    error = told_code(classification.code) or classification.error_class
    return (classification.kind, operation.exchange, error, operation.task or operation.name)


def _message_of(event: Event) -> str:
    entry: Any = event.get("logentry") or {}
    return str(entry.get("message") or event.get("message") or "")


def _where(event: Event) -> tuple[str, str]:
    """Return the class and the innermost place of an error that the table does not know."""
    values: Any = (event.get("exception") or {}).get("values") or [{}]
    last = values[-1]
    frames = (last.get("stacktrace") or {}).get("frames") or [{}]
    own = next((frame for frame in reversed(frames) if frame.get("in_app")), frames[-1])
    kind = f"{last.get('module') or ''}.{last.get('type') or ''}"
    return kind, f"{own.get('module') or own.get('filename') or ''}:{own.get('function') or ''}"
