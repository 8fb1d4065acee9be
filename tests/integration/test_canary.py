"""No secret leaves: one token for each place where one can slip, and every byte that a real process has sent."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.polling import wait_until
from tests.harness.process import LocalProcess
from tests.harness.server import Server
from tests.harness.wire import Wire
from tests.harness.worker import Worker, launch

APP = "tests.apps.canary"
LIVE = "L1veK3y-0f-0kx-55aa77cc99ee"
CANARY = re.compile(rb"cAn4ry(\d{3})")
PLACES = 79


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Keep every byte that is sent."""
    with Wire() as listening:
        yield listening


def found(wire: Wire) -> dict[str, Any]:
    """Return the places whose secret was received, and the surroundings of a live one."""
    received = wire.received
    return {
        "places": {int(at[1]): received[max(0, at.start() - 300) : at.end()] for at in CANARY.finditer(received)},
        "live": [received[max(0, at.start() - 200) : at.end()] for at in re.finditer(LIVE.encode(), received)][:5],
    }


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
def test_no_secret_leaves_a_worker_from_any_place(server: Server, tmp_path: Any, wire: Wire, lifecycle: str) -> None:
    """None of the planted tokens is in any byte received; the application's own hooks were called, and before ours."""
    database = server.new_database()
    env = {"CANARY_LIVE": LIVE, "CANARY_URL": wire.url, "MONITORING_TRACE_LIFECYCLE": lifecycle, "MONITORING_DEBUG": ""}
    worker = launch(folder=tmp_path, broker_url=database.url, dsn=wire.dsn, app=APP, concurrency=1, env=env)
    worker.wait_ready()
    try:
        ends = [
            worker.task("leak").apply_async(("bot-1",), {"note": f"live {LIVE}", "api_key": "cAn4ry080Zq7xW9vB"}),
            worker.task("rejects").delay(),
            worker.task("missing").apply_async((f"live {LIVE}",), {"api_key": "cAn4ry081Zq7xW9vB"}),
        ]
        header = worker.task("again").delay("bot-2").get(timeout=30)
        wait_until(ends[0].ready, lambda: worker.log, 30)
        called = worker.task("hooks").delay().get(timeout=30)
    finally:
        assert worker.close() == []
        database.close()
    assert '"a":' in header
    assert not CANARY.search(header.encode())
    assert LIVE not in header
    expected = {"breadcrumb", "event", "log", "metric", "span" if lifecycle == "stream" else "transaction"}
    assert expected <= set(called)
    assert b"added" in wire.received
    kinds = wire.kinds()
    spans = "span" if lifecycle == "stream" else "transaction"
    assert {"event", spans, "log", "trace_metric", "check_in", "attachment", "session"} <= set(kinds), kinds
    assert kinds["event"] >= 12
    assert found(wire) == {"places": {}, "live": []}
