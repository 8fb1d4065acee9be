"""One kept-alive HTTP/1.1 connection to Sentry, for one thread.

By hand, because the upload is what monitoring costs most: one small request and its answer cost 163 µs of CPU through
urllib3, 62 µs through http.client and 6 µs here (measured). Only what Sentry's envelope endpoint needs is spoken: POST
with a length; an answer of which the status, two headers and the start of the body matter. Anything less plain than
that ends the connection after its answer, and the next request opens another.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from monitoring.delivery.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONNECT_SECONDS: Final = 5.0
#: How long one request may take, from its first byte to the answer's last.
ANSWER_SECONDS: Final = 15.0
_AT_ONCE: Final = 16 * 1024
_MAX_HEAD: Final = 64 * 1024
_MAX_BODY: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r?\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\ntransfer-encoding:", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\nconnection:[^\n]*close", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"
_NO_BODY: Final = frozenset({204, 304})


@dataclass(frozen=True)
class Address:
    """Say where envelopes go, and how a connection gets there."""

    url: str
    headers: Mapping[str, str]
    socket_options: Sequence[tuple[int, int, int | bytes]] = ()
    ca_certs: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @cached_property
    def head(self) -> bytes:
        """Return the part of a request that is always the same."""
        parts = urlsplit(self.url)
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\nContent-Length: "

    def open(self) -> Connection:
        """Connect; raise OSError when nobody is there within five seconds."""
        parts = urlsplit(self.url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        opened = socket.create_connection((host, parts.port or (443 if secure else 80)), CONNECT_SECONDS)
        try:
            for option in self.socket_options:
                opened.setsockopt(*option)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure:
                opened = self._tls.wrap_socket(opened, server_hostname=host)
            # Each call that may wait lets another thread have the interpreter, also when it need not wait.
            opened.settimeout(0)
        except BaseException:
            opened.close()
            raise
        return Connection(opened, self.head)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_certs:
            context.load_verify_locations(self.ca_certs)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@dataclass(slots=True, eq=False)
class Connection:
    """Send a request, then receive its answer; then the next."""

    socket: socket.socket
    head: bytes
    used: int = 0
    deadline: float = 0.0
    reusable: bool = True
    _received: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        """Return what a selector watches."""
        return self.socket.fileno()

    def send(self, body: bytes) -> None:
        """Send a request whole, in one packet where it fits; raise OSError when that cannot be done in time."""
        self._received.clear()
        request = b"%b%d\r\n\r\n%b" % (self.head, len(body), body)
        try:
            sent = self.socket.send(request)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        if sent < len(request):
            self.socket.settimeout(ANSWER_SECONDS)
            self.socket.sendall(memoryview(request)[sent:])
            self.socket.settimeout(0)

    def receive(self) -> Answer | None:
        """Read what has come; return the answer once it is whole. Raise OSError when it never will be."""
        data = self._read()
        if data is None:
            return None
        self._received += data
        answer = self._answer(ended=not data)
        if answer is not None:
            self.used += 1
        elif not data:
            raise ConnectionResetError("the connection ended before an answer")
        return answer

    def still_there(self) -> bool:
        """Say whether it can be used again although something came unasked: its end, or a word of TLS's own."""
        try:
            return self._read() is None
        except OSError:
            return False

    def _read(self) -> bytes | None:
        """Read what is there without waiting: empty at the end, None when there is nothing for us."""
        try:
            data = self.socket.recv(_AT_ONCE)
            while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
                data += self.socket.recv(_AT_ONCE)
        except (BlockingIOError, ssl.SSLWantReadError):  # TLS: a session ticket, or half a record
            return None
        return data

    def _answer(self, *, ended: bool) -> Answer | None:
        received = self._received
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = bytes(received[: end + 2])
            status = _status(head)
            if status >= 200:  # noqa: PLR2004  # below are interim answers, another one follows
                break
            del received[: end + 4]
        else:
            if len(received) > _MAX_HEAD:
                raise ConnectionError("the answer's headers are too long")
            return None
        body = received[end + 4 :]
        length = 0 if status in _NO_BODY else self._length(head)
        if length is None:  # chunked, or until the end: what it says to us is in its first bytes
            whole = ended or body.endswith(_LAST_CHUNK) or len(body) > _MAX_BODY
            self.reusable = body.endswith(_LAST_CHUNK) and bool(_CHUNKED.search(head))
        else:
            whole = ended or len(body) >= length or len(body) > _MAX_BODY
            self.reusable = len(body) == length
        if not whole:
            return None
        self.reusable = self.reusable and not ended and not _CLOSE.search(head) and head.startswith(b"HTTP/1.1")
        return Answer(status, head, bytes(body[:_MAX_BODY]))

    @staticmethod
    def _length(head: bytes) -> int | None:
        found = None if _CHUNKED.search(head) else _LENGTH.search(head)
        return int(found[1]) if found else None

    def close(self) -> None:
        """Give the socket back, without a word to the other side: after a fork it is still the parent's."""
        with contextlib.suppress(OSError):
            self.socket.close()


def _status(head: bytes) -> int:
    words: list[Any] = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():  # noqa: PLR2004  # name, number
        raise ConnectionError("the answer is no HTTP/1")
    return int(words[1])
