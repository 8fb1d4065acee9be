"""One request, one answer: whatever shape HTTP/1.1 gives it, and whatever else comes instead."""

import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from monitoring.delivery.answer import Answer, Verdict, verdict_of
from monitoring.delivery.connection import Address, Connection

JSON = b'{"id":"0"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Speak = Callable[..., Connection]


@pytest.fixture
def speak() -> Iterator[Speak]:
    """Connect to a server that answers every request with these pieces, each in a packet of its own."""
    servers: list[socket.socket] = []
    ways: list[Connection] = []

    def serve(server: socket.socket, pieces: tuple[bytes, ...], *, close: bool) -> None:
        try:
            accepted, _ = server.accept()
        except OSError:
            return
        with accepted:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while accepted.recv(65536):
                for piece in pieces:
                    accepted.sendall(piece)
                if close:
                    return

    def connect(*pieces: bytes, close: bool = False) -> Connection:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=serve, args=(server, pieces), kwargs={"close": close}, daemon=True).start()
        way = Address(f"http://127.0.0.1:{server.getsockname()[1]}/api/1/envelope/", {"User-Agent": "test"}).open()
        ways.append(way)
        return way

    yield connect
    for way in ways:
        way.close()
    for server in servers:
        server.close()


def ask(way: Connection) -> Answer:
    """Send something and read until the answer is whole."""
    way.send(b"body")
    while True:
        assert select.select([way], [], [], 5)[0], "nothing came within 5 s"
        if (answer := way.receive()) is not None:
            return answer


@pytest.mark.parametrize(
    ("pieces", "status", "body", "reusable"),
    [
        ((HEAD + b"Content-Length: 10\r\n\r\n" + JSON,), 200, JSON, True),
        ((HEAD, b"content-length:10\r\n", b"\r\n", JSON[:4], JSON[4:]), 200, JSON, True),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), 204, b"", True),
        ((HEAD + b"Content-Length: 0\r\nConnection: close\r\n\r\n",), 200, b"", False),
        ((b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n" + JSON,), 200, JSON, False),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"a\r\n" + JSON + b"\r\n", b"0\r\n\r\n"), 200, None, True),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"Content-Length: 10\r\n\r\n" + JSON), 200, JSON, True),
        ((b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig",), 413, b"big", True),
        ((HEAD + b"Content-Length: 2\r\n\r\n" + JSON,), 200, JSON, False),
    ],
)
def test_an_answer_is_understood(
    pieces: tuple[bytes, ...], status: int, body: bytes | None, *, reusable: bool, speak: Speak
) -> None:
    """Its status, the start of its body, and whether another request may follow on the same connection."""
    way = speak(*pieces)
    answer = ask(way)
    assert (answer.status, way.reusable) == (status, reusable)
    if body is not None:
        assert answer.body == body
    if reusable:
        assert ask(way).status == status


def test_an_answer_that_ends_with_the_connection_is_taken(speak: Speak) -> None:
    """No length at all: what came before the end is the answer, and the connection is not used again."""
    way = speak(HEAD + b"\r\n" + JSON, close=True)
    assert ask(way) == Answer(200, HEAD, JSON)
    assert not way.reusable


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\nContent-",), (b"SSH-2.0-OpenSSH\r\n\r\n",)])
def test_no_answer_is_an_error(pieces: tuple[bytes, ...], speak: Speak) -> None:
    """An end before the headers', or another protocol, is a failure to send, and never a success."""
    with pytest.raises(ConnectionError):
        ask(speak(*pieces, close=True))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.TAKEN),
        (202, Verdict.TAKEN),
        (301, Verdict.FAILED),
        (400, Verdict.REFUSED),
        (403, Verdict.REFUSED),
        (408, Verdict.FAILED),
        (413, Verdict.REFUSED),
        (429, Verdict.LIMITED),
        (500, Verdict.FAILED),
        (599, Verdict.FAILED),
    ],
)
def test_every_status_has_a_meaning(status: int, verdict: Verdict) -> None:
    """Only what would be refused again is set aside; what may pass is tried again."""
    assert verdict_of(Answer(status)) is verdict
    assert verdict_of(TimeoutError()) is Verdict.FAILED


def test_a_request_larger_than_the_sockets_buffer_goes_out_whole() -> None:
    """The other side reads it slowly: what did not fit at once follows."""
    body, received = bytes(range(256)) * 40_000, bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:
        way = Address(f"http://127.0.0.1:{server.getsockname()[1]}/api/1/envelope/", {}).open()
        accepted, _ = server.accept()

        def read() -> None:
            with accepted:
                while not received.endswith(body[-1024:]) or len(received) < len(body):
                    received.extend(accepted.recv(64 * 1024))
                accepted.sendall(HEAD + b"Content-Length: 10\r\n\r\n" + JSON)

        thread = threading.Thread(target=read)
        thread.start()
        way.send(body)
        assert select.select([way], [], [], 10)[0]
        assert way.receive() == Answer(200, HEAD + b"Content-Length: 10\r\n", JSON)
        thread.join()
        way.close()
    assert bytes(received).partition(b"\r\n\r\n")[2] == body
