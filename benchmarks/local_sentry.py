"""Does the local Sentry keep up? What it takes each second, and how long it makes a sender wait.

    python benchmarks/local_sentry.py [ENVELOPES_PER_SECOND] [SECONDS]

The local Sentry runs as a process of its own; four senders with kept connections, as the SDK has one in each worker
process, first send at the asked rate (default: 1,000 a second for 10 s), then as fast as they are answered. Of ten
envelopes six are a task's trace, two are a failure with its trail, two are the metrics of twenty tasks.
Everything runs on the cores of one machine, the senders included. The numbers are this machine's.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import brotli

SENDERS: Final = 4
KEPT_UP: Final = 0.99

Envelope = tuple[bytes, str]


def event() -> Envelope:
    """Make the envelope of a task that failed after three attempts."""
    crumbs = [
        {"timestamp": 1.8e9 + n, "category": "exchange.order", "message": f"step {n}", "data": {"attempt": n % 3 + 1}}
        for n in range(30)
    ]
    frames = [
        {"function": f"call_{n}", "filename": "worker/tasks/orders.py", "lineno": n, "context_line": "x = y" * 10}
        for n in range(20)
    ]
    payload = {
        "event_id": "e" * 32,
        "level": "error",
        "tags": {"task": "orders.place_order", "bot_id": "bot-1", "exchange": "kraken", "symbol": "BTC/USDT"},
        "contexts": {"attempts": {"records": [{"attempt": n, "error_class": "RequestTimeout"} for n in (1, 2, 3)]}},
        "breadcrumbs": {"values": crumbs},
        "exception": {"values": [{"type": "RequestTimeout", "value": "no answer", "stacktrace": {"frames": frames}}]},
    }
    return gzip.compress(_envelope("event", payload)), "gzip"


def batch() -> Envelope:
    """Make the envelope of the metrics of twenty tasks."""
    names = {"task": "orders.place_order", "bot_id": "bot-1", "exchange": "kraken", "symbol": "BTC/USDT"}
    attributes = {name: {"value": value, "type": "string"} for name, value in names.items()}
    items = [
        {"name": name, "type": "distribution", "value": 12.5, "unit": "millisecond", "attributes": attributes}
        for _ in range(20)
        for name in ("task.run_time", "task.queue_wait")
    ]
    return brotli.compress(_envelope("trace_metric", {"version": 2, "items": items}), quality=4), "br"


def trace() -> Envelope:
    """Make the envelope of a sampled task."""
    tags = {"task": "orders.place_order", "bot_id": "bot-1", "exchange": "kraken", "symbol": "BTC/USDT"}
    span = {"trace_id": "a" * 32, "parent_span_id": "b" * 16, "start_timestamp": 1.8e9, "timestamp": 1.8e9 + 0.1}
    process = {"op": "queue.process", "data": {"messaging.message.receive.latency": 4.5, "messaging.message.id": "id"}}
    payload = {
        "type": "transaction",
        "transaction": "orders.place_order",
        "start_timestamp": 1.8e9,
        "timestamp": 1.8e9 + 0.1,
        "tags": tags,
        "contexts": {"trace": {"op": "queue.task.celery", "trace_id": "a" * 32, "status": "ok"}},
        "spans": [{**span, "span_id": f"{number:016x}", **(process if not number else {})} for number in range(5)],
    }
    return brotli.compress(_envelope("transaction", payload), quality=4), "br"


def _envelope(kind: str, payload: object) -> bytes:
    body = json.dumps(payload).encode()
    return b"{}\n" + json.dumps({"type": kind, "length": len(body)}).encode() + b"\n" + body + b"\n"


def request(envelope: Envelope) -> bytes:
    """Write the request once: what is measured is the receiver, not Python's HTTP client."""
    body, encoding = envelope
    head = (
        "POST /api/1/envelope/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Sentry-Auth: Sentry sentry_key=local\r\n"
        f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


MIX: Final = (trace, event, trace, batch, trace, trace, event, trace, batch, trace)


class Sender:
    """Send over one kept connection, an envelope each time the last was answered."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), 30)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = [request(make()) for make in MIX]

    def run(self, seconds: float, interval: float, begin: threading.Barrier) -> list[float]:
        """Send every ``interval`` seconds (0: at once) for ``seconds``; return how long each answer took."""
        waits: list[float] = []
        begin.wait()
        start = due = time.perf_counter()
        while due - start < seconds:
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
            sent = time.perf_counter()
            self._connection.sendall(self._requests[len(waits) % len(MIX)])
            answer = self._connection.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode(errors="replace"))
            waits.append(time.perf_counter() - sent)
            due = due + interval if interval else time.perf_counter()
        self._connection.close()
        return waits


def measure(port: int, seconds: float, rate: float) -> tuple[float, list[float]]:
    """Return what was taken each second, and every wait in ascending order."""
    begin = threading.Barrier(SENDERS + 1)
    with ThreadPoolExecutor(SENDERS) as pool:
        interval = SENDERS / rate if rate else 0.0
        running = [pool.submit(Sender(port).run, seconds, interval, begin) for _ in range(SENDERS)]
        begin.wait()
        start = time.perf_counter()
        waits = sorted(wait for sender in running for wait in sender.result())
    return len(waits) / (time.perf_counter() - start), waits


def report(name: str, taken: float, waits: list[float]) -> None:
    """Print one line of the table."""
    found = [statistics.median(waits), waits[int(len(waits) * 0.95)], waits[int(len(waits) * 0.99)], waits[-1]]
    print(f"{name:<22} {taken:>10.0f}  " + "  ".join(f"{wait * 1000:>8.2f}" for wait in found))


def main() -> int:
    """Measure; 1 when the asked rate was not kept or the median sender waited 40 ms or more."""
    rate = float(sys.argv[1]) if len(sys.argv) > 1 else 1000.0
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0  # noqa: PLR2004
    command = [sys.executable, "-m", "monitoring.local", "--port", "0", "--data"]
    with tempfile.TemporaryDirectory() as data:
        process = subprocess.Popen([*command, data], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[3]
            port = int(url.rstrip("/").rpartition(":")[2])
            print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            heads = ("p50 ms", "p95 ms", "p99 ms", "max ms")
            print(f"{f'{SENDERS} senders':<22} {'taken/s':>10}  " + "  ".join(f"{name:>8}" for name in heads))
            taken, waits = measure(port, seconds, rate)
            report(f"{rate:.0f} a second", taken, waits)
            fastest, all_waits = measure(port, seconds, 0)
            report("as fast as answered", fastest, all_waits)
            with urllib.request.urlopen(f"{url}stats.json") as answer:
                stats = json.load(answer)
            received = sum(stats["received"].values())
            print(
                f"sent {len(waits) + len(all_waits)}, received {received}, rejected {sum(stats['rejected'].values())}"
            )
        finally:
            process.terminate()
            process.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU of the local Sentry: {(used.ru_utime + used.ru_stime) / received * 1e6:.0f} µs per envelope")
    kept_up = taken >= KEPT_UP * rate and received == len(waits) + len(all_waits)
    return 0 if kept_up and statistics.median(waits) < 0.04 else 1  # noqa: PLR2004


if __name__ == "__main__":
    sys.exit(main())
