"""An event in one line: what a list of failures shows before one is opened. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .runs import seconds, tags, text

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLE_LENGTH: Final = 200


def summary(event: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an event by bounded texts, whatever it holds. `attempts` and `crumbs` are counts."""
    attempts = _list(_dict(_dict(event.get("contexts")).get("attempts")).get("records"))
    return {
        "title": _title(event),
        "at": seconds(event.get("timestamp")),
        "transaction": text(event.get("transaction")),
        "environment": text(event.get("environment")),
        "release": text(event.get("release")),
        "tags": dict(list(tags(event).items())[:50]),
        "attempts": len(attempts),
        "crumbs": len(_values(event.get("breadcrumbs"))),
    }


def _title(event: Mapping[str, Any]) -> str:
    exceptions = _values(event.get("exception"))
    if exceptions and isinstance(exceptions[-1], dict):  # Sentry's order: the outermost exception comes last
        kind, value = text(exceptions[-1].get("type")) or "Error", text(exceptions[-1].get("value"))
        return f"{kind}: {value}"[:TITLE_LENGTH] if value else kind
    entry = _dict(event.get("logentry"))
    return text(entry.get("formatted")) or text(entry.get("message")) or text(event.get("message")) or "(no message)"


def _values(section: object) -> list[Any]:
    """Read both of Sentry's forms of a list: bare, or under `values`."""
    return _list(_dict(section).get("values")) if isinstance(section, dict) else _list(section)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
