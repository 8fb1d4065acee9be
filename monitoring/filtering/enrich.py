"""What the filter writes on the events it keeps: kind, level, fingerprint, and what was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitoring.filtering.fingerprint import told_code
from monitoring.filtering.operations import tags_of
from monitoring.latency import iso_time

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from sentry_sdk.types import Event

    from monitoring.filtering.decision import Decision
    from monitoring.filtering.window import Outage

_LEVELS = ("debug", "info", "warning", "error", "fatal")


def enrich(event: Event, decision: Decision) -> Event:
    """Write a decision's findings on the event it keeps. A fingerprint of the application's own stays."""
    tags = _writable_tags(event)
    for name in decision.failed:
        tags["filter_failed"] = name
    what = decision.classification
    if what is not None:
        tags["error_kind"] = what.kind
        if what.row is not None:
            at_least = "error" if decision.rule == "money_failed" else what.severity
            event["level"] = max(what.severity, at_least, key=_LEVELS.index)
            event.setdefault("fingerprint", list(decision.fingerprint))
        elif decision.operation.task:
            # By its stack trace; but the same error of another task or on another exchange is another trouble.
            event.setdefault("fingerprint", ["{{ default }}", decision.operation.exchange, decision.operation.task])
        if code := told_code(what.code):
            tags["error_code"] = code
    if decision.operation.exchange:
        tags.setdefault("exchange", decision.operation.exchange)
    if decision.held_back:
        tags["held_back"] = str(decision.held_back)
    if decision.verdict is not None and decision.verdict.outage is not None:
        tags["persistent"] = "true"
        event.setdefault("contexts", {})["persistence"] = described(decision.verdict.outage)
    return event


def mark_failed(event: Event, name: str) -> Event:
    """Say on an event which part of the filter failed; it is kept."""
    _writable_tags(event)["filter_failed"] = name
    return event


def described(outage: Outage) -> dict[str, Any]:
    """Tell an outage in plain values."""
    return {
        "count": outage.total,
        "first_seen": iso_time(outage.first_seen),
        "last_seen": iso_time(outage.last_seen),
        "duration_s": round(outage.last_seen - outage.first_seen, 1),
        "affected_bots": list(outage.bots),
        "operation": outage.key.operation,
        "error_class": outage.key.error_class,
    }


def recovered(outage: Outage) -> Event:
    """Return the message to send when an outage is over."""
    lasted = _words(outage.last_seen - outage.first_seen)
    what = " ".join(part for part in (outage.key.exchange, outage.key.operation or outage.task) if part) or "it"
    tags = {"error_kind": outage.kind, "exchange": outage.key.exchange, "task": outage.task, "recovered": "true"}
    return {
        "message": f"Recovered: {what} works again after {lasted} ({outage.total} tasks failed: {outage.kind})",
        "level": "info",
        "tags": {name: value for name, value in tags.items() if value},
        "fingerprint": ["recovered", outage.kind, outage.key.exchange, outage.key.operation or outage.task],
        "contexts": {"persistence": described(outage)},
    }


def _writable_tags(event: Event) -> MutableMapping[str, str]:
    if not isinstance(event.get("tags"), dict):
        event["tags"] = dict(tags_of(event))
    return event["tags"]


def _words(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
