"""Real exchange clients fail for real, in a real worker: what that is called, how bad it is, and what leaves."""

import base64
import re
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from tests.harness.exchange_server import ExchangeServer
from tests.harness.polling import wait_until
from tests.harness.server import Server, free_port
from tests.harness.wire import Wire
from tests.harness.worker import launch

pytest.importorskip("ccxt", reason="the exchange extra is not installed")

APP = "tests.apps.live"
EXCHANGES = ("binance", "bitget", "bybit", "gate", "kraken", "kucoin", "okx")
KEY = "kEyCanary7f3A9c2B5d8E1f4A"
SECRET = base64.b64encode(b"sEcretCanary0123456789sEcretCanary0123456789sEcretCanary01234567").decode()
PASSPHRASE = "pAssCanary9x8Y7z6W5v"
UNCERTAIN = ("hang", "refused", "torn", "html")
SIGNATURE = re.compile(r"sign|passphrase|apikey|api-key|access-key|^key$", re.IGNORECASE)


def signatures(exchange: ExchangeServer) -> set[str]:
    """Return every key, passphrase and signature that really went over the wire, as it stood there and decoded."""
    found: set[str] = set()
    for address, headers, body in exchange.requests:
        named = [*headers.items(), *parse_qsl(urlsplit(address).query), *parse_qsl(body)]
        found |= {value for name, value in named if SIGNATURE.search(name) and len(value) > 15}
    return found | {unquote(value) for value in found}


def test_real_clients_are_told_rightly_and_leak_nothing(server: Server, tmp_path: Path) -> None:
    """Seven exchanges, six faults: the right kind and severity for each, a ban and a dead key once, and no secret."""
    database = server.new_database()
    env = {"LIVE_KEY": KEY, "LIVE_SECRET": SECRET, "LIVE_PASSPHRASE": PASSPHRASE, "MONITORING_DEBUG": ""}
    env["MONITORING_REDIS_TIMEOUT"] = "5"  # a build machine may be slower than a network
    with Wire() as wire, ExchangeServer() as exchange:
        addresses = {fault: f"{exchange.url}/{fault}" for fault in ("hang", "torn", "html", "teapot", "echo")}
        addresses["refused"] = f"http://127.0.0.1:{free_port()}"
        worker = launch(folder=tmp_path, broker_url=database.url, dsn=wire.dsn, app=APP, concurrency=4, env=env)
        worker.wait_ready()
        try:
            ends = [
                worker.task(task).delay(f"bot-{name}", name, address)
                for name in EXCHANGES
                for address in addresses.values()
                for task in ("order", "balance")
            ]
            wait_until(lambda: all(end.ready() for end in ends), lambda: worker.log)
        finally:
            assert worker.close() == []
            database.close()
        events = [event for event in wire.entries("event") if event["level"] != "info"]
        told = {
            name: Counter((event["tags"]["error_kind"], event["level"]) for event in events if _is_of(event, name))
            for name in EXCHANGES
        }
        # An order's state is told every time; a ban and a dead key once; what only reads is weather until it persists.
        once = {
            ("order_state_unknown", "fatal"): len(UNCERTAIN),
            ("ip_banned", "fatal"): 1,
            ("credentials", "fatal"): 1,
        }
        assert told == dict.fromkeys(EXCHANGES, once)
        sent = signatures(exchange)
        assert len(sent) > 5 * len(EXCHANGES)
        received = wire.received.decode()
        assert {secret for secret in (KEY, SECRET, PASSPHRASE, *sent) if secret in received} == set()
        # What was being done is still readable.
        assert "symbol=BTCUSDT" in received


def _is_of(event: dict[str, dict[str, str]], exchange: str) -> bool:
    return event["tags"]["exchange"] == exchange
