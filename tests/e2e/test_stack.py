"""The whole stack under the Procfile runner: as `make run` starts it, and the production Procfile."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.harness.polling import wait_until
from tests.harness.runner import ROOT, Runner
from tests.harness.sentry import Sentry
from tests.harness.server import Database, Server, free_port

pytestmark = pytest.mark.e2e

ORDER = {"bot_id": "bot-e2e", "exchange": "binance", "symbol": "BTC/USDT", "side": "buy", "amount": "0.01"}
PORTS = ("PORT", "REDIS_PORT", "LOCAL_SENTRY_PORT")
QUIET = ("redis", "sentry", "worker", "web", "beat")  # everything but the live traffic
Start = Callable[..., "Stack"]


class Stack:
    """A running stack and its addresses."""

    def __init__(self, folder: Path, procfile: str, *names: str, env: dict[str, str]) -> None:
        self.ports = {name: free_port() for name in PORTS}
        given = {name: str(port) for name, port in self.ports.items()}
        self.runner = Runner(folder, str(ROOT / procfile), *names, env={**given, "WORKER_CONCURRENCY": "2", **env})

    def url(self, port: str, path: str) -> str:
        """Return an address of one of the services."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def ask(self, path: str, body: dict[str, Any] | None = None, port: str = "PORT") -> Any:
        """Ask a service for JSON; with a body, send that."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url(port, path), data, {"Content-Type": "application/json"} if data else {})
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def order(self, **more: str) -> str:
        """Have the API place an order; return the task's id."""
        task_id: str = self.ask("/api/trading/orders", {**ORDER, **more})["task_id"]
        return task_id

    def await_state(self, task_id: str, state: str) -> None:
        """Wait until the API says that a task has come so far."""
        wait_until(lambda: self.ask(f"/api/tasks/{task_id}")["state"] == state, f"{task_id} {state}")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start stacks in an empty folder; fail if one leaves a process."""
    stacks: list[Stack] = []

    def start(procfile: str, *names: str, **env: str) -> Stack:
        stacks.append(Stack(tmp_path, procfile, *names, env=env))
        return stacks[-1]

    yield start
    left = [line for stack in stacks for line in stack.runner.close()]
    assert not left, left


def test_a_running_task_finishes_when_the_stack_stops(start: Start, tmp_path: Path) -> None:
    """Start everything in order; on Ctrl-C let the running order finish, store and tell it, and end with 0."""
    stack = start("Procfile.dev", *QUIET, PAPER_FAULTS="binance:create_order.slow=1@3s")
    stack.runner.await_line("Ctrl-C stops everything")
    assert "5 processes ready after" in stack.runner.output
    assert stack.url("PORT", "  trading API") in stack.runner.output
    assert stack.url("LOCAL_SENTRY_PORT", "  local Sentry") in stack.runner.output
    assert stack.ask("/readyz")
    task_id = stack.order()
    stack.runner.await_line(f"place_order[{task_id}] received")
    assert stack.runner.stop(signal.SIGINT) == 0
    output = stack.runner.output
    assert re.search(rf"place_order\[{re.escape(task_id)}\] succeeded in 3\.", output), output
    stopped = re.findall(r"^system +\| (\w+) stopped: (.*)$", output, re.MULTILINE)
    assert stopped == [(name, "exit code 0") for name in ("beat", "web", "worker", "sentry", "redis")]
    assert "left processes behind" not in output
    assert not stack.runner.below()
    # What Sentry was told of the last task survives the stop: the next start shows it.
    again = start("Procfile.dev", "sentry")
    again.runner.await_line("Ctrl-C stops everything")
    rows = again.ask("/stats.json?bot_id=bot-e2e", port="LOCAL_SENTRY_PORT")["rows"]
    assert [(row["task"], row["count"], row["failures"]) for row in rows] == [("worker.tasks.orders.place_order", 1, 0)]
    assert again.runner.stop(signal.SIGTERM) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".log") == [".local"]


def test_killing_the_runner_outright_leaves_nothing_of_the_stack(start: Start) -> None:
    """Have the guardian stop worker, API, beat, Sentry and server when the runner gets SIGKILL."""
    stack = start("Procfile.dev")  # with the live traffic
    stack.runner.await_line("five bots, 2 requests a second")
    stack.runner.await_line("succeeded in")
    stack.runner.process.popen.kill()
    wait_until(lambda: not stack.runner.below(), lambda: f"the end of {stack.runner.below()}")


def test_one_process_that_dies_stops_the_stack(start: Start) -> None:
    """Say which one it was and what it wrote last, stop the others in order, and end with 1."""
    stack = start("Procfile.dev", *QUIET)
    stack.runner.await_line("Ctrl-C stops everything")
    next(
        process
        for process in stack.runner.below()
        if {"celery", "beat"} <= {Path(part).name for part in process.cmdline()}
    ).kill()
    assert stack.runner.wait() == 1
    assert "beat ended unexpectedly: signal SIGKILL" in stack.runner.output
    stopped = re.findall(r"^system +\| (\w+) stopped: (.*)$", stack.runner.output, re.MULTILINE)
    assert stopped == [(name, "exit code 0") for name in ("web", "worker", "sentry", "redis")]


def test_the_production_procfile_runs_against_services_elsewhere(start: Start, server: Server, tmp_path: Path) -> None:
    """Run web, worker and beat with a broker and a Sentry of the operator's own; a task is told to that Sentry."""
    database: Database = server.new_database()
    settings = {
        "CELERY_BROKER_URL": database.url,
        "CELERY_RESULT_BACKEND": database.url,
        "SENTRY_ENVIRONMENT": "staging",
        "APP_VERSION": "e2e@1",
        "WEB_CONCURRENCY": "1",
        "CELERY_WORKER_CONCURRENCY": "2",
    }
    with Sentry() as sentry:
        stack = start("Procfile", SENTRY_DSN=sentry.dsn, **settings)
        stack.runner.await_line("Ctrl-C stops everything")
        assert "3 processes ready after" in stack.runner.output
        stack.await_state(stack.order(), "SUCCESS")
        assert stack.runner.stop(signal.SIGTERM) == 0
        (run,) = sentry.metrics("task.run_time", lambda m: m["attributes"]["bot_id"]["value"] == "bot-e2e")
        assert run["attributes"]["outcome"]["value"] == "success"
        assert run["attributes"]["sentry.release"]["value"] == "e2e@1"
    database.close()


def test_a_broker_of_ones_own_is_named_and_gets_no_made_up_orders(start: Start, database: Database) -> None:
    """Start no server and no traffic when the operator has a broker, and say so without its password."""
    with_password = database.url.replace("redis://", "redis://:secret@")
    stack = start("Procfile.dev", "redis", "traffic", "sentry", CELERY_BROKER_URL=with_password)
    stack.runner.await_line("Ctrl-C stops everything")
    assert (
        "redis is not started here: CELERY_BROKER_URL in the environment says redis://127.0.0.1" in stack.runner.output
    )
    assert "traffic is not started here" in stack.runner.output
    assert "secret" not in stack.runner.output
    assert "1 process ready" in stack.runner.output
    assert stack.runner.stop(signal.SIGTERM) == 0
