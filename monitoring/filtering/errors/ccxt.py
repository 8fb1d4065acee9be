"""ccxt's hierarchy, a row per class, children before their parents; refinements before the plain rows.

Matched by name, so ccxt need not be installed, and a hierarchy with the same names and the same root counts as well.
Kinds, severities and the exchange codes: what ccxt 4.5 maps to each class, and what that costs a bot.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from monitoring.filtering.errors.row import (
    DAILY,
    MAINTENANCE,
    ONCE,
    SOON,
    TRANSIENT,
    ErrorRow,
    Persistence,
    Treatment,
)

SEND, CRITICAL, PERSISTENT = Treatment.SEND, Treatment.CRITICAL, Treatment.PERSISTENT
STATE, USER, BUG = Treatment.STATE, Treatment.USER, Treatment.BUG

_row = partial(ErrorRow, package="ccxt", root="BaseError")

#: Funds are short while a strategy opens positions: noise. For long, per bot: it cannot trade.
_FUNDS: Final = Persistence(10, seconds=1800.0)
#: Trading halts end by themselves within the hour.
_HALT: Final = Persistence(20, seconds=3600.0, sparse_seconds=7200.0)

REFINEMENTS: Final[tuple[ErrorRow, ...]] = (
    _row("BaseError", "ip_banned", "fatal", CRITICAL, "every bot on this address is banned; retrying prolongs it",
         http=(418,), says=r"banned until|\bip (address )?(has been |is |was )?(auto-?)?banned", window=ONCE),
    _row("BaseError", "credentials", "fatal", CRITICAL,
         "the key, its IP list or its signature is refused; every later call fails",
         codes=("-2014", "-2015", "-1022"), says=r"signature for this request is not valid", window=ONCE,
         per="credential"),
    _row("BaseError", "clock_skew", "fatal", PERSISTENT,
         "binance's portfolio margin maps clock skew to BadRequest; it never heals alone",
         codes=("-1021",), says=r"outside of the (me )?recvwindow|timestamp for this request", window=SOON,
         per="credential"),
    _row("BadResponse", "order_state_unknown", "fatal", CRITICAL,
         "cancel-replace was carried out in part: one of two orders lives",
         codes=("-2021", "-2022")),
    _row("ExchangeError", "api_timeout", "error", PERSISTENT,
         "the exchange itself does not know whether it was carried out; for options ccxt has no better class",
         codes=("-1006", "-1007"), says=r"(send|execution) status unknown", window=TRANSIENT, uncertain=True),
    _row("PermissionDenied", "account_feature", "warning", SEND,
         "a feature of the account, not the key's right to trade",
         codes=("-3043", "-4015")),
    _row("InvalidOrder", "funds", "fatal", STATE,
         "binance's -2010 is a reject and an empty purse alike; only the text tells",
         says=r"insufficient (balance|funds|margin)|balance is insufficient", window=_FUNDS, per="bot",
         critical_in="closing"),
    _row("OperationFailed", "funds", "fatal", STATE,
         "binance's portfolio margin calls an empty purse a failed operation",
         codes=("-2019",), says=r"margin is insufficient", window=_FUNDS, per="bot", critical_in="closing"),
    _row("ExchangeNotAvailable", "ip_blocked", "fatal", CRITICAL,
         "ccxt files a block (403) and a geo block (451) under downtime; neither ends by itself",
         http=(403, 451), window=ONCE),
    _row("ExchangeNotAvailable", "bad_request", "error", BUG, "ccxt files our own wrong requests under downtime",
         http=(400, 404, 405, 409, 410)),
)  # fmt: skip

CLASSES: Final[tuple[ErrorRow, ...]] = (
    # The exchange understood and refused.
    _row("AccountNotEnabled", "permission", "fatal", CRITICAL,
         "futures or margin are not opened: the bot cannot trade, the user must act",
         window=ONCE, per="credential"),
    _row("PermissionDenied", "permission", "fatal", CRITICAL,
         "the key may not trade, or this address is not on its list",
         window=ONCE, per="credential"),
    _row("AccountSuspended", "account_suspended", "fatal", CRITICAL, "trading is banned for the account",
         window=ONCE, per="credential"),
    _row("AuthenticationError", "credentials", "fatal", CRITICAL,
         "the key is dead: every later call fails; never a 4xx to drop",
         window=ONCE, per="credential"),
    _row("ArgumentsRequired", "bad_request", "error", BUG, "our call lacks an argument"),
    _row("BadSymbol", "bad_symbol", "warning", USER,
         "a user's typing error; in a running bot a delisting, told once per symbol",
         window=DAILY, per="symbol"),
    _row("BadRequest", "bad_request", "error", USER, "a user's input when a request led here, else our bug"),
    _row("MarginModeAlreadySet", "no_change", "info", STATE, "already so: success"),
    _row("NoChange", "no_change", "info", STATE, "already so: success"),
    _row("MarketClosed", "market_closed", "warning", STATE, "a halt; news when it lasts",
         window=_HALT, per="symbol", critical_in="closing"),
    _row("ManualInteractionNeeded", "manual_interaction", "fatal", CRITICAL,
         "only a human can confirm it at the exchange",
         window=ONCE, per="credential"),
    _row("RestrictedLocation", "geo_blocked", "fatal", CRITICAL,
         "the exchange does not serve this country", window=ONCE, per="bot"),
    _row("OperationRejected", "rejected", "warning", SEND, "refused in the present state; may be a cancel that failed",
         critical_in="closing"),
    _row("InsufficientFunds", "funds", "fatal", STATE, "noise while opening, danger when a position cannot be closed",
         window=_FUNDS, per="bot", critical_in="closing"),
    _row("AddressPending", "address_pending", "warning", PERSISTENT,
         "the address is being made", window=TRANSIENT, per="credential"),
    _row("InvalidAddress", "invalid_address", "error", USER,
         "a user's typing error; in a withdrawal, money on its way to a wrong place",
         critical_in="changing"),
    _row("OrderNotFound", "order_not_found", "info", STATE,
         "filled before it was cancelled; danger if it was a protective stop",
         critical_in="closing"),
    _row("OrderNotCached", "order_not_cached", "error", BUG, "our local order cache is wrong"),
    _row("OrderImmediatelyFillable", "order_not_placed", "info", STATE,
         "a post-only order would have taken: as ordered", critical_in="closing"),
    _row("OrderNotFillable", "order_not_placed", "info", STATE,
         "fill-or-kill was killed: as ordered", critical_in="closing"),
    _row("DuplicateOrderId", "duplicate_order", "fatal", CRITICAL, "an earlier attempt probably went through"),
    _row("ContractUnavailable", "contract_unavailable", "warning", SEND,
         "expired or delisted, told once per symbol", window=DAILY, per="symbol"),
    _row("InvalidOrder", "order_rejected", "error", SEND,
         "a rule of the exchange: precision or minimum size wrong in our sizing",
         critical_in="closing"),
    _row("NotSupported", "not_supported", "error", BUG, "the exchange has no such operation"),
    _row("InvalidProxySettings", "configuration", "fatal", CRITICAL, "no request can leave", window=ONCE),
    _row("ExchangeClosedByUser", "closed", "info", STATE, "our own shutdown"),
    _row("ExchangeError", "exchange_error", "error", SEND,
         "often a real reject that ccxt does not know yet; grouped by the exchange's code",
         generic=True, critical_in="closing"),
    # It did not work out this time.
    _row("DDoSProtection", "rate_limit", "error", PERSISTENT,
         "a ban is near; kraken uses it for plain rate limits", window=SOON),
    _row("RateLimitExceeded", "rate_limit", "warning", PERSISTENT,
         "per key or address, not per bot; no subclass of DDoSProtection",
         window=TRANSIENT, per="credential"),
    _row("OnMaintenance", "maintenance", "warning", PERSISTENT,
         "announced; kraken's cancel-only mode too", window=MAINTENANCE),
    _row("ExchangeNotAvailable", "api_unavailable", "error", PERSISTENT,
         "the exchange is down", window=TRANSIENT, uncertain=True),
    _row("ChecksumError", "stream_resync", "warning", PERSISTENT,
         "an order book is being fetched anew", window=TRANSIENT),
    _row("InvalidNonce", "clock_skew", "fatal", PERSISTENT,
         "a wrong clock, or two workers with one key: never heals alone",
         window=SOON, per="credential"),
    _row("RequestTimeout", "api_timeout", "error", PERSISTENT,
         "one is weather, many are an outage", window=TRANSIENT, uncertain=True),
    _row("NetworkError", "api_connection", "error", PERSISTENT, "the way to the exchange is broken", window=TRANSIENT,
         uncertain=True),
    _row("NullResponse", "bad_response", "error", PERSISTENT, "an empty answer", window=TRANSIENT, uncertain=True),
    _row("BadResponse", "bad_response", "error", PERSISTENT,
         "an unreadable answer, often a proxy's page", window=TRANSIENT, uncertain=True),
    _row("CancelPending", "cancel_pending", "info", STATE,
         "it is being cancelled; news when that lasts", window=TRANSIENT, per="symbol"),
    _row("OperationFailed", "operation_failed", "error", PERSISTENT, "accepted but not carried out", window=TRANSIENT,
         uncertain=True, generic=True),
    _row("UnsubscribeError", "closed", "info", STATE, "told to whoever waited for a stream that we left"),
    _row("BaseError", "exchange_error", "error", SEND,
         "the root: holds critical and passing errors alike, so it is sent", generic=True),
)  # fmt: skip

CCXT: Final[tuple[ErrorRow, ...]] = (*REFINEMENTS, *CLASSES)
