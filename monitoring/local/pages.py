"""What can be read: the page and its files, and the JSON behind it. Paths and parameters in, answers out."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qs

from . import queries
from .envelope import JSON_TYPES, RefusedError
from .performance import COLUMNS, DIMENSIONS
from .queries import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .store import Store

JSON: Final = "application/json; charset=utf-8"
LEVELS: Final = ("fatal", "error", "warning", "info", "debug")
MAX_LIMIT: Final = 1000

FILES: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
    "/static/page.css": ("page.css", "text/css; charset=utf-8"),
    **{
        f"/static/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
        for name in ("page", "table", "failures", "intake", "plots", "format", "dom")
    },
}

# What is shown was sent by anybody: nothing but the page's own files may run, load or frame it.
SAFETY: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold an answer to a GET. With an `etag`, an unchanged answer is sent as 304 without its body."""

    body: bytes
    content_type: str = JSON
    status: int = 200
    etag: str | None = None


class Parameters:
    """Read a query string by rules; a value that breaks its rule is refused by name."""

    def __init__(self, query: str) -> None:
        self._values = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}

    def text(self, name: str) -> str | None:
        """Return the text, None when it is not given."""
        return self._values.get(name)

    def number(self, name: str, default: float | None, most: float) -> float | None:
        """Return a number above 0, at most `most`."""
        value = self._values.get(name) or default
        try:
            number = None if value is None else float(value)
        except ValueError:
            number = -1.0
        if number is not None and not 0 < number <= most:
            _refuse(f"{name} must be a number above 0 and at most {most:g}, got {str(value)[:40]!r}")
        return number

    def count(self, name: str, default: int) -> int:
        """Return a whole number from 1 to MAX_LIMIT."""
        return max(1, int(self.number(name, default, MAX_LIMIT) or default))

    def choice(self, name: str, default: str, allowed: frozenset[str]) -> str:
        """Return one of the allowed texts."""
        value = self._values.get(name) or default
        if value not in allowed:
            _refuse(f"{name} must be one of {', '.join(sorted(allowed))}; got {value[:40]!r}")
        return value

    def choices(self, name: str, default: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
        """Return some of the allowed texts, given with commas between them, in the order of `allowed`."""
        given = {part for part in (self._values.get(name) or ",".join(default)).split(",") if part}
        if unknown := given.difference(allowed):
            _refuse(f"{name} takes {', '.join(allowed)}; got {min(unknown)[:40]!r}")
        return tuple(value for value in allowed if value in given)

    def selection(self) -> Selection:
        """Return the choice of runs: `since` seconds, and one value per dimension (an empty one asks for "not set")."""
        where: dict[str, str] = {name: self._values[name] for name in DIMENSIONS if name in self._values}
        return Selection(self.number("since", None, 1e9), where)


def _stats(store: Store, given: Parameters, now: float) -> bytes:
    answer = queries.statistics(
        store,
        given.selection(),
        now,
        by=given.choices("by", DIMENSIONS, DIMENSIONS),
        sort=given.choice("sort", "count", COLUMNS),
        descending=given.choice("order", "desc", frozenset({"asc", "desc"})) == "desc",
    )
    return dump(answer)


def _timeline(store: Store, given: Parameters, now: float) -> bytes:
    return dump(queries.timelines(store, given.selection(), now, given.count("slices", 60)))


def _failures(store: Store, given: Parameters, _now: float) -> bytes:
    levels = given.choices("level", ("fatal", "error"), LEVELS)
    return dump({"failures": queries.failures(store, given.count("limit", 50), levels)})


def _events(store: Store, given: Parameters, _now: float) -> bytes:
    """Answer with the latest payloads whole, as they were sent."""
    found = queries.latest(
        store,
        given.count("limit", 50),
        type=given.text("type") or "event",
        level=given.text("level"),
        event_id=given.text("event_id"),
        id=int(given.number("id", None, 2**53) or 0) or None,
    )
    return b'{"events":[' + b",".join(_payload(row) for row in found) + b"]}"


def _items(store: Store, given: Parameters, _now: float) -> bytes:
    found = queries.latest(store, given.count("limit", 50), type=given.text("type"))
    return b'{"items":[' + b",".join(_whole(row) for row in found) + b"]}"


def _whole(row: Mapping[str, Any]) -> bytes:
    known = {name: row[name] for name in ("id", "type", "event_id", "received_at")}
    texts = f', "envelope_headers": {row["envelope_head"]}, "headers": {row["head"]}, "payload": '
    return dump(known)[:-1] + texts.encode() + _payload(row) + b"}"


def _payload(row: Mapping[str, Any]) -> bytes:
    """Return the payload as JSON: itself for a JSON type, base64 for an opaque one."""
    if row["type"] in JSON_TYPES:
        return bytes(row["payload"])
    return dump({"base64": base64.b64encode(row["payload"]).decode()})


def _health(store: Store, _given: Parameters, _now: float) -> bytes:
    return dump({"status": "failing" if store.failure else "ok", "storage_error": store.failure})


ROUTES: Final[Mapping[str, Callable[[Store, Parameters, float], bytes]]] = {
    "/stats.json": _stats,
    "/timeline.json": _timeline,
    "/failures.json": _failures,
    "/events.json": _events,
    "/items.json": _items,
    "/healthz": _health,
}


def read(path: str, query: str, store: Store, boot: str, now: float) -> Answer:
    """Answer a GET, or raise RefusedError. `boot` tells one process of the local Sentry from the next in ETags."""
    if path in FILES:
        name, content_type = FILES[path]
        return Answer((resources.files(__package__) / "static" / name).read_bytes(), content_type)
    if path not in ROUTES:
        raise RefusedError(404, "path", f"there is nothing at {path[:100]!r}")
    given = Parameters(query)
    store.flush()
    # A window that moves with the clock changes without any write: every two seconds is as often as the page asks.
    moment = int(now / 2) if given.text("since") or path == "/timeline.json" else 0
    etag = f'"{boot}-{store.version}-{moment}"'  # read before the data: at worst one answer too many
    return Answer(
        ROUTES[path](store, given, now), etag=etag, status=503 if path == "/healthz" and store.failure else 200
    )


def dump(value: object) -> bytes:
    """Write compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def _refuse(detail: str) -> NoReturn:
    raise RefusedError(400, "parameter", detail)
