"""A worker that trades through real exchange clients, at an exchange that the test has made."""

# Celery and ccxt publish no types:
# mypy: disable-error-code="untyped-decorator"

import os
import re
from typing import Any

import ccxt
from celery import Celery

import monitoring

KEY, SECRET, PASSPHRASE = (os.environ[name] for name in ("LIVE_KEY", "LIVE_SECRET", "LIVE_PASSPHRASE"))
#: exchange -> the signed calls that read an account and place an order, each exchange's own
CALLS = {
    "binance": ("private_get_account", "private_post_order"),
    "bitget": ("private_spot_get_v2_spot_account_assets", "private_spot_post_v2_spot_trade_place_order"),
    "bybit": ("private_get_v5_account_wallet_balance", "private_post_v5_order_create"),
    "gate": ("private_spot_get_accounts", "private_spot_post_orders"),
    "kraken": ("private_post_balance", "private_post_addorder"),
    "kucoin": ("private_get_accounts", "private_post_orders"),
    "okx": ("private_get_account_balance", "private_post_trade_order"),
}
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1.5", "price": "50000"}

app = Celery("live", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])
app.conf.broker_connection_retry_on_startup = True
monitoring.init_sentry(enable_logs=True, attach_stacktrace=True)


def client(exchange: str, address: str) -> Any:
    """Return a real client whose every address leads to `address`."""
    credentials = {"apiKey": KEY, "secret": SECRET, "password": PASSPHRASE}
    made = getattr(ccxt, exchange)({**credentials, "enableRateLimit": False, "timeout": 700, "verbose": False})
    made.urls["api"] = _leading_to(address, made.urls["api"])
    return made


def _leading_to(address: str, urls: Any) -> Any:
    if isinstance(urls, dict):
        return {name: _leading_to(address, url) for name, url in urls.items()}
    return re.sub(r"^https?://[^/]+", address, urls)


@monitoring.track_trading_operation("fetch_balance")
def read(exchange: str, address: str) -> None:
    """Ask for the balance."""
    getattr(client(exchange, address), CALLS[exchange][0])({})


@monitoring.track_trading_operation("buy_order")
def buy(exchange: str, address: str) -> None:
    """Place an order."""
    getattr(client(exchange, address), CALLS[exchange][1])(dict(ORDER))


@app.task
def balance(bot_id: str, exchange: str, address: str) -> None:  # the context comes first
    """Read through a real client."""
    read(exchange, address)


@app.task(moves_money=True)
def order(bot_id: str, exchange: str, address: str) -> None:
    """Move money through a real client."""
    buy(exchange, address)
