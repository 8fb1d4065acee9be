"""What the platform asks of an exchange, and the values that come back."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Literal, Protocol

Side = Literal["buy", "sell"]
Status = Literal["open", "closed", "canceled"]
Level = tuple[Decimal, Decimal]
"""Price and amount of one step of an order book."""


@dataclass(frozen=True, slots=True)
class Market:
    """The rules of one symbol: prices and amounts are multiples of their steps; an order costs at least `min_cost`."""

    symbol: str
    price_step: Decimal
    amount_step: Decimal
    min_cost: Decimal

    @property
    def base(self) -> str:
        """Return the currency that is bought and sold."""
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """Return the currency that prices are in."""
        return self.symbol.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Candle:
    """One interval of trading; `opened_at` is its start in seconds since the epoch, `volume` is in base currency."""

    opened_at: float
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class OrderBook:
    """What others offer: both sides from the best price on."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of an account; `locked` is promised to open orders."""

    currency: str
    free: Decimal
    locked: Decimal

    @property
    def total(self) -> Decimal:
        """Return what is owned, promised or not."""
        return self.free + self.locked


@dataclass(frozen=True, slots=True)
class Position:
    """What trading a symbol has added up to: `amount` of base currency (below 0: sold more than bought)."""

    symbol: str
    amount: Decimal
    entry_price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the exchange has it, a market order if it has no `price`. `cost` and `fee` are in quote currency."""

    id: str
    client_order_id: str
    exchange: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None
    placed_at: float
    status: Status = "open"
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)

    @property
    def remaining(self) -> Decimal:
        """Return the amount that is not filled."""
        return self.amount - self.filled


class Exchange(Protocol):
    """One account at one exchange.

    Every method may raise any error of `worker.errors`. After an `OperationFailed` from `create_order` or
    `cancel_order` the order's state is unknown: ask `fetch_order`.
    """

    @property
    def name(self) -> str:
        """Return the exchange's name, in lower case."""

    def fetch_market(self, symbol: str) -> Market:
        """Return the rules of `symbol`, or raise `BadSymbol`."""

    def fetch_candles(self, symbol: str, *, interval_seconds: int = 60, limit: int = 100) -> list[Candle]:
        """Return the latest `limit` candles, the oldest first; the last one may still be open."""

    def fetch_order_book(self, symbol: str) -> OrderBook:
        """Return what is offered now."""

    def fetch_balance(self) -> dict[str, Balance]:
        """Return every currency of the account by its name."""

    def fetch_positions(self) -> list[Position]:
        """Return what trading has added up to, by symbol; closed positions are left out."""

    def fetch_open_orders(self, symbol: str | None = None) -> list[Order]:
        """Return the orders that still wait in the book, the oldest first."""

    def fetch_order(self, client_order_id: str, symbol: str) -> Order:
        """Return the order, open or not, or raise `OrderNotFound`."""

    def create_order(
        self, client_order_id: str, symbol: str, side: Side, amount: Decimal, price: Decimal | None = None
    ) -> Order:
        """Place an order, once: the same order under the same id is answered with what became of it."""

    def cancel_order(self, client_order_id: str, symbol: str) -> Order:
        """Take an open order out of the book, or raise `OrderNotFound` when it is not (or no longer) there."""


def as_json(value: Candle | Balance | Position | Order) -> dict[str, object]:
    """Return `value` as JSON can carry it: money as text, exactly."""
    return {name: str(field) if isinstance(field, Decimal) else field for name, field in asdict(value).items()}
