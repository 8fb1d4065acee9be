"""What everybody sends to: keeps every request as it came, answers, and counts what was in them when asked.

A process of its own. Projects tell the senders apart; `POST /answer` with {"delay": seconds, "hang": bool} says how it
answers from then on; `GET /counts` tells, per project, what was received.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter, defaultdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from monitoring.local.envelope import Limits, decompress, parse

#: What this package tells of every task; a worker's other metrics are few, and not counted here.
TASK_METRICS = frozenset({"task.run_time", "task.queue_wait"})
MAX_BODY = 100 * 1024 * 1024

received: dict[str, list[tuple[bool, str, bytes]]] = defaultdict(list)
answer: dict[str, Any] = {"delay": 0.0, "hang": False}
let_go = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Serve one connection, which its sender keeps."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        """Take an envelope, spans, or the word how to answer."""
        path = urlsplit(self.path).path.strip("/").split("/")
        body = self._body()
        if body is None:  # its sender has ended in the midst of it
            self.close_connection = True
            return
        if path == ["answer"]:
            answer.update(json.loads(body))
            (let_go.clear if answer["hang"] else let_go.set)()
        else:
            encoding = self.headers.get("Content-Encoding", "")
            received[path[1]].append((path[-1] == "traces", encoding, body))
            if answer["hang"]:
                let_go.wait()
            time.sleep(answer["delay"])
        self._answer(b"{}")

    def do_GET(self) -> None:
        """Tell what was received."""
        self._answer(json.dumps({project: counts(requests) for project, requests in list(received.items())}).encode())

    def _body(self) -> bytes | None:
        """Return what was sent, or None if not all of it has come."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            return body if len(body) == length else None
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, content: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def counts(requests: list[tuple[bool, str, bytes]]) -> dict[str, int]:
    """Count requests, bytes and what was inside: `tasks` are the traces of tasks that were run."""
    found: Counter[str] = Counter(requests=len(requests), bytes=sum(len(body) for _, _, body in requests))
    for is_spans, encoding, body in list(requests):
        plain = decompress(body, encoding, MAX_BODY)
        found.update(_in_spans(plain) if is_spans else _in_envelope(plain))
    return dict(found)


def _in_spans(plain: bytes) -> Counter[str]:
    found: Counter[str] = Counter()
    for resource in ExportTraceServiceRequest.FromString(plain).resource_spans:
        for scope in resource.scope_spans:
            found["span"] += len(scope.spans)
            found["tasks"] += sum(span.kind == Span.SPAN_KIND_CONSUMER for span in scope.spans)
    return found


def _in_envelope(plain: bytes) -> Counter[str]:
    found: Counter[str] = Counter()
    for item in parse(plain, Limits(items=100_000)).items:
        found[item.type] += len(item.entries)
        if item.type == "transaction":
            found["tasks"] += item.content["contexts"]["trace"]["op"] == "queue.task.celery"
        elif item.type == "trace_metric":
            found["metrics"] += sum(entry["name"] in TASK_METRICS for entry in item.entries)
        elif item.type == "span":
            ops = [entry["attributes"].get("sentry.op", {}).get("value") for entry in item.entries]
            found["tasks"] += ops.count("queue.task.celery")
        elif item.type == "client_report":
            for loss in item.content["discarded_events"]:
                found[f"lost:{loss['reason']}:{loss['category']}"] += loss["quantity"]
    return found


class Server(ThreadingHTTPServer):
    """Take as many connections as there are processes."""

    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
