"""HTTP for `Sentry`: the envelope endpoint, loopback only, everything in memory."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self

from monitoring.local.envelope import Item, Limits, RefusedError, decompress, parse

LIMITS = Limits()


class Receiver:
    """Listen on a free port and keep the items of every envelope."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: list[Item] = []
        self.refused: list[str] = []
        self.requests = 0
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.dsn = f"http://local@127.0.0.1:{self._server.server_port}/1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def items(self) -> list[Item]:
        """Return everything received so far."""
        with self._lock:
            return list(self._items)

    def clear(self) -> None:
        """Forget everything received so far."""
        with self._lock:
            self._items.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, body: bytes, encoding: str) -> int:
        """Keep an envelope; return the HTTP status for its sender."""
        with self._lock:
            self.requests += 1
        try:
            envelope = parse(decompress(body, encoding, LIMITS.envelope), LIMITS)
        except RefusedError as error:
            with self._lock:
                self.refused.append(error.detail)
            return error.status
        with self._lock:
            self._items += envelope.items
        return 200


class _Handler(BaseHTTPRequestHandler):
    receiver: ClassVar[Receiver]
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment, and no waiting for the client's delayed ACK: 40 ms per envelope otherwise.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.receiver.take(body, self.headers.get("Content-Encoding", ""))
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""
