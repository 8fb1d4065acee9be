"""The made-up bots: the same for the same seed, valid for the API, patient with one that is away."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.harness.server import free_port
from worker.arguments import OrderRequest
from worker.local.bots import EXCHANGES, requests
from worker.local.json_client import JsonClient, RefusedError, UnreachableError
from worker.local.traffic import trade

Answers = list[int]


@pytest.fixture
def answers() -> Answers:
    """List the statuses that the next requests get; the last one is for all that follow."""
    return [202]


@pytest.fixture
def api(answers: Answers) -> Iterator[ThreadingHTTPServer]:
    """Run a server that answers as it is told, and keeps what it got."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append(json.loads(body))  # type: ignore[attr-defined]  # set below
            self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got = []  # type: ignore[attr-defined]  # what the tests look at
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(server: ThreadingHTTPServer) -> str:
    """Return its address."""
    return f"http://127.0.0.1:{server.server_port}"


def test_a_seed_is_a_sequence() -> None:
    """Repeat everything for the same seed and run; other orders for another run, other requests for another seed."""
    first = list(itertools.islice(requests(1, "run"), 100))
    assert first == list(itertools.islice(requests(1, "run"), 100))
    assert first != list(itertools.islice(requests(2, "run"), 100))
    others = list(itertools.islice(requests(1, "other"), 100))
    ids = [{request.body.get("client_order_id") for request in some} - {None} for some in (first, others)]
    assert not ids[0] & ids[1]
    assert len(ids[0]) == 80


def test_every_request_is_a_valid_one() -> None:
    """Ask for what the platform can do: five bots, three exchanges, four orders to each strategy."""
    some = list(itertools.islice(requests(3, "run"), 500))
    assert {request.body["exchange"] for request in some} == set(EXCHANGES)
    assert len({request.body["bot_id"] for request in some}) == 5
    assert Counter(request.path for request in some) == {"/api/trading/orders": 400, "/api/trading/strategies": 100}
    for request in some:
        if request.path == "/api/trading/orders":
            OrderRequest.read(price=None, **request.body)


def test_an_api_that_is_away_loses_no_request(api: ThreadingHTTPServer, answers: Answers) -> None:
    """Wait for an API that answers 503, say so once, and send the same request again."""
    answers[:] = [202, 503, 202, 400]
    said: list[str] = []
    with closing(JsonClient(url(api))) as client, pytest.raises(RefusedError):
        trade(client, seed=1, rate=100, say=said.append)
    got = api.got  # type: ignore[attr-defined]  # set by the fixture
    assert len(got) == 4
    assert got[1] == got[2]
    assert len({json.dumps(body) for body in got}) == 3
    assert [line.partition(":")[0] for line in said] == ["waiting for the API", "the API is back"]


def test_the_two_errors_of_a_server_are_told_apart(api: ThreadingHTTPServer, answers: Answers) -> None:
    """Raise RefusedError for what asking again cannot help, UnreachableError for what it may."""
    client = JsonClient(url(api))
    answers[:] = [422]
    with pytest.raises(RefusedError, match="POST /x answered 422"):
        client.post("/x", {})
    answers[:] = [500]
    with pytest.raises(UnreachableError, match="answered 500"):
        client.post("/x", {})
    answers[:] = [200]
    assert client.post("/x", {}) == {}
    client.close()
    with pytest.raises(UnreachableError, match="does not answer"):
        JsonClient(f"http://127.0.0.1:{free_port()}").get("/")
