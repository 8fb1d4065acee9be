"""HTTP/1.1 on the loopback interface: deadlines against slow senders, a bound on connections, a clean stop."""

from __future__ import annotations

import io
import ipaddress
import socket
import socketserver
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

IDLE_SECONDS: Final = 300.0  # between two requests of one sender: the SDK keeps its connection
REQUEST_SECONDS: Final = 15.0  # from the first byte of a request to its last, however slowly they drip
MAX_CONNECTIONS: Final = 512


def loopback_address(host: str) -> str:
    """Return the address to listen on; raise ValueError for a host that other machines could reach."""
    address = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass  # a name, which could mean any address
    raise ValueError(f"the host must be a loopback address (127.0.0.1, ::1 or localhost), got {host!r}")


class LoopbackServer(ThreadingHTTPServer):
    """Serve each connection in a thread of its own."""

    daemon_threads = False  # server_close waits for them
    request_queue_size = 128

    def __init__(self, address: str, port: int, handler: type[Connection], request_seconds: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.request_seconds = request_seconds
        self.stopping = False
        self.connections: set[Connection] = set()
        super().__init__((address, port), handler)

    def server_bind(self) -> None:
        """Bind without http.server's reverse look-up of the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's signature
        """Turn a connection away when there are too many."""
        return len(self.connections) < MAX_CONNECTIONS

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about senders that went away; print anything else, which is a bug of ours."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def stop(self, grace_seconds: float) -> None:
        """Stop listening, let running requests finish for `grace_seconds`, then cut what is left."""
        self.shutdown()
        self.socket.close()
        self.stopping = True  # from here on, a connection that becomes idle ends itself
        deadline = time.monotonic() + grace_seconds
        while self.connections:
            for connection in list(self.connections):
                if connection.idle or time.monotonic() > deadline:
                    connection.cut()
            time.sleep(0.005)
        self.server_close()


class _DeadlineReader(io.RawIOBase):
    """Read a socket until a moment (monotonic clock), so that a sender cannot hold a thread by dripping bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0
        self.late = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        remaining = self.deadline - time.monotonic()
        self.late = remaining <= 0
        if self.late:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(remaining)
        try:
            return self._connection.recv_into(buffer)
        except TimeoutError:
            self.late = True
            raise


class Connection(BaseHTTPRequestHandler):
    """Speak HTTP with one sender. `idle` is true while it waits for a request's first byte."""

    server: LoopbackServer
    rfile: io.BufferedReader
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # what is no HTTP at all is told so with a status, not in HTTP/0.9
    server_version, sys_version = "local-sentry", ""
    # One packet per answer, sent at once: in two packets, Nagle's algorithm and the delayed acknowledgement make a
    # sender wait some 40 ms per envelope, until its queue overflows.
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        """Put the deadline between the socket and the buffered reader."""
        super().setup()
        self.rfile.close()
        self._reader = _DeadlineReader(self.connection)
        self.rfile = io.BufferedReader(self._reader, 64 * 1024)
        self.idle = False
        self.server.connections.add(self)

    def finish(self) -> None:
        """Forget the connection."""
        try:
            super().finish()
        finally:
            self.server.connections.discard(self)

    def handle_one_request(self) -> None:
        """Wait for a request, then read and answer it within its time."""
        self._reader.deadline = time.monotonic() + IDLE_SECONDS
        self.idle = True
        arrived = not self.server.stopping and self.rfile.peek(1)
        self.idle = False
        if not arrived:
            self.close_connection = True
            return
        self._reader.deadline = time.monotonic() + self.server.request_seconds
        self._reader.late = False
        super().handle_one_request()
        if self.server.stopping:
            self.close_connection = True
        if self._reader.late:
            self.on_late_request()

    def on_late_request(self) -> None:
        """Be told of a request that did not arrive in time; the connection closes without an answer."""

    def discard(self, count: int) -> None:
        """Read and forget up to `count` bytes, so that closing does not reset the answer out of the sender's hands."""
        while count > 0 and (piece := self.rfile.read1(min(count, 64 * 1024))):
            count -= len(piece)

    def reset(self) -> None:
        """Close at once with a reset, as a server that died would."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def cut(self) -> None:
        """End the connection from another thread."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send an answer whole."""
        self.connection.settimeout(self.server.request_seconds)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection or self.server.stopping:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        """Log nothing per request: a thousand lines a second would hide what matters."""


def serve_in_thread(server: LoopbackServer) -> threading.Thread:
    """Accept connections in a background thread until `server.stop`."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="local-sentry-http", daemon=True)
    thread.start()
    return thread
