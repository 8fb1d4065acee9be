"""Faults to order: what goes wrong between the worker and a paper exchange, how often, and when.

A plan is one line of text, `<exchange>:<fault>=<value>,…;<exchange>:…`, with `*` for every exchange:

    binance:timeout=0.05,rate_limit=0.03,slow=0.1@0.8s;kraken:outage=2026-01-01T00:00:00Z..2026-01-01T00:05:00Z

`<operation>.<fault>` limits it to one operation (`create_order.lost=0.2`). Which request is hit is a pure function of
the seed and the request's number at its exchange: the same traffic fails in the same places every time.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from worker import errors
from worker.chance import uniform

OPERATIONS = (
    "fetch_market",
    "fetch_candles",
    "fetch_order_book",
    "fetch_balance",
    "fetch_positions",
    "fetch_open_orders",
    "fetch_order",
    "create_order",
    "cancel_order",
)
_WRITES = ("create_order", "cancel_order")


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to go wrong: what is raised and said, and in which operations it can happen."""

    error: type[errors.BaseError] | None
    message: str
    operations: tuple[str, ...] = OPERATIONS
    takes: str = "rate"


KINDS = {
    # In the order in which a request meets them. `slow` only delays; `lost` strikes after the work was done.
    "slow": Kind(None, "", takes="rate@seconds"),
    "outage": Kind(errors.ExchangeNotAvailable, "does not answer anybody (503)", takes="window"),
    "maintenance": Kind(errors.OnMaintenance, "is being serviced (503)", takes="window"),
    "drop": Kind(errors.NetworkError, "closed the connection before it was asked"),
    "timeout": Kind(errors.RequestTimeout, "did not answer within 10 s; the request did not arrive"),
    "rate_limit": Kind(errors.RateLimitExceeded, "takes no more requests for now (429)"),
    "auth": Kind(errors.AuthenticationError, "does not know the API key (401)"),
    "reject": Kind(errors.InvalidOrder, "rejected the order", operations=("create_order",)),
    "lost": Kind(errors.RequestTimeout, "did not answer within 10 s", operations=_WRITES),
}

Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a plan. `rate` is a share of the requests, `window` (epoch seconds) a time in which all are hit."""

    exchange: str
    operation: str
    kind: str
    rate: float = 1.0
    seconds: float = 0.0
    window: Window | None = None

    def concerns(self, exchange: str, operation: str) -> bool:
        """Tell whether the rule is about such requests at all."""
        about = self.exchange in ("*", exchange) and self.operation in ("*", operation)
        return about and operation in KINDS[self.kind].operations


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Everything that may go wrong, in the order in which a request meets it."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FaultPlan":
        """Read a plan; raise `ValueError` with every mistake in it: which entry, which rule, which value."""
        rules: list[Rule] = []
        mistakes: list[str] = []
        for entry in filter(None, (part.strip() for part in text.split(";"))):
            exchange, colon, items = entry.partition(":")
            if not colon or not re.fullmatch(r"\*|[a-z0-9_]+", exchange):
                mistakes.append(f"must be entries like binance:timeout=0.05,slow=0.1@0.8s, got {entry!r}")
                continue
            for item in filter(None, (part.strip() for part in items.split(","))):
                try:
                    rules.append(_rule(exchange, item))
                except ValueError as mistake:
                    mistakes.append(str(mistake))
        if mistakes:
            raise ValueError("; ".join(mistakes))
        order = list(KINDS)
        return cls(tuple(sorted(rules, key=lambda rule: order.index(rule.kind))))

    def strikes(self, exchange: str, operation: str, *, number: int, seed: int, now: float) -> Iterator[Rule]:
        """Yield what happens to request `number` of `exchange`, at `now` in epoch seconds."""
        for rule in self.rules:
            if not rule.concerns(exchange, operation):
                continue
            if rule.window is not None:
                struck = rule.window[0] <= now < rule.window[1]
            else:
                struck = uniform(seed, "fault", exchange, rule.operation, rule.kind, number) < rule.rate
            if struck:
                yield rule


def _rule(exchange: str, item: str) -> Rule:
    name, _, value = item.partition("=")
    operation, dot, kind = name.strip().rpartition(".")
    known = KINDS.get(kind)
    if known is None:
        raise ValueError(f"a fault of {exchange} must be one of {', '.join(KINDS)}, got {kind!r}")
    if dot and operation not in known.operations:
        raise ValueError(f"{kind} of {exchange} can strike {', '.join(known.operations)}, got {operation!r}")
    try:
        return _READERS[known.takes](Rule(exchange, operation or "*", kind), value.strip())
    except ValueError:
        raise ValueError(f"{kind} of {exchange} must be {_FORMS[known.takes]}, got {value.strip()!r}") from None


def _with_rate(rule: Rule, text: str) -> Rule:
    return Rule(rule.exchange, rule.operation, rule.kind, rate=_number(text, at_most=1))


def _with_delay(rule: Rule, text: str) -> Rule:
    rate, _, seconds = text.removesuffix("s").partition("@")
    return Rule(
        rule.exchange,
        rule.operation,
        rule.kind,
        rate=_number(rate, at_most=1),
        seconds=_number(seconds, at_most=600),
    )


def _with_window(rule: Rule, text: str) -> Rule:
    start, _, end = text.partition("..")
    window = (float("-inf"), float("inf")) if text == "always" else (_moment(start), _moment(end))
    if window[0] >= window[1]:
        raise ValueError
    return Rule(rule.exchange, rule.operation, rule.kind, window=window)


_READERS: dict[str, Callable[[Rule, str], Rule]] = {
    "rate": _with_rate,
    "rate@seconds": _with_delay,
    "window": _with_window,
}
_FORMS = {
    "rate": "a share of the requests from 0 to 1",
    "rate@seconds": "a share from 0 to 1 and a delay up to 600 s, like 0.1@0.8s",
    "window": "'always' or a start and a later end, in ISO 8601 or epoch seconds, like 2026-01-01T09:00Z..1767258300",
}


def _number(text: str, *, at_most: float) -> float:
    number = float(text)
    if not 0 <= number <= at_most:
        raise ValueError
    return number


def _moment(text: str) -> float:
    """Read a moment as epoch seconds; without an offset it is UTC."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
