"""What looks like a secret and is none: an operator needs to read it."""

from typing import Any

import pytest

from monitoring.scrubbing import scrub_event, scrub_text, scrub_value

TASK_ID = "2b1c9f3e-7c7b-4c55-9c41-1f0c8c5b8f11"
TX_HASH = "0x88df016429689c079f3b2f6ad39fa052532c56795b733da78a91ebe6a713944b"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SOLANA_TX = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"

TEXTS = [
    f"Task worker.tasks.orders.place_order[{TASK_ID}] raised unexpected: NetworkError('binance timeout')",
    f"order {SHA} not found",
    f"transaction {TX_HASH} reverted in block 0x10d4f",
    f"tx {SOLANA_TX} not confirmed",
    "order 4111111111111111 filled, 8389765521 open",
    "clientOrderId=x-R4BD3S82f3e19a7c8b9d",
    "celery@trader-1.ec2.internal: ready.",
    "gen12345@worker-7 lost, celery@ip-10-0-0-1.ec2.internal too, worker1@box.lan as well",
    "routing_key=orders.binance queue=orders cache_key=ticker:BTC/USDT primary_key=17 sort_key=price",
    "sort_key=price idempotency_key=a1b2c3d4e5f6a7b8",
    "{'token': 'USDT', 'sign': -1, 'key': 'ticker:binance:BTC/USDT', 'auth': 'none', 'pk': 17, 'seed': 42}",
    "token=USDT sign=+1 seed=42 pk=17 nonce=1795544666538 recvWindow=5000 timestamp=1700000000000",
    "GET https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=500&startTime=1700000000000",
    "Error 111 connecting to cache.internal:6379. Connection refused.",
    "HTTPSConnectionPool(host='api.kraken.com', port=443): Max retries exceeded with url: /0/public/Ticker?pair=XBTUSD",
    "binance {'code': -2015, 'msg': 'Invalid API-key, IP, or permissions for action.'}",
    'binance {"code":-1022,"msg":"Signature for this request is not valid."}',
    "the basic strategy has a token amount, and a bearer market is digest",
    "git@github.com:org/repo.git failed",
    "wss://stream.binance.com:9443/ws/btcusdt@kline_1m",
    "wss://stream.binance.com:9443/stream?streams=btcusdt@trade/ethusdt@depth20",
    "2026-11-24T10:00:00.123456Z latency=12.5ms price=64250.10 amount=0.01250000 pnl=-12.34 balance=1042.17",
    "1700000000000000000 ns, 1700000000000 ms, 1700000000 s",
    "SELECT id, symbol FROM orders WHERE bot_id = 'bot-42' AND status = 'open'",
    "AttributeError: 'NoneType' object has no attribute 'secret_santa'",
    "KeyError: 'api_key'",
    "password: None, api_key=None, secret='', passphrase=null",
    "api_key=%s and password={} and token=${TOKEN}",
    "about this time we will again need more than one minute, and then again some more",
    'File "/srv/app/bot.py", line 42, in place_order',
    "symbols: BTC/USDT, ETH/USDT, SOL/USDT, XRP/USDT, ADA/USDT, DOT/USDT, LTC/USDT, BNB/USDT, AVAX/USDT",
    "<app.trading.Bot object at 0x7f3a2c1d0e50>",
    "contract 0x52908400098527886E0F7030069857D2E4169EE7 paused",
    "KC-API-TIMESTAMP: 1700000000000, X-MBX-USED-WEIGHT-1M: 12, Retry-After: 30, cf-ray: 8f3a2c1d0e501234-FRA",
    "pip install worker==1.2.3 --no-deps --index-url https://pypi.org/simple",
    "asset@2x.png and pkg@1.2.3 and foo@bar",
    "[Filtered] [Truncated] [Too deep] [Too large] [Cycle] [Scrubbing failed]",
]

FIELDS: dict[str, Any] = {
    "task_id": TASK_ID,
    "id": TASK_ID,
    "order_id": "4111111111111111",
    "clientOrderId": "x-R4BD3S82f3e19a7c8b9d",
    "txid": TX_HASH,
    "hash": SHA,
    "commit": SHA[:40],
    "worker": "celery@trader-1.example.com",
    "hostname": "gen17@trader-1.example.com",
    "routing_key": "orders.binance",
    "queue": "orders",
    "cache_key": "ticker:binance:BTC/USDT:aB3xK9",
    "primary_key": "aB3xK9aB3xK9aB3xK9aB3xK9",
    "idempotency_key": "aB3xK9aB3xK9aB3xK9aB3xK9",
    "sort_key": "price",
    "foreign_key": "orders.bot_id",
    "CELERY_REDIS_KEY_PREFIX": "trading:",
    "key": "ticker-binance-BTCUSDT-1700000000",
    "dedupe": {"key": SHA},
    "token": "USDT",
    "base_token": "SHIB1000",
    "token_address": "0x52908400098527886E0F7030069857D2E4169EE7",
    "tokens": 512,
    "max_tokens": 4096,
    "sign": -1,
    "signal": "buy",
    "signals": ["rsi_oversold", "macd_cross"],
    "design": "x",
    "author": "x",
    "secret_santa": "bob",
    "pin_strategy": "twap",
    "seed": 42,
    "pk": 17,
    "auth": "none",
    "session_type": "asia",
    "keyboard": "x",
    "monkey": "x",
    "passenger": "x",
    "compass": "x",
    "passed": True,
    "bypass": "x",
    "from": "2026-11-24T00:00:00Z",
    "to": "2026-11-25T00:00:00Z",
    "address": "127.0.0.1:6379",
    "sender": "worker.tasks.orders.place_order",
    "owner": "bot-42",
    "side": "buy",
    "price": 64250.1,
    "amount": "0.0125",
    "timestamp": 1700000000000,
    "created_ns": 1700000000000000000,
    "balance": {"USDT": 1042.17},
    "symbol": "BTC/USDT",
    "exchange": "binance",
    "bot_id": "bot-42",
    "strategy": "momentum",
    "api_key_expires_at": "2027-01-01",
    "password_changed_at": "2026-01-01",
    "cookie_policy": "lax",
    "signature_type": 2,
    "server.address": "api.binance.com",
    "messaging.message.id": TASK_ID,
    "code.function.name": "place_order",
    "thread.name": "MainThread",
    "ip": "52.84.150.39",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_without_secret_is_unchanged(text: str) -> None:
    """Ids, hashes, hosts, symbols, prices and the exchange's own words stay."""
    assert scrub_text(text) == text


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_without_secret_is_unchanged(name: str) -> None:
    """A name that only resembles a secret's keeps its value."""
    assert scrub_value({name: FIELDS[name]}) == {name: FIELDS[name]}


def test_an_event_without_secret_is_unchanged() -> None:
    """The whole of an ordinary event arrives as it was."""
    event: Any = {
        "event_id": "a" * 32,
        "timestamp": "2026-11-24T10:00:00Z",
        "level": "error",
        "platform": "python",
        "release": "trader@1.2.3",
        "environment": "production",
        "server_name": "trader-1.example.com",
        "modules": {"celery": "5.7.0"},
        "sdk": {"name": "sentry.python", "integrations": ["celery"]},
        "tags": {
            "bot_id": "bot-42",
            "exchange": "binance",
            "symbol": "BTC/USDT",
            "queue": "orders",
            "celery_task_id": TASK_ID,
        },
        "fingerprint": ["{{ default }}", "binance", "-1021"],
        "transaction": "worker.tasks.orders.place_order",
        "contexts": {
            "celery": {
                "id": TASK_ID,
                "root_id": TASK_ID,
                "worker": "celery@trader-1",
                "attempt": 2,
                "queue_wait_ms": 12.5,
            },
            "attempts": {
                "records": [{"attempt": 1, "error_class": "RequestTimeout", "message": "binance timed out (10 s)"}]
            },
            "trace": {"trace_id": "b" * 32, "span_id": "c" * 16, "op": "queue.task.celery", "status": "internal_error"},
        },
        "breadcrumbs": {
            "values": [{"category": "trading", "message": "placing BTC/USDT", "data": {"attempt": 1, "price": 1.5}}]
        },
        "exception": {
            "values": [
                {
                    "type": "InsufficientFunds",
                    "value": 'binance {"code":-2010,"msg":"Account has insufficient balance for requested action."}',
                    "stacktrace": {
                        "frames": [
                            {
                                "module": "bot.orders",
                                "filename": "bot/orders.py",
                                "lineno": 42,
                                "pre_context": ["def place(bot_id, symbol):"],
                                "context_line": "    return client.create_order(symbol, 'limit', side, amount, price)",
                                "post_context": [""],
                                "vars": {
                                    "symbol": "'BTC/USDT'",
                                    "price": "64250.1",
                                    "client": "<app.Client object at 0x7f00>",
                                },
                            }
                        ]
                    },
                }
            ]
        },
    }
    assert scrub_event(event, {}) == event
