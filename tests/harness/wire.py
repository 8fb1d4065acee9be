"""A receiver that keeps every byte: what really left, whatever a parser would make of it."""

import json
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any

from monitoring.local.envelope import Limits, decompress, parse
from tests.harness.loopback import Loopback

MOST_BYTES = 50_000_000


class Wire(Loopback):
    """Listen on a free loopback port, take envelopes, and keep address, headers and body of each request."""

    def __init__(self) -> None:
        wire = self
        self.requests: list[tuple[str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Keep a request."""
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                decoded = decompress(body, self.headers.get("Content-Encoding", ""), MOST_BYTES)
                wire.requests.append((f"{self.path}\n{self.headers}", decoded))
                self._answer(b"{}")

            def do_GET(self) -> None:
                """Answer an application under test that asks somebody something."""
                self._answer(b"{}")

            def _answer(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        super().__init__(Handler)
        self.dsn = self.url.replace("//", "//public@") + "/1"

    @property
    def received(self) -> bytes:
        """Return every byte received, addresses and headers too."""
        return b"\n".join(head.encode() + b"\n" + body for head, body in self.requests)

    def items(self) -> list[tuple[str, bytes]]:
        """Return (type, payload) of every item received."""
        envelopes = [parse(body, Limits()) for _, body in self.requests]
        return [(item.type, bytes(item.payload)) for envelope in envelopes for item in envelope.items]

    def entries(self, kind: str) -> list[Any]:
        """Return the payloads of a JSON type."""
        return [json.loads(payload) for found, payload in self.items() if found == kind]

    def kinds(self) -> Counter[str]:
        """Count the items received by type."""
        return Counter(kind for kind, _ in self.items())
