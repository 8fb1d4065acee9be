"""Exchanges by name, behind one Protocol: all on paper; a live one is another class with the same methods."""

from worker.errors import BadRequest
from worker.exchanges.interface import (
    Balance,
    Candle,
    Exchange,
    Level,
    Market,
    Order,
    OrderBook,
    Position,
    Side,
    as_json,
)
from worker.exchanges.paper import PaperExchange
from worker.settings import EXCHANGES, trading_settings
from worker.store import server

__all__ = [
    "EXCHANGES",
    "Balance",
    "Candle",
    "Exchange",
    "Level",
    "Market",
    "Order",
    "OrderBook",
    "PaperExchange",
    "Position",
    "Side",
    "as_json",
    "get_exchange",
]


def get_exchange(name: str, account: str = "main") -> Exchange:
    """Return the exchange of this name as `account` sees it (a bot trades an account of its own, named after it).

    Raises `BadRequest` for a name that the platform does not know.
    """
    if name not in EXCHANGES:
        raise BadRequest(f"exchange must be one of {', '.join(EXCHANGES)}, got {name!r}")
    settings = trading_settings()
    return PaperExchange(name, account, server(), seed=settings.paper_seed, faults=settings.paper_faults)
