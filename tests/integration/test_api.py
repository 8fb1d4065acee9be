"""From a request to its task's result, over a real web server, a real worker and what Sentry receives of both."""

import json
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from tests.harness.polling import BUSY_SECONDS, PATIENCE_SECONDS, wait_until
from tests.harness.process import LocalProcess
from tests.harness.sentry import Sentry, tagged
from tests.harness.server import free_port
from tests.harness.stage import Stage
from tests.harness.swallowed import swallowed_errors
from tests.harness.worker import Worker, process_environment

ORDER = {"bot_id": "bot-7", "exchange": "binance", "symbol": "BTC/USDT", "side": "buy", "amount": "0.01"}
ORDERS, STRATEGIES, TEST_ERROR = "/api/trading/orders", "/api/trading/strategies", "/api/test/sentry-error"
TOKEN = "a-token-of-32-characters-or-more"
WORKER = {"app": "worker", "command": "start", "queue": "orders,market,default"}


@dataclass(frozen=True)
class Answer:
    """Hold what the web server answered, and how many seconds it took."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]
    took: float


@dataclass(frozen=True)
class Web:
    """One running web server."""

    process: LocalProcess
    url: str

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Send a request; HTTP errors are answers like any other."""
        data = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            self.url + path, data=data, method=method, headers={"Content-Type": "application/json", **named}
        )
        began = time.monotonic()
        try:
            reply = urlopen(request, timeout=30)
        except HTTPError as error:
            reply = error
        with reply:
            return Answer(reply.status, dict(reply.headers), json.loads(reply.read()), time.monotonic() - began)

    def outcome(self, accepted: Answer) -> dict[str, Any]:
        """Return what became of the task of a 202, as soon as it is ready."""
        assert accepted.status == 202, accepted

        def told() -> dict[str, Any]:
            body = self.ask("GET", accepted.headers["Location"]).body
            return body if body["ready"] else {}

        return wait_until(told, lambda: f"the task of {accepted.body}")


Serve = Callable[..., Web]


@pytest.fixture
def serve(stage: Stage) -> Iterator[Serve]:
    """Start the web application under gunicorn: `serve(env={...})`; it ends with 0 and has swallowed nothing."""
    started: list[LocalProcess] = []

    def served(application: str = "flask_app:create_app()", **env: str) -> Web:
        options = ["--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4", "--no-control-socket"]
        process = LocalProcess(
            "web",
            [sys.executable, "-W", "ignore", "-m", "gunicorn", *options, application],
            env=process_environment(stage.database.url, stage.sentry.dsn, env),
            cwd=stage.folder,
        )
        started.append(process)

        def log() -> str:
            return process.logs().decode(errors="replace")

        def listening() -> re.Match[str] | None:
            assert process.status == "running", log()
            # The master listens before the application is loaded: its worker's first request waits for that.
            return re.search(r"Listening at: (http://\S+)", log())

        found = wait_until(listening, log)
        assert found is not None
        return Web(process, found[1])

    yield served
    found: list[str] = []
    for process in started:
        process.stop()
        found += swallowed_errors(process.logs().decode(errors="replace")) + process.reap()
    assert not found, "\n".join(found)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Listen without ever answering."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


def test_order_goes_from_request_to_result(serve: Serve, start_worker: Callable[..., Worker], sentry: Sentry) -> None:
    """Answer 202, place the order, tell its result; request and task are one trace, told by bot and exchange."""
    start_worker(**WORKER)
    web = serve()
    outcome = web.outcome(web.ask("POST", ORDERS, ORDER))
    assert outcome["state"] == "SUCCESS"
    assert outcome["result"].items() >= {"bot_id": "bot-7", "symbol": "BTC/USDT", "amount": "0.01"}.items()

    named = {"bot_id": "bot-7", "exchange": "binance", "symbol": "BTC/USDT"}
    request = sentry.one("transaction", tagged(component="web", **named))
    task = sentry.one("transaction", lambda entry: entry["transaction"] == "worker.tasks.orders.place_order")
    assert request["contexts"]["trace"]["op"] == "http.server"
    assert task["contexts"]["trace"]["op"] == "queue.task.celery"
    assert task["contexts"]["trace"]["trace_id"] == request["contexts"]["trace"]["trace_id"]
    assert task["tags"].items() >= {**named, "component": "trading_engine"}.items()
    published = [span for span in request["spans"] if span["op"] == "queue.publish"]
    assert [span["span_id"] for span in published] == [task["contexts"]["trace"]["parent_span_id"]]


def test_one_key_is_one_order(serve: Serve, start_worker: Callable[..., Worker]) -> None:
    """Place an order that is sent twice under one Idempotency-Key once."""
    start_worker(**WORKER)
    web = serve()
    key = uuid4().hex
    outcomes = [web.outcome(web.ask("POST", ORDERS, ORDER, Idempotency_Key=key)) for _ in range(2)]
    assert [outcome["state"] for outcome in outcomes] == ["SUCCESS", "SUCCESS"]
    assert len({outcome["task_id"] for outcome in outcomes}) == 2
    first, second = (outcome["result"] for outcome in outcomes)
    assert first == second
    assert first["client_order_id"] == key


def test_failed_order_is_told_and_reported(serve: Serve, start_worker: Callable[..., Worker], sentry: Sentry) -> None:
    """Tell the error's type and text; the event has the request's trace."""
    start_worker(**WORKER)
    web = serve()
    outcome = web.outcome(web.ask("POST", ORDERS, {**ORDER, "symbol": "NO/SUCH"}))
    assert outcome["state"] == "FAILURE"
    assert outcome["error"]["type"] == "BadSymbol"
    assert "NO/SUCH" in outcome["error"]["message"]
    event = sentry.one("event", tagged(component="trading_engine", bot_id="bot-7", symbol="NO/SUCH"))
    request = sentry.one("transaction", tagged(component="web", symbol="NO/SUCH"))
    assert event["contexts"]["trace"]["trace_id"] == request["contexts"]["trace"]["trace_id"]


def test_strategy_is_run(serve: Serve, start_worker: Callable[..., Worker]) -> None:
    """Run a strategy and tell what it decided."""
    start_worker(**WORKER)
    web = serve()
    target = {"bot_id": "bot-8", "exchange": "kraken", "symbol": "ETH/USDT"}
    outcome = web.outcome(web.ask("POST", STRATEGIES, target))
    assert outcome["state"] == "SUCCESS"
    assert outcome["result"].items() >= {**target, "strategy": "momentum"}.items()


def test_unexpected_error_reaches_sentry_and_nobody_else(serve: Serve, sentry: Sentry) -> None:
    """Answer a problem document with the event's id and nothing of the exception."""
    web = serve("tests.apps.web:create_failing_app()")
    answer = web.ask("GET", "/fails/bot-9")
    assert answer.status == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "bot-9" not in json.dumps(answer.body)
    event = sentry.one("event", tagged(component="web"))
    assert event["event_id"] == answer.body["event_id"]
    assert event["exception"]["values"][0]["type"] == "RuntimeError"


def test_test_error_needs_the_token_in_production(serve: Serve, sentry: Sentry) -> None:
    """Send one error on purpose for who has the token; for everybody else there is no such route."""
    web = serve(SENTRY_ENVIRONMENT="production", MONITORING_TEST_TOKEN=TOKEN)
    assert web.ask("POST", TEST_ERROR).status == 404
    answer = web.ask("POST", TEST_ERROR, Authorization=f"Bearer {TOKEN}")
    assert answer.status == 202
    event = sentry.one("event", tagged(component="web"))
    assert event["event_id"] == answer.body["event_id"]
    assert TOKEN not in json.dumps(event)


def test_healthy_web_server_says_so(serve: Serve) -> None:
    """Be alive and ready, and call a task that nobody knows pending."""
    web = serve()
    assert web.ask("GET", "/healthz").body == {"status": "ok"}
    ready = web.ask("GET", "/readyz")
    assert (ready.status, ready.body["checks"]) == (200, {"broker": "ok", "result_backend": "ok"})
    assert web.ask("GET", "/api/tasks/unknown").body == {"task_id": "unknown", "state": "PENDING", "ready": False}


@pytest.mark.parametrize("kind", ["closed", "silent"])
@pytest.mark.unjudged("losses", reason="a publication that fails leaves its span open, and the SDK counts that as lost")
def test_broker_away_is_a_bounded_503(serve: Serve, silent_port: int, kind: str) -> None:
    """Answer within seconds, with Retry-After, whether the broker is gone or silent; the process stays healthy."""
    port = silent_port if kind == "silent" else free_port()
    web = serve(CELERY_BROKER_URL=f"redis://127.0.0.1:{port}/0")
    assert web.ask("GET", "/healthz").status == 200
    ready = web.ask("GET", "/readyz")
    assert (ready.status, ready.body["checks"]["result_backend"]) == (503, "ok")
    assert ready.body["checks"]["broker"] != "ok"
    assert ready.took < BUSY_SECONDS

    refused = web.ask("POST", ORDERS, ORDER)
    assert refused.status == 503
    assert refused.took < BUSY_SECONDS
    assert refused.headers["Retry-After"] == "5"
    assert refused.body["type"] == "urn:problem-type:trading:broker-unavailable"


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_orders_are_taken_without_the_result_backend(serve: Serve, silent_port: int, kind: str) -> None:
    """Enqueue as fast as ever, and say within seconds that what becomes of it cannot be told now."""
    port = silent_port if kind == "silent" else free_port()
    web = serve(CELERY_RESULT_BACKEND=f"redis://127.0.0.1:{port}/0", TRADING_REDIS_URL="redis://127.0.0.1:1/0")
    assert web.ask("GET", "/healthz").status == 200  # the first request waits until the application is loaded
    ready = web.ask("GET", "/readyz")
    assert (ready.status, ready.body["checks"]["broker"]) == (503, "ok")
    assert ready.took < BUSY_SECONDS

    taken = web.ask("POST", ORDERS, ORDER)
    assert taken.status == 202
    assert taken.took < BUSY_SECONDS
    asked = web.ask("GET", taken.headers["Location"])
    assert asked.status == 503
    assert asked.took < BUSY_SECONDS
    assert asked.headers["Retry-After"] == "5"
    assert asked.body["type"] == "urn:problem-type:trading:results-unavailable"


def test_wrong_settings_keep_the_web_server_from_starting(stage: Stage) -> None:
    """End with every mistake on stderr."""
    wrong = {"SENTRY_SAMPLE_RATE": "15", "MONITORING_METRICS": "perhaps"}
    command = [sys.executable, "-W", "ignore", "-c", "import flask_app; flask_app.create_app()"]
    process = LocalProcess("web", command, env=process_environment(stage.database.url, None, wrong), cwd=stage.folder)
    assert process.wait(PATIENCE_SECONDS) != 0
    log = process.logs().decode()
    assert "SENTRY_SAMPLE_RATE must be a number from 0 to 1, got '15'" in log
    assert "MONITORING_METRICS must be true or false, got 'perhaps'" in log
