"""A local Sentry in this process, and senders of hand-made envelopes."""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from monitoring.local import LocalSentry

Payload = Mapping[str, Any] | bytes


@dataclass(frozen=True)
class Reply:
    """What the local Sentry answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)


class Caller:
    """Speak HTTP over one kept connection, as the SDK does."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send a request; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, named)
        response = self._connection.getresponse()
        return Reply(response.status, dict(response.headers), response.read())

    def get(self, path: str, **headers: str) -> Reply:
        """Read a page or JSON."""
        return self.ask("GET", path, None, headers)

    def send(self, body: bytes, encoding: str = "", **headers: str) -> Reply:
        """Send an envelope's bytes to project 1, with a key."""
        if encoding:
            headers["Content_Encoding"] = encoding
        headers.setdefault("X_Sentry_Auth", "Sentry sentry_key=local, sentry_version=7")
        return self.ask("POST", "/api/1/envelope/", body, headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def item(kind: str, payload: Payload, **headers: Any) -> bytes:
    """Write one item; `length` and all other headers can be given."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return json.dumps({"type": kind, "length": len(data), **headers}).encode() + b"\n" + data + b"\n"


def envelope(*items: bytes, **headers: Any) -> bytes:
    """Write an envelope of items that are written already."""
    return json.dumps(headers).encode() + b"\n" + b"".join(items)


def metric(name: str, value: float, **more: Any) -> dict[str, Any]:
    """Make a metric of a task run; every keyword but the metric's own fields is an attribute."""
    own: dict[str, Any] = {key: more.pop(key) for key in ("trace_id", "span_id", "timestamp") if key in more}
    attributes = {key: {"value": text, "type": "string"} for key, text in more.items()}
    kind = "counter" if name.startswith("monitoring.") else "distribution"
    return {"name": name, "type": kind, "value": value, "unit": "millisecond", **own, "attributes": attributes}


def metrics(*entries: Mapping[str, Any]) -> bytes:
    """Put metrics into one item, as the SDK's batcher does."""
    return item("trace_metric", {"version": 2, "items": list(entries)}, item_count=len(entries))


@pytest.fixture
def sentry() -> Iterator[LocalSentry]:
    """Run a local Sentry on a free port."""
    with LocalSentry() as running:
        yield running


@pytest.fixture
def caller(sentry: LocalSentry) -> Iterator[Caller]:
    """Call it."""
    caller = Caller(sentry.port)
    yield caller
    caller.close()


@pytest.fixture
def call() -> Iterator[Callable[[LocalSentry], Caller]]:
    """Call another local Sentry."""
    callers: list[Caller] = []

    def call(sentry: LocalSentry) -> Caller:
        callers.append(Caller(sentry.port))
        return callers[-1]

    yield call
    for caller in callers:
        caller.close()
