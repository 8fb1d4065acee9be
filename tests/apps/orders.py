"""Arguments that a trading application passes whole."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """An order as it travels to its task (pickled)."""

    bot_id: str
    exchange: str
    symbol: str
    amount: float = 1.0
    note: str = ""
