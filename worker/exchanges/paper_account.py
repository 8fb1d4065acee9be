"""The books of one paper account, as a value: every operation takes an account and returns the next one.

What is promised to open orders is not stored but summed up from them, so free and locked can not drift apart. Money
moves only in `_filled`, in both currencies at once.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import ROUND_UP, Decimal
from types import MappingProxyType

from worker.errors import InsufficientFunds, InvalidOrder, OrderNotFound
from worker.exchanges.interface import Balance, Level, Market, Order, Position
from worker.exchanges.paper_market import STARTING_BALANCES, market

FEE_RATE = Decimal("0.001")
"""Of an order's cost, in quote currency, for both sides."""

MAX_OPEN_ORDERS = 200
"""As on a real exchange; it also bounds the account's value in the server."""

_MONEY = Decimal("0.00000001")
_NOTHING = Decimal(0)
_LARGEST = Decimal(10) ** 12  # beyond it Decimal's 28 digits would begin to round


@dataclass(frozen=True, slots=True)
class Account:
    """What an account owns, promised or not. `settled_at` is the slot up to which its open orders were matched."""

    totals: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType(STARTING_BALANCES))
    positions: tuple[Position, ...] = ()
    open_orders: tuple[Order, ...] = ()
    settled_at: int = 0

    def balance(self, currency: str) -> Balance:
        """Return one currency, whether the account has ever had any of it or not."""
        locked = sum((amount for name, amount in map(_promise, self.open_orders) if name == currency), _NOTHING)
        return Balance(currency, free=self.totals.get(currency, _NOTHING) - locked, locked=locked)

    def position(self, symbol: str) -> Position:
        """Return what trading `symbol` has added up to, nothing included."""
        return next((item for item in self.positions if item.symbol == symbol), Position(symbol, _NOTHING, _NOTHING))

    def to_text(self) -> str:
        """Return the account as text that `from_text` reads back exactly."""
        return json.dumps(
            {
                "totals": dict(self.totals),
                "positions": [asdict(position) for position in self.positions],
                "open_orders": [asdict(order) for order in self.open_orders],
                "settled_at": self.settled_at,
            },
            default=str,
        )

    @classmethod
    def from_text(cls, text: str | bytes) -> "Account":
        """Read what `to_text` wrote."""
        facts = json.loads(text)
        return cls(
            totals=MappingProxyType({name: Decimal(amount) for name, amount in facts["totals"].items()}),
            positions=tuple(
                Position(item["symbol"], Decimal(item["amount"]), Decimal(item["entry_price"]))
                for item in facts["positions"]
            ),
            open_orders=tuple(order_from_facts(order) for order in facts["open_orders"]),
            settled_at=facts["settled_at"],
        )


def place(
    account: Account, order: Order, levels: Sequence[Level], best_price: Decimal
) -> tuple[Account, Order, dict[Decimal, Decimal]]:
    """Match a new order against what is left of the other side's `levels`, the best first.

    Returns the account, the order, and what was taken at which price. A limit order takes what is no worse than its
    price and rests with the remainder; what a market order can not get is cancelled. Raises `InsufficientFunds` or
    `InvalidOrder`, and then nothing has happened.
    """
    rules = market(order.symbol)
    _check(account, order, rules, best_price)
    taken: dict[Decimal, Decimal] = {}
    left = order.amount
    for price, offered in levels:
        if left <= 0 or not _acceptable(order, price):
            break
        taken[price] = min(left, offered)
        left -= taken[price]
    placed = order
    for price, amount in taken.items():
        account, placed = _filled(account, placed, amount, price)
    if placed.remaining > 0:
        placed = replace(placed, status="canceled" if placed.price is None else "open")
    if placed.status == "open":
        account = replace(account, open_orders=(*account.open_orders, placed))
    for currency in (rules.base, rules.quote):
        if (balance := account.balance(currency)).free < 0:
            raise InsufficientFunds(
                f"{order.side} {order.amount} {order.symbol} needs {-balance.free} {currency} more than is free"
            )
    return account, placed, taken


def cancel(account: Account, client_order_id: str, symbol: str) -> tuple[Account, Order]:
    """Take an order out of the book; what was filled stays filled. Raises `OrderNotFound` when it is not open."""
    for order in account.open_orders:
        if (order.client_order_id, order.symbol) == (client_order_id, symbol):
            rest = tuple(other for other in account.open_orders if other is not order)
            return replace(account, open_orders=rest), replace(order, status="canceled")
    raise OrderNotFound(f"no open order of {symbol} has the client order id {client_order_id!r}")


def settle(account: Account, slot: int, reached: Callable[[Order], bool]) -> tuple[Account, tuple[Order, ...]]:
    """Fill the resting orders whose price was `reached`, whole and at their own price; return them too."""
    done = []
    for order in account.open_orders:
        if reached(order):
            rest = tuple(other for other in account.open_orders if other.id != order.id)
            account, filled = _filled(
                replace(account, open_orders=rest), order, order.remaining, order.price or _NOTHING
            )
            done.append(filled)
    return replace(account, settled_at=slot), tuple(done)


def order_from_facts(facts: dict[str, object]) -> Order:
    """Read an order back from what `dataclasses.asdict` and JSON made of it."""
    money = {name: Decimal(str(facts[name])) for name in ("amount", "filled", "cost", "fee")}
    price = None if facts["price"] is None else Decimal(str(facts["price"]))
    return Order(**{**facts, **money, "price": price})  # type: ignore[arg-type]  # JSON of our own, written by asdict


def _check(account: Account, order: Order, rules: Market, best_price: Decimal) -> None:
    """Raise `InvalidOrder` unless the order keeps the market's rules."""
    if not _is_multiple(order.amount, rules.amount_step):
        raise InvalidOrder(f"amount of {order.symbol} must be a multiple of {rules.amount_step}, got {order.amount}")
    if order.price is not None and not _is_multiple(order.price, rules.price_step):
        raise InvalidOrder(f"price of {order.symbol} must be a multiple of {rules.price_step}, got {order.price}")
    cost = order.amount * (order.price or best_price)
    if cost < rules.min_cost:
        raise InvalidOrder(f"an order of {order.symbol} must cost at least {rules.min_cost} {rules.quote}, got {cost}")
    if len(account.open_orders) >= MAX_OPEN_ORDERS:
        raise InvalidOrder(f"an account may have at most {MAX_OPEN_ORDERS} open orders")


def _is_multiple(value: Decimal, step: Decimal) -> bool:
    return value.is_finite() and 0 < value <= _LARGEST and not value % step


def _acceptable(order: Order, price: Decimal) -> bool:
    if order.price is None:
        return True
    return price <= order.price if order.side == "buy" else price >= order.price


def _filled(account: Account, order: Order, amount: Decimal, price: Decimal) -> tuple[Account, Order]:
    """Exchange `amount` of base for quote currency at `price`, fee included, in account, position and order."""
    rules = market(order.symbol)
    sign = 1 if order.side == "buy" else -1
    cost, fee = amount * price, _fee(amount * price)
    totals = dict(account.totals)
    totals[rules.base] = totals.get(rules.base, _NOTHING) + sign * amount
    totals[rules.quote] = totals.get(rules.quote, _NOTHING) - sign * cost - fee
    moved = _moved(account.position(order.symbol), sign * amount, price)
    others = tuple(position for position in account.positions if position.symbol != order.symbol)
    filled = replace(order, filled=order.filled + amount, cost=order.cost + cost, fee=order.fee + fee)
    return (
        replace(
            account,
            totals=MappingProxyType(totals),
            positions=(*others, moved) if moved.amount else others,
        ),
        replace(filled, status="open" if filled.remaining else "closed"),
    )


def _moved(position: Position, change: Decimal, price: Decimal) -> Position:
    """Return the position after trading: growing averages the entry price, shrinking keeps it, turning starts anew."""
    amount = position.amount + change
    if position.amount * change < 0:
        entry = price if amount * change > 0 else position.entry_price
    else:
        paid = abs(position.amount) * position.entry_price + abs(change) * price
        entry = (paid / abs(amount)).quantize(_MONEY)
    return Position(position.symbol, amount, entry)


def _promise(order: Order) -> tuple[str, Decimal]:
    """Return the currency and amount that filling the rest of an open order can take."""
    rules = market(order.symbol)
    if order.side == "sell" or order.price is None:
        return rules.base, order.remaining
    cost = order.remaining * order.price
    return rules.quote, cost + _fee(cost)


def _fee(cost: Decimal) -> Decimal:
    """Return the fee for `cost`, rounded up as an exchange does it: the sum of parts is never below the whole."""
    return (cost * FEE_RATE).quantize(_MONEY, ROUND_UP)
