"""Errors of other trading libraries that workers run: python-binance and freqtrade."""

from __future__ import annotations

from functools import partial
from typing import Final

from monitoring.filtering.errors.row import ONCE, SOON, TRANSIENT, ErrorRow, Persistence, Treatment

SEND, CRITICAL, PERSISTENT, STATE = Treatment.SEND, Treatment.CRITICAL, Treatment.PERSISTENT, Treatment.STATE

_binance = partial(ErrorRow, "BinanceAPIException", package="binance")
_freqtrade = partial(ErrorRow, package="freqtrade")
_FUNDS: Final = Persistence(10, seconds=1800.0)

PLATFORMS: Final[tuple[ErrorRow, ...]] = (
    _binance("ip_banned", "fatal", CRITICAL,
             "every bot on this address is banned", http=(418,), says=r"banned until", window=ONCE),
    _binance("ip_blocked", "fatal", CRITICAL, "this address or country is blocked", http=(403, 451), window=ONCE),
    _binance("credentials", "fatal", CRITICAL, "the key, its IP list or its signature is refused",
             http=(401,), codes=("-2014", "-2015", "-1022"), window=ONCE, per="credential"),
    _binance("rate_limit", "warning", PERSISTENT,
             "too many requests", http=(429,), codes=("-1003", "-1015"), window=TRANSIENT),
    _binance("clock_skew", "fatal", PERSISTENT, "never heals alone", codes=("-1021",), window=SOON, per="credential"),
    _binance("api_timeout", "error", PERSISTENT, "nobody knows whether it was carried out", codes=("-1006", "-1007"),
             window=TRANSIENT, uncertain=True),
    _binance("funds", "fatal", STATE,
             "noise while opening, danger when a position cannot be closed", codes=("-2019",),
             says=r"insufficient (balance|margin)|margin is insufficient", window=_FUNDS, per="bot",
             critical_in="closing"),
    _binance("order_not_found", "info", STATE,
             "filled before it was cancelled", codes=("-2011", "-2013"), critical_in="closing"),
    _binance("api_unavailable", "error", PERSISTENT,
             "down, and what was asked may have been done", http=(500, 502, 503, 504),
             window=TRANSIENT, uncertain=True),
    _binance("exchange_error", "error", SEND, "a reject; grouped by its code", critical_in="closing"),
    ErrorRow("BinanceRequestException", "bad_response", "error", PERSISTENT, "an unreadable answer", package="binance",
             window=TRANSIENT, uncertain=True),
    _freqtrade("DDosProtection", "rate_limit", "error", PERSISTENT, "a ban is near", window=SOON),
    _freqtrade("RetryableOrderError", "order_not_found", "warning", PERSISTENT,
               "the order is not known yet", window=TRANSIENT),
    _freqtrade("InsufficientFundsError", "funds", "fatal", STATE,
               "noise while opening, danger when closing", window=_FUNDS,
               per="bot", critical_in="closing"),
    _freqtrade("TemporaryError", "api_connection", "error", PERSISTENT,
               "freqtrade's word for the network", window=TRANSIENT,
               uncertain=True),
    _freqtrade("OperationalException", "configuration", "fatal", CRITICAL,
               "the bot stops until a human acts", window=ONCE, per="bot"),
)  # fmt: skip
