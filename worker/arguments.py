"""What a task is asked for: read exactly, or refused with every mistake at once.

Arguments come from a web form, a command line or another task, so each is checked where it is used, whoever sent it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

from worker.errors import BadRequest
from worker.exchanges import EXCHANGES
from worker.exchanges.interface import Order, Side

_LARGEST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order that a bot wants placed; without `price` at the market."""

    bot_id: str
    exchange: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None
    client_order_id: str

    @classmethod
    def read(cls, **arguments: object) -> "OrderRequest":
        """Read an order, or raise `BadRequest` that names each wrong argument, its rule and its value."""
        return cls(**read(arguments))

    def describes(self, order: Order) -> bool:
        """Tell whether this is the order that the exchange has."""
        return (self.symbol, self.side, self.amount, self.price) == (
            order.symbol,
            order.side,
            order.amount,
            order.price,
        )


def read(arguments: Mapping[str, object]) -> dict[str, Any]:
    """Return the arguments, each as its reader gives it back, or raise `BadRequest` with all that is wrong."""
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for name, given in arguments.items():
        try:
            values[name] = _READERS[name](given)
        except ValueError as rule:
            mistakes.append(f"{name} must be {rule}, got {_shown(given)}")
    if mistakes:
        raise BadRequest("; ".join(mistakes))
    return values


def client_order_id_of(*origin: str) -> str:
    """Return the order id that belongs to `origin` (a task's id and, if it places several, a name for each).

    It is the same on every retry and redelivery of the task, which keep its id, and 32 hexadecimal digits: the form
    that the strictest exchange takes.
    """
    return uuid5(NAMESPACE_URL, "/".join(origin)).hex


def _matching(pattern: str, rule: str) -> Callable[[object], str]:
    def reader(given: object) -> str:
        text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(rule)
        return text

    return reader


def _one_of(*allowed: str) -> Callable[[object], str]:
    def reader(given: object) -> str:
        if not isinstance(given, str) or given not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return given

    return reader


def _positive(given: object) -> Decimal:
    try:
        # A float means the number that it shows, not the binary one behind it.
        number = Decimal(str(given)) if isinstance(given, str | int | float | Decimal) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 < number <= _LARGEST:
        raise ValueError(f"a number above 0 and up to {_LARGEST:.0e}")
    return number


def _optional(reader: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda given: None if given is None else reader(given)


def _whole(lowest: int, highest: int) -> Callable[[object], int]:
    def reader(given: object) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not lowest <= given <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return given

    return reader


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004  # an error message, not a message body


_READERS: dict[str, Callable[[object], Any]] = {
    "bot_id": _matching(r"[\w.@:-]{1,64}", "1 to 64 letters, digits or . @ : - _"),
    "exchange": _one_of(*EXCHANGES),
    "symbol": _matching(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?", "like BTC/USDT"),
    "side": cast("Callable[[object], Side]", _one_of("buy", "sell")),
    "amount": _positive,
    "price": _optional(_positive),
    "budget": _positive,
    "client_order_id": _matching(r"[\w.:/-]{1,36}", "1 to 36 letters, digits or . _ : / -"),
    "strategy": _one_of("momentum"),
    "interval_seconds": _whole(1, 86_400),
    "limit": _whole(35, 1000),
}
