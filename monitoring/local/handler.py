"""The routes of the local Sentry, and what is checked before any of them: Host, Origin, sizes."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from . import pages, receiver
from .connection import Connection
from .envelope import Limits, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .faults import FaultSwitch
    from .store import Store

# A page of another site can point its own name at 127.0.0.1 and then read what is here; it cannot forge Host.
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
DISCARD_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Desk:
    """Hold what all connections of one local Sentry share. `boot` tells its answers from another process's."""

    store: Store
    switch: FaultSwitch
    limits: Limits
    boot: str = field(default_factory=lambda: secrets.token_hex(4))


class Handler(Connection):
    """Route one request. Whatever is sent, the answer is JSON, the page, or silence after a deadline."""

    desk: Desk
    _unread = 0

    def do_GET(self) -> None:  # noqa: N802 - http.server's naming
        """Answer with a page or JSON."""
        self._guard(self._read)

    do_HEAD = do_GET  # noqa: N815 - http.server's naming

    def do_POST(self) -> None:  # noqa: N802 - http.server's naming
        """Take an envelope, or clear the store."""
        self._guard(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP request of ours: http.server's own complaints, as JSON."""
        self.close_connection = True  # where the next request would begin is not known
        status = 405 if code == 501 else int(code)  # noqa: PLR2004 - an unknown method is the sender's mistake
        self._refuse(RefusedError(status, "http", message or explain or self.responses.get(code, ("bad request",))[0]))

    def on_late_request(self) -> None:
        """Count a request that did not arrive in time."""
        receiver.count_refusal(self.desk.store, "timeout")

    def _guard(self, act: Callable[[str, str], None]) -> None:
        path, _, query = self.path.partition("?")
        try:
            self._unread = self._content_length()
            self._check_names()
            act(path, query)
        except RefusedError as refusal:
            self._refuse(refusal)

    def _read(self, path: str, query: str) -> None:
        answer = pages.read(path, query, self.desk.store, self.desk.boot, time.time())
        headers = {"Content-Type": answer.content_type, **pages.SAFETY}
        if answer.etag:
            headers["ETag"] = answer.etag
        if answer.etag and self.headers.get("If-None-Match") == answer.etag:
            self.answer(304, b"", headers)
        else:
            self.answer(answer.status, answer.body, headers)

    def _post(self, path: str, query: str) -> None:
        if receiver.ENVELOPE_PATH.fullmatch(path):
            self._envelope(query)
        elif path == "/clear":
            self.desk.store.clear()
            self._answer_json(200, {})
        else:
            raise RefusedError(404, "path", f"envelopes go to /api/<project>/envelope/, not to {path[:100]!r}")

    def _envelope(self, query: str) -> None:
        body = self._body()
        faults = self.desk.switch.take()
        if faults.hang or faults.delay_seconds:
            self.desk.switch.wait_while(faults, None if faults.hang else faults.delay_seconds)
        if faults.hang or faults.refuse:
            self.reset()
        elif not faults.accepts:
            receiver.count_refusal(self.desk.store, f"fault_{faults.status}")
            self._answer_json(faults.status, {"detail": "this answer was asked for"}, faults.headers)
        else:
            credentials = f"{self.headers.get('X-Sentry-Auth', '')} {query}"
            encoding = self.headers.get("Content-Encoding", "")
            envelope = receiver.read(body, encoding, credentials, self.desk.limits)
            receiver.keep(envelope, self.desk.store, time.time())
            self._answer_json(faults.status, {"id": envelope.headers.get("event_id")}, faults.headers)

    def _content_length(self) -> int:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True  # where its body ends is not known
            raise RefusedError(411, "length_required", "send Content-Length; chunked bodies are not read")
        value = self.headers.get("Content-Length", "0")
        if not (value.isascii() and value.isdigit() and len(value) < 16):  # noqa: PLR2004 - petabytes
            self.close_connection = True
            raise RefusedError(400, "http", f"Content-Length must be a whole number, got {value[:40]!r}")
        return int(value)

    def _body(self) -> bytes:
        if "Content-Length" not in self.headers:
            raise RefusedError(411, "length_required", "send Content-Length")
        if self._unread > self.desk.limits.compressed:
            raise RefusedError(413, "too_large", f"a request may have {self.desk.limits.compressed} bytes")
        expected = self._unread
        body = self.rfile.read(expected)
        self._unread = 0
        if len(body) < expected:
            self.close_connection = True
            raise RefusedError(400, "truncated_request", f"Content-Length says {expected} bytes, {len(body)} came")
        return body

    def _check_names(self) -> None:
        host = self.headers.get("Host", "")
        if _host_name(f"//{host}") not in LOOPBACK_NAMES:
            raise RefusedError(403, "host", f"Host must be a loopback name, got {host[:100]!r}")
        origin = self.headers.get("Origin")
        if self.command == "POST" and origin is not None and origin.lower() != f"http://{host}".lower():
            raise RefusedError(403, "origin", f"a page of {origin[:100]!r} may not change anything here")

    def _refuse(self, refusal: RefusedError) -> None:
        receiver.count_refusal(self.desk.store, refusal.reason)
        if self._unread:
            self.close_connection = True
        self._answer_json(refusal.status, {"detail": refusal.detail})
        if self._unread:
            self.wfile.flush()
            self.discard(min(self._unread, DISCARD_BYTES))
            self._unread = 0

    def _answer_json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        self.answer(status, pages.dump(value), {"Content-Type": pages.JSON, **(headers or {})})


def handler_for(desk: Desk) -> type[Handler]:
    """Return the handler class of one local Sentry: http.server makes the instances and passes them nothing."""
    return type("BoundHandler", (Handler,), {"desk": desk})


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
