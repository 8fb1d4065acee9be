"""An exchange that goes wrong: a real HTTP server whose address says how."""

import json
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.harness.loopback import Loopback

HANG_SECONDS = 3.0


class ExchangeServer(Loopback):
    """Answer below `/<fault>/` in that fault's way, on a free loopback port.

    `teapot` bans the address, `hang` says nothing, `torn` breaks off in the middle of its answer, `html` answers with a
    page and 502, `echo` refuses the signature and quotes the whole request, as some exchanges do. `requests` are those
    that came, as (address, headers, body).
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], str]] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                """Take a request and let it go wrong."""
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length).decode(errors="replace")
                requests.append((self.path, dict(self.headers), body))
                fault = urlsplit(self.path).path.split("/")[1]
                getattr(self, f"_{fault}")(body)

            do_GET = do_POST = do_DELETE = do_PUT = _answer  # noqa: N815  # http.server's names

            def _teapot(self, _: str) -> None:
                told = {"code": -1003, "msg": "Way too much request weight used; IP banned until 1893456000000."}
                self._send(418, json.dumps(told))

            def _hang(self, _: str) -> None:
                time.sleep(HANG_SECONDS)

            def _torn(self, _: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "5000")
                self.end_headers()
                self.wfile.write(b'{"orderId": 4711, "status": "NEW", "cumm')

            def _html(self, _: str) -> None:
                self._send(502, "<html><h1>502 Bad Gateway</h1></html>", "text/html")

            def _echo(self, body: str) -> None:
                quoted = f"{self.command} {self.path} {dict(self.headers)} {body}"
                told = {"code": -1022, "msg": f"Signature for this request is not valid: {quoted}"}
                self._send(400, json.dumps(told))

            def _send(self, status: int, text: str, kind: str = "application/json") -> None:
                content = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        super().__init__(Handler)
