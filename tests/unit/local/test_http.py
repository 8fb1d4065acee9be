"""Who may talk to the local Sentry, and what slow, broken and hostile senders get."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from monitoring.local import LocalSentry
from tests.harness.polling import BUSY_SECONDS, wait_until
from tests.harness.server import free_port
from tests.unit.local.conftest import Caller, envelope, item

GOOD = envelope(item("event", {"message": "m"}))
HEAD = b"POST /api/1/envelope/?sentry_key=k HTTP/1.1\r\nHost: localhost\r\n"


def rejected(caller: Caller) -> dict[str, int]:
    """Ask what was refused, by reason."""
    counts: dict[str, int] = caller.get("/stats.json").json["rejected"]
    return counts


@pytest.fixture
def raw(sentry: LocalSentry) -> Iterator[socket.socket]:
    """Open a bare connection."""
    with socket.create_connection(("127.0.0.1", sentry.port), 10) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", "::", ""])
def test_it_listens_where_only_this_machine_can_reach(host: str) -> None:
    """Refuse to start on any address but loopback."""
    with pytest.raises(ValueError, match="must be a loopback address"):
        LocalSentry(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_every_loopback_address_is_served(host: str) -> None:
    """Listen on IPv4 and IPv6 loopback, with a DSN that names it."""
    with LocalSentry(host=host) as sentry:
        assert sentry.dsn.startswith("http://local@")
        address = ("::1" if ":" in host else "127.0.0.1", sentry.port)
        with socket.create_connection(address, 5) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {sentry.url[7:]}\r\nConnection: close\r\n\r\n".encode())
            assert read_all(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost:x@evil.example"])
def test_a_name_that_only_points_here_is_refused(caller: Caller, host: str) -> None:
    """Read nothing out to a page whose own name resolves to this machine (DNS rebinding)."""
    answer = caller.get("/events.json", Host=host)
    assert answer.status == 403
    assert rejected(caller) == {"host": 1}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_a_page_of_another_site_changes_nothing(sentry: LocalSentry, caller: Caller, origin: str) -> None:
    """Refuse to take or clear anything for a page that is not our own."""
    assert caller.send(GOOD).status == 200
    assert caller.send(GOOD, Origin=origin).status == 403
    assert caller.ask("POST", "/clear", b"", {"Origin": origin}).status == 403
    assert len(sentry.items()) == 1


def test_the_page_itself_may_clear(sentry: LocalSentry, caller: Caller) -> None:
    """Let our own page post; forget everything, counts included."""
    caller.send(GOOD)
    caller.send(b"broken")
    assert caller.ask("POST", "/clear", b"", {"Origin": sentry.url}).status == 200
    assert sentry.items() == []
    assert rejected(caller) == {}


def test_answers_may_not_be_used_by_other_pages(caller: Caller) -> None:
    """Send the page with a policy under which nothing but its own files runs, and without leave for others to read."""
    answer = caller.get("/")
    assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/nothing", "/static/../../secrets", "/static/page.py", "/%2e%2e/etc/passwd"])
def test_there_is_nothing_but_the_routes(caller: Caller, path: str) -> None:
    """Serve the listed files only."""
    assert caller.get(path).status == 404


@pytest.mark.parametrize(
    ("request_bytes", "status", "reason"),
    [
        (b"nonsense\r\n\r\n", b"400", "http"),
        (b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405", "http"),
        (b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 500 + b"\r\n", b"431", "http"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414", "http"),
        (HEAD + b"\r\n", b"411", "length_required"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411", "length_required"),
        (HEAD + b"Content-Length: -5\r\n\r\n", b"400", "http"),
        (HEAD + b"Content-Length: 10\r\n\r\nshort", b"400", "truncated_request"),
    ],
)
def test_what_is_no_request_of_ours_is_answered_and_counted(
    raw: socket.socket, caller: Caller, request_bytes: bytes, status: bytes, reason: str
) -> None:
    """Answer 4xx to bytes that are no HTTP, to methods there are none of and to bodies without an end."""
    raw.sendall(request_bytes)
    raw.shutdown(socket.SHUT_WR)
    assert read_all(raw).startswith(b"HTTP/1.1 " + status)
    assert rejected(caller) == {reason: 1}


def test_a_sender_that_drips_is_cut_off_and_counted(call: Callable[..., Caller]) -> None:
    """Give a request its seconds from first byte to last; one that never comes holds no thread."""
    with LocalSentry(request_seconds=0.3) as sentry:
        with socket.create_connection(("127.0.0.1", sentry.port), 10) as slow:
            slow.sendall(HEAD + b"Content-Length: 100\r\n\r\nonly this")
            began = time.monotonic()
            read_all(slow)
            assert time.monotonic() - began < BUSY_SECONDS  # without it, the ten seconds of the socket
        caller = call(sentry)
        wait_until(lambda: rejected(caller) == {"timeout": 1}, lambda: str(rejected(caller)))


def test_a_sender_that_goes_away_harms_nobody(raw: socket.socket, caller: Caller) -> None:
    """Store nothing of half a request, and serve the others."""
    raw.sendall(HEAD + b"Content-Length: 100\r\n\r\nhalf")
    raw.close()
    assert caller.send(GOOD).status == 200
    wait_until(lambda: rejected(caller) == {"truncated_request": 1}, lambda: str(rejected(caller)))


def test_an_unchanged_answer_is_not_sent_again(caller: Caller) -> None:
    """Answer 304 to a page that has it already, and the new data as soon as there is some."""
    etag = caller.get("/stats.json").headers["ETag"]
    unchanged = caller.get("/stats.json", If_None_Match=etag)
    assert (unchanged.status, unchanged.body) == (304, b"")
    caller.send(GOOD)
    assert caller.get("/stats.json", If_None_Match=etag).status == 200


def test_events_come_whole_and_newest_first(caller: Caller) -> None:
    """Answer /events.json with the payloads as they were sent; a limit and a type choose among them."""
    for number in range(3):
        caller.send(envelope(item("event", {"message": str(number), "extra": {"deep": [number]}})))
    caller.send(envelope(item("transaction", {"type": "transaction"})))
    events = caller.get("/events.json").json["events"]
    assert [event["message"] for event in events] == ["2", "1", "0"]
    assert events[0] == {"message": "2", "extra": {"deep": [2]}}
    assert [event["message"] for event in caller.get("/events.json?limit=1").json["events"]] == ["2"]
    assert caller.get("/events.json?type=transaction").json["events"] == [{"type": "transaction"}]


def test_closing_answers_what_is_running(sentry: LocalSentry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request in progress finish, then close; idle connections end at once."""
    monkeypatch.setattr("monitoring.local.server.STOP_SECONDS", 30.0)
    idle = socket.create_connection(("127.0.0.1", sentry.port), 10)
    caller = Caller(sentry.port)
    caller.send(GOOD)
    began = time.monotonic()
    sentry.close()
    assert time.monotonic() - began < BUSY_SECONDS
    assert idle.recv(1) == b""
    idle.close()
    caller.close()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--host", "0.0.0.0"], 2, "must be a loopback address"),
        (["--port", "70000"], 2, "from 0 to 65535"),
        (["--data", "/proc/nowhere"], 1, "cannot start"),
    ],
)
def test_the_process_says_why_it_does_not_start(arguments: list[str], code: int, message: str) -> None:
    """Exit with a code and one sentence, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "monitoring.local", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_said() -> None:
    """Name the address that is in use."""
    with LocalSentry() as sentry:
        command = [sys.executable, "-m", "monitoring.local", "--port", str(sentry.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"local Sentry cannot start (127.0.0.1:{sentry.port}" in done.stderr
    assert "in use" in done.stderr


def test_the_process_stops_cleanly_on_sigterm(tmp_path: object) -> None:
    """Say where it is, stop on SIGTERM with 0, and keep what it received for the next start."""
    port = free_port()
    command = [sys.executable, "-m", "monitoring.local", "--port", str(port), "--data", str(tmp_path)]
    for number in (1, 2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert (
                process.stdout.readline()
                == f"local Sentry: page http://127.0.0.1:{port}/  DSN http://local@127.0.0.1:{port}/1\n"
            )
            caller = Caller(port)
            caller.send(GOOD)
            assert caller.get("/stats.json").json["received"] == {"event": number}
            process.terminate()
            assert process.wait(10) == 0
            caller.close()
