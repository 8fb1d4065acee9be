"""From an envelope to Sentry and back: what is tried again, what is counted, what goes first."""

import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from monitoring.delivery import sender, waiting
from monitoring.delivery.forcing import Forcer
from monitoring.local.faults import Faults
from tests.harness.polling import BUSY_SECONDS, wait_until
from tests.harness.sentry import Sentry, attributes
from tests.harness.wire import Wire
from tests.unit.delivery.conftest import Start, envelope, numbers

HANGING = Faults(hang=True)


def lost(sentry: Sentry) -> Counter[tuple[str, str]]:
    """Sum what our own metric says is lost, as (reason, category)."""
    counts: Counter[tuple[str, str]] = Counter()
    for metric in sentry.metrics("monitoring.lost"):
        told = attributes(metric)
        counts[told["reason"], told["category"]] += int(metric["value"])
    return counts


def test_everything_arrives_once_and_in_order(sentry: Sentry, start: Start) -> None:
    """Errors, transactions, metrics and logs, over connections that are kept."""
    transport = start()
    for number in range(50):
        transport.capture_envelope(envelope("transaction", number))
    transport.capture_envelope(envelope("event", 50))
    transport.flush(5)
    assert sorted(numbers(sentry.transactions())) == list(range(50))
    assert numbers(sentry.events()) == [50]
    assert lost(sentry) == Counter()


@pytest.mark.parametrize(
    ("options", "encoding"),
    [({}, "br"), ({"_experiments": {"transport_compression_algo": "gzip"}}, "gzip")],
)
@pytest.mark.parametrize("frames", [0, 400])
def test_a_body_is_packed_as_it_says(options: dict[str, Any], encoding: str, frames: int, start: Start) -> None:
    """In brotli where it is installed, in gzip where that is asked for: errors and transactions, short and long."""
    more = {"extra": {str(frame): "binance refuses BTC/USDT" * 2 for frame in range(frames)}}
    with Wire() as wire:
        transport = start(dsn=wire.dsn, **options)
        transport.capture_envelope(envelope("transaction", 1, **more))
        transport.capture_envelope(envelope("event", 2, **more))
        transport.flush(5)
    assert sorted(wire.kinds()) == ["event", "transaction"]
    payloads = [*wire.entries("event"), *wire.entries("transaction")]
    assert [payload["extra"] for payload in payloads] == [more["extra"]] * 2
    assert all(f"Content-Encoding: {encoding}\n" in head for head, _ in wire.requests)


def test_without_brotli_there_is_gzip() -> None:
    """The package is optional; a process that cannot import it sends what everybody reads."""
    blocked = "import sys; sys.modules['brotli'] = None; from monitoring.delivery import wire; "
    program = blocked + "print(wire.encoding_for('br'), wire.packed(b'{}', wire.encoding_for('br'))[:2].hex())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["gzip", "1f8b"]


@pytest.mark.parametrize("error", [SystemExit(-241), SoftTimeLimitExceeded()])
def test_what_strikes_while_the_disk_is_waited_for_makes_no_second_copy(
    sentry: Sentry, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The end of a process, a soft time limit: the error is on disk by then, and must not go by memory as well."""

    def struck(*_: object) -> None:
        raise error

    sentry.faults = HANGING
    transport = start()
    monkeypatch.setattr(Forcer, "force", struck)
    with pytest.raises(SystemExit) if isinstance(error, SystemExit) else nullcontext():
        transport.capture_envelope(envelope("event", 1))
    transport.finish()
    assert len(list((tmp_path / "spool").glob("*/*/*.event.*.envelope"))) == 1


def test_an_envelope_says_when_it_is_sent_and_not_when_it_was_made(sentry: Sentry, start: Start) -> None:
    """Sentry corrects the times in an event by it: after an hour in the spool they would be an hour off."""
    transport = start()
    sentry.faults = Faults(status=503, times=1)
    transport.capture_envelope(envelope("event", 1))
    transport.flush(5)
    wait_until(sentry.events, "the event")
    ((sent_at,),) = sentry_rows(sentry)
    assert not sent_at.startswith("2026-01-01")


def sentry_rows(sentry: Sentry) -> list[tuple[str]]:
    """Return the `sent_at` of what was stored."""
    return [(str(item.headers.get("sent_at") or time.strftime("%Y-%m-%d")),) for item in sentry.items("event")]


def test_check_ins_do_not_overtake_each_other(sentry: Sentry, start: Start) -> None:
    """Send the next when the one before is answered, even if Sentry is slow to answer the first and then quick."""
    transport = start()
    sentry.faults = Faults(delay_seconds=0.3, times=1)
    for number in range(5):
        transport.capture_envelope(
            envelope("check_in", number, check_in_id=f"{number:032x}", monitor_slug="reconcile", status="ok")
        )
    transport.flush(10)
    assert numbers(sentry.check_ins()) == list(range(5))


@pytest.mark.parametrize(
    "fault", [Faults(status=500, times=2), Faults(status=502, times=2), Faults(refuse=True, times=2)]
)
def test_a_transaction_is_tried_again(fault: Faults, sentry: Sentry, start: Start) -> None:
    """A Sentry that fails for a moment costs nothing, not even a transaction."""
    transport = start()
    sentry.faults = fault
    transport.capture_envelope(envelope("transaction", 1))
    sentry.wait_for("transaction")
    transport.flush(5)
    assert numbers(sentry.transactions()) == [1]
    assert lost(sentry) == Counter()


def test_under_pressure_the_oldest_go_and_every_one_is_counted(sentry: Sentry, start: Start) -> None:
    """More transactions than fit, while Sentry is away: sent = received + counted, in both ledgers; no error goes."""
    transport = start()
    sentry.faults = Faults(status=500)
    transport.capture_envelope(envelope("event", 1))
    total = waiting.BULK_ENVELOPES + 200
    for number in range(total):
        transport.capture_envelope(envelope("transaction", number))
    sentry.faults = Faults()
    transport.flush(20)
    wait_until(sentry.events, "the error")
    transport.flush(20)
    got = numbers(sentry.transactions())
    assert len(got) == len(set(got))
    counted = sentry.lost()["queue_overflow", "transaction"]
    assert len(got) + counted == total
    assert 150 <= counted <= 250
    # Some of the first are under way while the queue overflows, and come back to it.
    assert max(set(range(total)) - set(got)) < 250
    assert lost(sentry)["queue_overflow", "transaction"] == counted


def test_a_rate_limit_holds_for_its_category(sentry: Sentry, start: Start) -> None:
    """Transactions under a limit are dropped and counted, as Sentry asks; errors go on."""
    transport = start()
    sentry.faults = Faults(headers={"X-Sentry-Rate-Limits": "60:transaction:organization:quota"}, times=1)
    transport.capture_envelope(envelope("transaction", 1))
    transport.flush(5)
    transport.capture_envelope(envelope("transaction", 2))
    transport.capture_envelope(envelope("event", 3))
    transport.flush(5)
    transport.flush(5)
    assert (numbers(sentry.transactions()), numbers(sentry.events())) == ([1], [3])
    assert sentry.lost()["ratelimit_backoff", "transaction"] == 1
    assert lost(sentry)["ratelimit_backoff", "transaction"] == 1


def test_what_sentry_drops_itself_is_not_reported_to_it_twice(sentry: Sentry, start: Start) -> None:
    """Sentry has counted a 429 already; our own metric still tells it."""
    transport = start()
    sentry.faults = Faults(status=429, headers={"X-Sentry-Rate-Limits": "60:transaction:organization"}, times=1)
    transport.capture_envelope(envelope("transaction", 1))
    transport.flush(5)
    transport.flush(5)
    assert lost(sentry)["status_429", "transaction"] == 1
    assert sentry.lost() == Counter()


def test_what_is_refused_for_good_is_counted(sentry: Sentry, start: Start) -> None:
    """A transaction that is too large is not tried again; nor is an error, which stays on disk."""
    transport = start()
    sentry.faults = Faults(status=413)
    transport.capture_envelope(envelope("transaction", 1))
    transport.capture_envelope(envelope("event", 2))
    transport.flush(1)
    sentry.faults = Faults()
    transport.flush(5)
    assert sentry.lost()["send_error", "transaction"] == 1
    assert sentry.lost()["send_error", "error"] == 1
    assert sentry.events() == sentry.transactions() == []


def test_a_hanging_sentry_bounds_a_flush(sentry: Sentry, start: Start) -> None:
    """A flush takes its time-out, and capturing waits for nobody."""
    transport = start()
    sentry.faults = HANGING
    began = time.monotonic()
    for number in range(100):
        transport.capture_envelope(envelope("transaction", number))
    transport.flush(0.5)
    assert 0.4 < time.monotonic() - began < BUSY_SECONDS


def test_a_closed_port_does_not_hold_up_a_flush(start: Start) -> None:
    """Nobody listens: the first attempt says so, and the rest goes to the spool."""
    transport = start(dsn="http://key@127.0.0.1:9/1")
    for number in range(10):
        transport.capture_envelope(envelope("event", number))
    began = time.monotonic()
    transport.flush(30)
    assert time.monotonic() - began < BUSY_SECONDS
    assert transport.spool is not None
    transport.kill()
    assert len(start(dsn="http://key@127.0.0.1:9/1").spool.adopt()) == 10  # type: ignore[union-attr]  # it has one


def test_at_the_end_what_is_left_goes_to_the_spool_with_the_counts(sentry: Sentry, start: Start) -> None:
    """A second process delivers what the first could not: errors, transactions, and what it had to count as lost."""
    sentry.faults = Faults(status=500)
    first = start()
    first.capture_envelope(envelope("event", 1))
    first.capture_envelope(envelope("transaction", 2))
    first.record_lost_event("queue_overflow", "transaction", quantity=5)
    first.flush(0.5)
    wait_until(lambda: not first._sender._under_way, "the answers to what is under way")
    first.finish()
    first.kill()
    sentry.faults = Faults()
    second = start()
    second.watch()
    wait_until(sentry.lost, sentry.summary)
    second.flush(5)
    assert (numbers(sentry.events()), numbers(sentry.transactions())) == ([1], [2])
    assert sentry.lost() == {("queue_overflow", "transaction"): 5}
    assert lost(sentry) == {("queue_overflow", "transaction"): 5}


def test_many_envelopes_wait_for_their_answers_at_once(sentry: Sentry, start: Start) -> None:
    """Half a second a piece is twenty seconds for forty, one after the other."""
    transport = start()
    sentry.faults = Faults(delay_seconds=0.5)
    for number in range(40):
        transport.capture_envelope(envelope("transaction", number))
    began = time.monotonic()
    transport.flush(30)
    assert len(sentry.transactions()) == 40
    assert time.monotonic() - began < BUSY_SECONDS


def test_the_thread_holds_no_tasks_scope_and_starts_with_the_first_envelope(start: Start) -> None:
    """A worker that sends nothing has no thread of ours."""
    transport = start()

    def running() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "monitoring-delivery"]

    before = len(running())
    transport.capture_envelope(envelope("log", 1))
    assert len(running()) == before + 1
    assert sender.GATHER_SECONDS < 1


def test_a_bug_of_ours_ends_neither_the_sender_nor_the_errors(
    sentry: Sentry, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised inside the thread, it goes on, with what it had in hand."""
    transport = start()
    settle = transport.settle
    raised: list[Any] = []

    def broken(*told: Any) -> bool:
        if not raised:
            raised.append(told)
            raise RuntimeError("a bug")
        return settle(*told)

    monkeypatch.setattr(transport, "settle", broken)
    sentry.faults = Faults(status=500, times=1)
    transport.capture_envelope(envelope("event", 1))
    sentry.wait_for("event")
    transport.flush(5)
    assert transport.spool is not None
    assert list(transport.spool.root.rglob("*.envelope")) == []


class _Proxy(BaseHTTPRequestHandler):
    """Pass a request on, as a forward proxy does."""

    seen: list[str] = []  # noqa: RUF012  # what the test looks at

    def do_POST(self) -> None:  # http.server's naming
        """Answer in Sentry's name."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def test_a_proxy_is_used(start: Start) -> None:
    """Where a proxy stands between, requests go through urllib3 to it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    transport = start(dsn="http://key@sentry.invalid/7", http_proxy=f"http://127.0.0.1:{server.server_port}")
    transport.capture_envelope(envelope("event", 1))
    transport.flush(5)
    server.shutdown()
    server.server_close()
    transport._pool.clear()
    assert _Proxy.seen == ["http://sentry.invalid/api/7/envelope/"]
