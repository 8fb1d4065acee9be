"""No secret leaves: one token for each place where one can slip, and every byte that a real process has sent."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.process import LocalProcess
from tests.harness.server import Server, free_port
from tests.harness.wire import Wire
from tests.harness.worker import launch, process_environment

APP = "tests.apps.canary"
LIVE = "L1veK3y-0f-0kx-55aa77cc99ee"
CANARY = re.compile(rb"cAn4ry(\d{3})")
MAIL = "trader.joe@example.com"


def relay_strips(wire: Wire) -> set[str]:
    """Return the rules by which Sentry's own scrubber still takes something out of what was received."""
    strip: Any = pytest.importorskip("tests.unit.scrubbing.test_scrubbing_relay", reason="no wheel for this platform")
    items = [entry for kind in ("event", "transaction") for entry in wire.entries(kind)]
    fired: set[str] = set().union(*(strip.stripped(item)[1] for item in items))
    # Whose address was asked is no secret: an operator needs it. The user's own is looked for by itself.
    by_mention: set[str] = strip.BY_MENTION
    return fired - by_mention - {"@ip:replace"}


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Keep every byte that is sent."""
    with Wire() as listening:
        yield listening


def token(place: int) -> str:
    """Return the secret of one place, for the test to plant."""
    return f"cAn4ry{place:03d}Zq7xW9vB"


def found(wire: Wire) -> dict[str, Any]:
    """Return the places whose secret was received, and the surroundings of a live one."""
    received = wire.received
    return {
        "places": {int(at[1]): received[max(0, at.start() - 300) : at.end()] for at in CANARY.finditer(received)},
        "live": [received[max(0, at.start() - 200) : at.end()] for at in re.finditer(LIVE.encode(), received)][:5],
    }


@pytest.fixture
def web(server: Server, tmp_path: Path, wire: Wire) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Run the leaking web application; return its address, and how to stop it."""
    database = server.new_database()
    port = free_port()
    env = {"CANARY_LIVE": LIVE, "CANARY_URL": wire.url, "MONITORING_DEBUG": ""}
    options = ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "2", "--no-control-socket"]
    words = [sys.executable, "-W", "ignore", "-m", "gunicorn", *options, "tests.apps.canary_web:create_leaking_app()"]
    process = LocalProcess("web", words, env=process_environment(database.url, wire.dsn, env), cwd=tmp_path)

    def log() -> str:
        return process.logs().decode(errors="replace")

    def answers() -> bool:
        assert process.status == "running", log()
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/login", timeout=5):
            return True
        return False

    def stopped() -> list[str]:
        process.stop()
        return process.reap()

    try:
        wait_until(answers, log)
        yield f"http://127.0.0.1:{port}", stopped
    finally:
        if process.status == "running":
            process.kill()
        process.reap()
        database.close()


def test_no_secret_leaves_a_web_application_from_any_part_of_a_request(
    web: tuple[str, Callable[[], list[str]]], wire: Wire
) -> None:
    """Address, query, headers, cookies, JSON, form and file: none of their tokens is in any byte received."""
    address, stop = web
    named = {
        "X-Api-Key": token(100),
        "Authorization": f"Bearer {token(101)}",
        "Cookie": f"session={token(102)}; theme={token(103)}",
        "OK-ACCESS-SIGN": token(104),
        "KEY": token(105),
        "X-Csrftoken": token(106),
        "Proxy-Authorization": f"Basic {token(107)}",
        "Referer": f"https://app.example/reset?token={token(108)}",
        "User-Agent": f"bot api_key={token(109)}",
        "X-Note": f"live {LIVE}",
        "X-Forwarded-For": "203.0.113.7",
        "baggage": f"sentry-user_segment=api_key%3D{token(110)},sentry-trace_id={'a' * 32},sentry-transaction={LIVE}",
        "sentry-trace": f"{'a' * 32}-{'b' * 16}-1",
    }
    query = f"/leak/live-{LIVE}?signature={token(111)}&apiKey={token(112)}&symbol=BTCUSDT&note=live%20{LIVE}"
    body = {"passphrase": token(113), "nested": {"secret": [token(114)]}, "note": f"live {LIVE}", "email": MAIL}
    form = f"api_secret={token(115)}&note={LIVE}".encode()
    boundary = "bound"
    part = 'Content-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    parts = [part % ("password", "", token(116)), part % ("keys", '; filename="keys.txt"', token(117))]
    upload = "".join(f"--{boundary}\r\n{one}" for one in parts) + f"--{boundary}--\r\n"
    bodies = {
        "application/json": json.dumps(body).encode(),
        "application/x-www-form-urlencoded": form,
        f"multipart/form-data; boundary={boundary}": upload.encode(),
    }
    for kind, content in bodies.items():
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(address + query, data=content, headers={**named, "Content-Type": kind}), timeout=30)
        assert refused.value.code == 500
        refused.value.close()
    with urlopen(Request(f"{address}/login", headers=named), timeout=30):
        pass
    assert stop() == []
    kinds = wire.kinds()
    assert {"event", "transaction"} <= set(kinds), kinds
    assert kinds["event"] >= 7
    assert found(wire) == {"places": {}, "live": []}
    assert MAIL.encode() not in wire.received
    assert b"203.0.113.7" not in wire.received
    # What an operator needs is still there.
    assert b"symbol=BTCUSDT" in wire.received


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
def test_no_secret_leaves_a_worker_from_any_place(server: Server, tmp_path: Path, wire: Wire, lifecycle: str) -> None:
    """None of the planted tokens is in any byte received; the application's own hooks were called, and before ours."""
    database = server.new_database()
    env = {"CANARY_LIVE": LIVE, "CANARY_URL": wire.url, "MONITORING_TRACE_LIFECYCLE": lifecycle, "MONITORING_DEBUG": ""}
    worker = launch(folder=tmp_path, broker_url=database.url, dsn=wire.dsn, app=APP, concurrency=1, env=env)
    worker.wait_ready()
    try:
        ends = [
            worker.task("leak").apply_async(("bot-1",), {"note": f"live {LIVE}", "api_key": token(80)}),
            worker.task("rejects").delay(),
            worker.task("missing").apply_async((f"live {LIVE}",), {"api_key": token(81)}),
        ]
        header = worker.task("again").delay("bot-2").get(timeout=PATIENCE_SECONDS)
        wait_until(ends[0].ready, lambda: worker.log)
        called = worker.task("hooks").delay().get(timeout=PATIENCE_SECONDS)
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
    assert relay_strips(wire) == set()
    assert b"203.0.113.7" not in wire.received
    assert found(wire) == {"places": {}, "live": []}


def test_no_secret_lies_on_disk_while_sentry_is_away(server: Server, tmp_path: Path) -> None:
    """What waits in the spool for a dead Sentry was cleaned before it was written."""
    database = server.new_database()
    spool = tmp_path / "spool"
    env = {"CANARY_LIVE": LIVE, "MONITORING_SPOOL_DIRECTORY": str(spool), "MONITORING_DEBUG": ""}
    with Wire() as asked:
        env["CANARY_URL"] = asked.url
        dead = f"http://public@127.0.0.1:{free_port()}/1"
        worker = launch(folder=tmp_path, broker_url=database.url, dsn=dead, app=APP, concurrency=1, env=env)
        worker.wait_ready()
        try:
            end = worker.task("leak").apply_async(("bot-1",), {"note": f"live {LIVE}", "api_key": token(80)})
            wait_until(end.ready, lambda: worker.log)
            kept = b"".join(path.read_bytes() for path in spool.rglob("*") if path.is_file())
        finally:
            assert worker.close() == []
            database.close()
    kept += b"".join(path.read_bytes() for path in spool.rglob("*") if path.is_file())
    assert kept.count(b'"exception"') >= 4
    assert not CANARY.search(kept)
    assert LIVE.encode() not in kept
